"""Files that become volumes and snapshots, and volumes and snapshots that become files again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.cloud import Cloud
from tests.functional.cloud.test_volumes import used
from tests.functional.volume.caller import Caller

GIB = 1024**3


@pytest.fixture
def call(cloud: Cloud) -> Caller:
    return Caller(cloud.api)


def status(call: Caller, volume_id: str) -> str:
    return str(call.get(f"/volumes/{volume_id}", "admin")["volume"]["status"])


def listed(call: Caller, what: str, host: str, more: str = "") -> list[dict[str, Any]]:
    path = f"/manageable_{what}{more}?host={host.replace('#', '%23')}"
    found: list[dict[str, Any]] = call.get(path, "admin")[f"manageable-{what}"]
    return found


def put(cloud: Cloud, node: str, name: str, size_bytes: int = GIB) -> Path:
    """As an administrator copies a file there."""
    path = cloud.nodes[node].state_dir / "volumes" / "unmanaged" / name
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size_bytes)
    return path


def test_a_volume_is_let_go_and_taken_in_again(call: Caller, cloud: Cloud) -> None:
    volume_id = call.volume(size=2)
    cloud.run_until_idle()
    was = call.get(f"/volumes/{volume_id}", "admin")["volume"]
    host = was["os-vol-host-attr:host"]
    (entry,) = listed(call, "volumes", host, "/detail")
    assert (entry["cinder_id"], entry["safe_to_manage"], entry["reason_not_safe"]) == (
        volume_id,
        False,
        "already managed",
    )
    call.post(f"/volumes/{volume_id}/action", {"os-unmanage": {}}, expect=403)
    call.post(f"/volumes/{volume_id}/action", {"os-unmanage": {}}, "admin")
    cloud.run_until_idle()
    call.get(f"/volumes/{volume_id}", "admin", 404)
    assert used(cloud) == (0, 0, 0)
    assert listed(call, "volumes", host) == [
        {"reference": {"source-name": f"volume-{volume_id}.qcow2"}, "size": 2, "safe_to_manage": True}
    ]
    wish = {"host": host, "ref": {"source-name": f"volume-{volume_id}"}, "name": "again", "bootable": True}
    made = call.post("/manageable_volumes", {"volume": wish}, "admin")["volume"]
    cloud.run_until_idle()
    shown = call.get(f"/volumes/{made['id']}", "admin")["volume"]
    same = ("size", "volume_type", "availability_zone", "os-vol-host-attr:host")
    assert {key: shown[key] for key in same} == {key: was[key] for key in same}
    assert (shown["status"], shown["name"], shown["bootable"]) == ("available", "again", "true")
    assert "no file" in str(call.post("/os-volume-manage", {"volume": wish}, "admin", 400))
    cloud.assert_sound()


def test_a_snapshot_is_let_go_and_taken_in_again(call: Caller, cloud: Cloud) -> None:
    volume_id = call.volume(size=2)
    cloud.run_until_idle()
    snapshot_id = call.post("/snapshots", {"snapshot": {"volume_id": volume_id}})["snapshot"]["id"]
    cloud.run_until_idle()
    host = call.get(f"/volumes/{volume_id}", "admin")["volume"]["os-vol-host-attr:host"]
    (entry,) = listed(call, "snapshots", host, "/detail")
    assert (entry["cinder_id"], entry["source_reference"]) == (snapshot_id, {"source-name": f"{volume_id}.qcow2"})
    call.post(f"/snapshots/{snapshot_id}/action", {"os-unmanage": {}}, "admin")
    cloud.run_until_idle()
    call.get(f"/snapshots/{snapshot_id}", expect=404)
    assert used(cloud) == (1, 0, 2)
    wish = {"volume_id": volume_id, "ref": {"source-name": f"_snapshot-{snapshot_id}"}, "metadata": {"a": "b"}}
    made = call.post("/os-snapshot-manage", {"snapshot": wish}, "admin")["snapshot"]
    cloud.run_until_idle()
    shown = call.get(f"/snapshots/{made['id']}", "admin")["snapshot"]
    assert (shown["status"], shown["size"], shown["metadata"]) == ("available", 2, {"a": "b"})
    copy_id = call.volume("admin", size=2, snapshot_id=made["id"])
    cloud.run_until_idle()
    assert status(call, copy_id) == "available"
    cloud.assert_sound()


def test_what_can_not_be_taken_in_is_refused(call: Caller, cloud: Cloud) -> None:
    put(cloud, "n1", "odd.raw", GIB + 1)
    put(cloud, "n1", "disk.vmdk")
    (put(cloud, "n1", "x.raw").with_name("link.raw")).symlink_to("/etc/passwd")
    rows = {each["reference"]["source-name"]: each for each in listed(call, "volumes", "n1@files", "/detail")}
    assert {name: row["safe_to_manage"] for name, row in rows.items()} == {
        "odd.raw": True, "x.raw": True, "disk.vmdk": False, "link.raw": False,
    }  # fmt: skip
    assert (rows["odd.raw"]["size"], "no plain file" in rows["link.raw"]["reason_not_safe"]) == (2, True)
    by_size = call.get("/manageable_volumes?host=n1&sort=size:desc&limit=1", "admin")["manageable-volumes"]
    assert by_size[0]["reference"] == {"source-name": "odd.raw"}
    for path in ("/manageable_volumes", "/manageable_volumes?host=n9", "/manageable_volumes?host=n1&sort=color"):
        call.get(path, "admin", 400)
    call.get("/manageable_volumes?host=n1", expect=403)
    call.get("/manageable_volumes?host=n1", "admin", 404, at="3.7")
    for ref, host in (
        ({"source-name": "link.raw"}, "n1"),
        ({"source-id": "x"}, "n1"),
        ({"source-name": "x.raw"}, "n9"),
    ):
        call.post("/manageable_volumes", {"volume": {"host": host, "ref": ref}}, "admin", 400)
    call.volume_type("magic", extra_specs={"storage_protocol": "telepathy"})
    wish = {"host": "n1@files", "ref": {"source-name": "odd.raw"}}
    assert "magic" in str(call.post("/manageable_volumes", {"volume": {**wish, "volume_type": "magic"}}, "admin", 400))
    made = call.post("/manageable_volumes", {"volume": wish}, "admin")["volume"]
    gone = call.post("/manageable_volumes", {"volume": wish}, "admin")["volume"]
    cloud.run_until_idle()
    assert (status(call, made["id"]), status(call, gone["id"])) == ("available", "error"), "one file, one volume"
    cloud.assert_sound()
