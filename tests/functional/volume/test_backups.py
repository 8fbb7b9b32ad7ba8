"""Backups on the whole cloud: full, incremental, of snapshots and of attached volumes; restored, refused, taken over."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from common.db import quotas
from tests.fixtures.cloud import Cloud
from tests.functional.cloud.test_volumes import attach, beside
from tests.functional.volume.caller import Caller


@pytest.fixture
def call(cloud: Cloud) -> Caller:
    return Caller(cloud.api)


def made(call: Caller, cloud: Cloud, volume_id: str, **more: Any) -> str:
    backup_id = str(call.post("/backups", {"backup": {"volume_id": volume_id, **more}})["backup"]["id"])
    cloud.run_until_idle()
    return backup_id


def ready(cloud: Cloud, call: Caller, **wanted: Any) -> str:
    volume_id = call.volume(**wanted)
    cloud.run_until_idle()
    return volume_id


def shown(call: Caller, backup_id: str, as_: str = "demo", at: str = "3.71") -> dict[str, Any]:
    found: dict[str, Any] = call.get(f"/backups/{backup_id}", as_, at=at)["backup"]
    return found


def used(cloud: Cloud) -> tuple[int, int]:
    with cloud.db.read() as session:
        found = quotas.usage(session, cloud.api.project_id("demo"))
    return found.get("backups", 0), found.get("backup_gigabytes", 0)


def stored(cloud: Cloud) -> set[str]:
    """What lies in the nodes' folders of backups."""
    return {each.name for folder in folders(cloud) for each in folder.iterdir()}


def folders(cloud: Cloud) -> list[Path]:
    found = [Path(node.config.agent.state_dir) / "backups" for node in cloud.nodes.values()]
    return [folder for folder in found if folder.is_dir()]


def test_a_backup_s_life(call: Caller, cloud: Cloud) -> None:
    volume_id = ready(cloud, call, size=2, name="v")
    answer = call.post("/backups", {"backup": {"volume_id": volume_id, "name": " b ", "metadata": {"a": "1"}}})[
        "backup"
    ]
    full = answer["id"]
    assert (answer["name"], answer["metadata"]) == ("b", {"a": "1"})
    assert call.get(f"/volumes/{volume_id}")["volume"]["status"] == "backing-up"
    assert shown(call, full)["status"] == "creating"
    call.post(f"/backups/{full}/restore", {"restore": {}}, expect=400)
    call.delete(f"/backups/{full}", expect=400)
    cloud.run_until_idle()
    assert call.get(f"/volumes/{volume_id}")["volume"]["status"] == "available"
    second = made(call, cloud, volume_id, incremental=True)
    seen = {each: shown(call, each) for each in (full, second)}
    assert [seen[each]["status"] for each in seen] == ["available", "available"]
    assert [(row["is_incremental"], row["has_dependent_backups"]) for row in seen.values()] == [
        (False, True), (True, False),
    ]  # fmt: skip
    assert (used(cloud), stored(cloud)) == ((2, 4), {full, second})
    wish = {"backup": {"volume_id": volume_id, "incremental": True}}
    assert "full one" in str(call.post("/backups", wish, "admin", 400)), "an owner's backups are no administrator's"
    call.delete(f"/backups/{full}", expect=400)
    for each in (second, full):
        call.delete(f"/backups/{each}")
        cloud.run_until_idle()
        call.get(f"/backups/{each}", expect=404)
    assert (used(cloud), stored(cloud)) == ((0, 0), set())
    cloud.assert_sound()


def test_a_volume_is_made_of_a_backup_or_gets_its_bytes(call: Caller, cloud: Cloud) -> None:
    volume_id = ready(cloud, call, imageRef=cloud.image_id, metadata={"made": "first"})
    backup_id = made(call, cloud, volume_id)
    done = call.post(f"/backups/{backup_id}/restore", {"restore": {}})["restore"]
    assert (done["backup_id"], done["volume_name"]) == (backup_id, f"restore_backup_{backup_id}")
    assert shown(call, backup_id)["status"] == "restoring"
    call.delete(f"/backups/{backup_id}", expect=400)
    cloud.run_until_idle()
    new = call.get(f"/volumes/{done['volume_id']}")["volume"]
    assert (new["status"], new["bootable"], new["volume_image_metadata"]["image_id"]) == (
        "available", "true", cloud.image_id,
    )  # fmt: skip
    assert new["metadata"] == {"made": "first"}
    wish = {"restore": {"volume_id": volume_id}}
    assert call.post(f"/backups/{backup_id}/restore", wish)["restore"]["volume_id"] == volume_id
    assert call.get(f"/volumes/{volume_id}")["volume"]["status"] == "restoring-backup"
    cloud.run_until_idle()
    assert call.get(f"/volumes/{volume_id}")["volume"]["status"] == "available"
    assert shown(call, backup_id)["status"] == "available"
    several = [call.volume(backup_id=backup_id) for _ in range(2)]  # 3.47: side by side
    call.delete(f"/backups/{backup_id}", expect=400)
    cloud.run_until_idle()
    assert {call.get(f"/volumes/{each}")["volume"]["status"] for each in several} == {"available"}
    call.post("/volumes", {"volume": {"size": 1, "backup_id": backup_id}}, "other", 404)
    cloud.assert_sound()


def test_what_may_be_backed_up_and_how(call: Caller, cloud: Cloud) -> None:
    server_id, volume_id = beside(cloud, size=2)
    cloud.ok(attach(cloud, server_id, volume_id))
    cloud.run_until_idle()
    wish = {"volume_id": volume_id}
    assert "force" in str(call.post("/backups", {"backup": wish}, expect=400))
    assert "full one" in str(
        call.post("/backups", {"backup": {**wish, "force": True, "incremental": True}}, expect=400)
    )
    backup_id = made(call, cloud, volume_id, force=True)
    assert shown(call, backup_id)["status"] == "available"
    assert call.get(f"/volumes/{volume_id}")["volume"]["status"] == "in-use"
    snapshot_id = call.post("/snapshots", {"snapshot": wish})["snapshot"]["id"]
    cloud.run_until_idle()
    of_snapshot = call.post("/backups", {"backup": {**wish, "snapshot_id": snapshot_id}})["backup"]["id"]
    assert call.get(f"/snapshots/{snapshot_id}")["snapshot"]["status"] == "backing-up"
    call.delete(f"/snapshots/{snapshot_id}", expect=400)
    cloud.run_until_idle()
    assert call.get(f"/snapshots/{snapshot_id}")["snapshot"]["status"] == "available"
    assert (shown(call, of_snapshot)["status"], shown(call, of_snapshot)["snapshot_id"]) == ("available", snapshot_id)
    small = ready(cloud, call, size=1)
    for volume in (small, volume_id):  # too small; attached
        call.post(f"/backups/{backup_id}/restore", {"restore": {"volume_id": volume}}, expect=400)
    call.post("/backups", {"backup": {"volume_id": small, "snapshot_id": snapshot_id}}, expect=400)
    call.post("/backups", {"backup": {"volume_id": small}}, "other", 404)
    call.put(f"/os-quota-sets/{cloud.api.project_id('demo')}", {"quota_set": {"backups": 2}}, "admin")
    call.post("/backups", {"backup": {"volume_id": small}}, expect=413)
    call.put("/os-services/disable", {"host": cloud.node_of(server_id).name, "binary": "cinder-backup"}, "admin")
    call.put(f"/os-quota-sets/{cloud.api.project_id('demo')}", {"quota_set": {"backups": 9}}, "admin")
    refused = made(call, cloud, volume_id, force=True)
    assert (shown(call, refused)["status"], "makes no backups now" in shown(call, refused)["fail_reason"]) == (
        "error", True,
    )  # fmt: skip
    assert call.get("/messages")["messages"][0]["event_id"] == "VOLUME_VOLUME_BACKUP_013_002"
    assert call.get(f"/volumes/{volume_id}")["volume"]["status"] == "in-use"
    cloud.assert_sound()


def test_a_failure_leaves_no_objects_and_says_why(call: Caller, cloud: Cloud) -> None:
    volume_id = ready(cloud, call)
    full = made(call, cloud, volume_id)
    (manifest,) = (each for folder in folders(cloud) for each in folder.glob(f"{full}/manifest"))
    manifest.write_bytes(b"damaged")
    backup_id = made(call, cloud, volume_id, incremental=True)
    assert (shown(call, backup_id)["status"], "is damaged" in shown(call, backup_id)["fail_reason"]) == ("error", True)
    assert call.get(f"/volumes/{volume_id}")["volume"]["status"] == "available"
    assert call.get("/messages")["messages"][0]["event_id"] == "VOLUME_VOLUME_BACKUP_013_001"
    call.post(f"/backups/{backup_id}/restore", {"restore": {}}, expect=400)
    reset = {"os-reset_status": {"status": "available"}}
    call.post(f"/backups/{backup_id}/action", reset, "admin", 400)  # it was never whole
    assert stored(cloud) == {full}
    new = call.post(f"/backups/{full}/restore", {"restore": {}})["restore"]["volume_id"]
    cloud.run_until_idle()
    assert (call.get(f"/volumes/{new}")["volume"]["status"], shown(call, full)["status"]) == ("error", "available")
    for each in (backup_id, full):
        call.delete(f"/backups/{each}")
        cloud.run_until_idle()
    assert (used(cloud), stored(cloud)) == ((0, 0), set())


def test_a_record_is_enough_to_find_a_backup_again(call: Caller, cloud: Cloud) -> None:
    volume_id = ready(cloud, call)
    backup_id = made(call, cloud, volume_id, name="b")
    call.get(f"/backups/{backup_id}/export_record", expect=403)
    record = call.get(f"/backups/{backup_id}/export_record", "admin")["backup-record"]
    assert record["backup_service"] == "directory"
    call.post("/backups/import_record", {"backup-record": record}, "admin", 400)  # it is there
    changed = json.loads(base64.b64decode(record["backup_url"])) | {"id": "0" * 8 + backup_id[8:]}
    again = {**record, "backup_url": base64.b64encode(json.dumps(changed).encode()).decode()}
    copy_id = call.post("/backups/import_record", {"backup-record": again}, "admin", 201)["backup"]["id"]
    cloud.run_until_idle()
    assert shown(call, copy_id, "admin")["status"] == "available"
    call.delete(f"/backups/{backup_id}")
    cloud.run_until_idle()
    assert stored(cloud) == {backup_id}, "the other record's objects are the same ones"
    new = call.post(f"/backups/{copy_id}/restore", {"restore": {"name": "n"}}, "admin")["restore"]["volume_id"]
    cloud.run_until_idle()
    assert call.get(f"/volumes/{new}", "admin")["volume"]["status"] == "available"
    call.delete(f"/backups/{copy_id}", "admin")
    cloud.run_until_idle()
    assert stored(cloud) == set()
    call.post("/backups/import_record", {"backup-record": again}, "admin", 201)
    cloud.run_until_idle()
    lost = shown(call, copy_id, "admin")
    assert (lost["status"], backup_id in lost["fail_reason"]) == ("error", True), "its objects are gone"
    for key, value in (("location", "../../etc"), ("size", 0), ("size", True), ("parent_id", "x"), ("name", 5)):
        bad = base64.b64encode(json.dumps(changed | {key: value}).encode()).decode()
        call.post("/backups/import_record", {"backup-record": {**record, "backup_url": bad}}, "admin", 400)


def test_lists_fields_and_services(call: Caller, cloud: Cloud) -> None:
    volume_id = ready(cloud, call)
    first = made(call, cloud, volume_id, name="a", metadata={"k": "v"}, container="box")
    second = made(call, cloud, volume_id, name="b")
    assert [row["id"] for row in call.get("/backups/detail?sort=name:asc")["backups"]] == [first, second]
    page = call.get("/backups?limit=1&sort=name:asc&with_count=true")
    assert (page["count"], [row["id"] for row in page["backups"]], len(page["backups_links"])) == (2, [first], 1)
    for query in ("name=a", "name~=a", "metadata={'k': 'v'}", "container=box", f"marker={second}&sort=name:desc"):
        assert [row["id"] for row in call.get(f"/backups?{query}")["backups"]] == [first], query
    assert call.get("/backups?all_tenants=1", "other")["backups"] == []
    assert len(call.get("/backups?all_tenants=1", "admin")["backups"]) == 2
    call.get("/backups?sort=secret", expect=400)
    assert "metadata" not in shown(call, first, at="3.42")
    assert {"os-backup-project-attr:project_id", "user_id"} <= set(shown(call, first, "admin"))
    assert "user_id" not in shown(call, first)
    changed = call.put(f"/backups/{first}", {"backup": {"name": "c", "metadata": {}}})["backup"]
    assert (changed["name"], changed["metadata"]) == ("c", {})
    call.put(f"/backups/{first}", {"backup": {}}, expect=400)
    call.put(f"/backups/{first}", {"backup": {"name": "x"}}, at="3.8", expect=404)
    call.post("/backups", {"backup": {"volume_id": volume_id, "availability_zone": "mars"}}, expect=400)
    call.post("/backups", {"backup": {"volume_id": volume_id, "metadata": {}}}, at="3.42", expect=400)
    services = call.get("/os-services?binary=cinder-backup", "admin")["services"]
    assert [(row["host"], row["state"]) for row in services] == [(name, "up") for name in sorted(cloud.nodes)]
    call.post(f"/backups/{first}/action", {"os-reset_status": {"status": "error"}}, "admin")
    assert shown(call, first)["status"] == "error"
    call.post(f"/backups/{first}/action", {"os-force_delete": {}}, "admin")
    cloud.run_until_idle()
    call.get(f"/backups/{first}", expect=404)
