"""Volumes on the whole cloud: made, grown, copied, attached and detached, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from common.db import quotas
from common.ids import new_id
from common.rpc.hardware_v1 import DiskTuning
from tests.fixtures.cloud import COMPUTE, Cloud

VOLUME = "/volume/v3"
NEWEST = {"OpenStack-API-Version": "volume 3.71"}


def make(cloud: Cloud, **wanted: Any) -> str:
    wanted = {"size": 1, **wanted}
    reply = cloud.api.post(f"{VOLUME}/volumes", headers=NEWEST, json={"volume": wanted})
    volume_id = str(cloud.ok(reply)["volume"]["id"])
    cloud.run_until_idle()
    return volume_id


def show(cloud: Cloud, volume_id: str, as_: str = "demo") -> dict[str, Any]:
    body: dict[str, Any] = cloud.ok(cloud.api.get(f"{VOLUME}/volumes/{volume_id}", as_, headers=NEWEST))["volume"]
    return body


def act(cloud: Cloud, volume_id: str, name: str, as_: str = "demo", **given: Any) -> Any:
    return cloud.api.post(f"{VOLUME}/volumes/{volume_id}/action", as_, headers=NEWEST, json={name: given})


def beside(cloud: Cloud, **wanted: Any) -> tuple[str, str]:
    """A server, and a volume on its node."""
    server_id = cloud.active()
    for _ in range(4):
        volume_id = make(cloud, **wanted)
        if cloud.node_of(server_id).name in show(cloud, volume_id, "admin")["os-vol-host-attr:host"]:
            return server_id, volume_id
    raise AssertionError("no volume came to the server's node")


def attach(cloud: Cloud, server_id: str, volume_id: str, **more: Any) -> Any:
    body = {"volumeAttachment": {"volumeId": volume_id, **more}}
    headers = {"OpenStack-API-Version": "compute 2.89"}
    return cloud.api.post(f"{COMPUTE}/servers/{server_id}/os-volume_attachments", headers=headers, json=body)


def used(cloud: Cloud) -> tuple[int, int, int]:
    """Volumes, snapshots, GiB."""
    with cloud.db.read() as session:
        found = quotas.usage(session, cloud.api.project_id("demo"))
    return found.get("volumes", 0), found.get("snapshots", 0), found.get("gigabytes", 0)


def devices(cloud: Cloud, server_id: str) -> list[str]:
    found: list[str] = cloud.node_of(server_id).domains()[server_id]["devices"]
    return [each for each in found if each.startswith("vd")]


def test_a_volume_s_life(cloud: Cloud) -> None:
    volume_id = make(cloud, name="v", metadata={"a": "b"})
    assert (show(cloud, volume_id)["status"], used(cloud)) == ("available", (1, 0, 1))
    assert act(cloud, volume_id, "os-extend", new_size=1).status_code == 400
    assert act(cloud, volume_id, "os-extend", new_size=3).status_code == 202
    assert show(cloud, volume_id)["status"] == "extending"
    cloud.run_until_idle()
    assert (show(cloud, volume_id)["status"], show(cloud, volume_id)["size"]) == ("available", 3)
    body = {"snapshot": {"volume_id": volume_id, "name": "s"}}
    snapshot_id = cloud.ok(cloud.api.post(f"{VOLUME}/snapshots", json=body))["snapshot"]["id"]
    cloud.run_until_idle()
    assert cloud.ok(cloud.api.get(f"{VOLUME}/snapshots/{snapshot_id}"))["snapshot"]["status"] == "available"
    assert used(cloud) == (1, 1, 6)
    assert cloud.api.delete(f"{VOLUME}/volumes/{volume_id}").status_code == 400, "it has a snapshot"
    copy_id, clone_id = make(cloud, size=4, snapshot_id=snapshot_id), make(cloud, size=3, source_volid=volume_id)
    places = {show(cloud, each, "admin")["os-vol-host-attr:host"] for each in (volume_id, copy_id, clone_id)}
    assert len(places) == 1, "what is made of bytes is made where they are"
    assert act(cloud, volume_id, "revert", snapshot_id=snapshot_id).status_code == 202
    cloud.run_until_idle()
    assert show(cloud, volume_id)["status"] == "available"
    for each in (copy_id, clone_id):
        assert cloud.api.delete(f"{VOLUME}/volumes/{each}").status_code == 202
    cloud.ok(cloud.api.delete(f"{VOLUME}/volumes/{volume_id}", query_string={"cascade": "true"}))
    cloud.run_until_idle()
    assert cloud.api.get(f"{VOLUME}/volumes/{volume_id}").status_code == 404
    assert used(cloud) == (0, 0, 0)
    cloud.assert_sound()


def test_a_volume_of_an_image_and_an_image_of_a_volume(cloud: Cloud) -> None:
    volume_id = make(cloud, imageRef=cloud.image_id)
    shown = show(cloud, volume_id)
    assert (shown["bootable"], shown["volume_image_metadata"]["image_id"]) == ("true", cloud.image_id)
    reply = act(cloud, volume_id, "os-volume_upload_image", image_name="copy", disk_format="qcow2")
    image_id = cloud.ok(reply)["os-volume_upload_image"]["image_id"]
    assert show(cloud, volume_id)["status"] == "uploading"
    cloud.run_until_idle()
    assert cloud.ok(cloud.api.get(f"/image/v2/images/{image_id}"))["status"] == "active"
    assert show(cloud, volume_id)["status"] == "available"
    cloud.assert_sound()


@pytest.mark.parametrize("state", ["", "os-stop", "pause"])
def test_attach_and_detach(cloud: Cloud, state: str) -> None:
    server_id, volume_id = beside(cloud)
    if state:
        cloud.do(server_id, state)
    made = cloud.ok(attach(cloud, server_id, volume_id, delete_on_termination=True))["volumeAttachment"]
    assert (made["device"], made["delete_on_termination"]) == ("/dev/vdb", True)
    assert show(cloud, volume_id)["status"] == "attaching"
    assert attach(cloud, server_id, volume_id).status_code == 400
    assert cloud.api.delete(f"{VOLUME}/volumes/{volume_id}").status_code == 400
    cloud.run_until_idle()
    shown = show(cloud, volume_id)
    assert (shown["status"], shown["attachments"][0]["server_id"]) == ("in-use", server_id)
    assert cloud.show(server_id)["os-extended-volumes:volumes_attached"][0]["id"] == volume_id
    mine = f"{VOLUME}/attachments/{shown['attachments'][0]['attachment_id']}"
    assert cloud.api.delete(mine, headers=NEWEST).status_code == 409, "the compute service detaches it"
    assert act(cloud, volume_id, "os-detach").status_code == 409
    assert act(cloud, volume_id, "os-terminate_connection", connector={}).status_code == 409
    other = make(cloud)
    cloud.run_until_idle()
    assert act(cloud, other, "os-detach", attachment_id=mine.rpartition("/")[2]).status_code == 400
    assert act(cloud, other, "os-detach", attachment_id=new_id()).status_code == 404
    if state == "os-stop":
        cloud.do(server_id, "os-start")
    assert devices(cloud, server_id).count("vdb") == 1
    path = f"{COMPUTE}/servers/{server_id}/os-volume_attachments/{volume_id}"
    assert cloud.api.delete(path).status_code == 202
    assert show(cloud, volume_id)["status"] == "detaching"
    cloud.run_until_idle()
    assert show(cloud, volume_id)["status"] == "available"
    assert "vdb" not in devices(cloud, server_id)
    assert cloud.api.get(path).status_code == 404
    cloud.assert_sound()


def test_a_volume_of_several_servers_is_being_detached_until_the_one_has_let_it_go(cloud: Cloud) -> None:
    first, volume_id = beside(cloud, multiattach=True)
    there = cloud.node_of(first).name
    second = next(each for each in (cloud.active() for _ in range(6)) if cloud.node_of(each).name == there)
    for server_id in (first, second):
        cloud.ok(attach(cloud, server_id, volume_id))
        cloud.run_until_idle()
    path = f"{COMPUTE}/servers/{first}/os-volume_attachments/{volume_id}"
    assert cloud.api.delete(path).status_code == 202
    assert show(cloud, volume_id)["status"] == "detaching"
    cloud.run_until_idle()
    shown = show(cloud, volume_id)
    assert (shown["status"], [each["server_id"] for each in shown["attachments"]]) == ("in-use", [second])


def test_a_server_keeps_its_volumes_and_frees_them_when_it_goes(cloud: Cloud) -> None:
    server_id, kept_id = beside(cloud)
    cloud.ok(attach(cloud, server_id, kept_id))
    cloud.run_until_idle()
    for action, value in (("reboot", {"type": "HARD"}), ("rebuild", {"imageRef": cloud.image_id}), ("shelve", None)):
        cloud.do(server_id, action, value)
    assert show(cloud, kept_id)["status"] == "in-use"
    cloud.do(server_id, "unshelve")
    assert devices(cloud, server_id).count("vdb") == 1
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert show(cloud, kept_id)["status"] == "available"
    cloud.assert_sound()


def test_a_guest_that_keeps_its_disk_keeps_the_volume(cloud: Cloud) -> None:
    server_id, volume_id = beside(cloud)
    cloud.ok(attach(cloud, server_id, volume_id))
    cloud.run_until_idle()
    cloud.node_of(server_id).fault(request_unplug={"ignore": True})
    path = f"{COMPUTE}/servers/{server_id}/os-volume_attachments/{volume_id}"
    assert cloud.api.delete(path).status_code == 202
    cloud.run_until_idle()
    assert show(cloud, volume_id)["status"] == "in-use"
    assert "did not let the device" in str([each.error for each in cloud.operations(server_id)])
    told = cloud.ok(cloud.api.get(f"{VOLUME}/messages?resource_uuid={volume_id}", headers=NEWEST))["messages"]
    assert "did not let the device" in told[0]["user_message"]
    cloud.node_of(server_id).fault()
    assert cloud.api.delete(path).status_code == 202
    cloud.run_until_idle()
    assert show(cloud, volume_id)["status"] == "available", "asked again, it is gone"
    cloud.assert_sound()


def test_the_hypervisor_is_told_how_fast_a_volume_may_be(cloud: Cloud) -> None:
    limits = {"name": "slow", "consumer": "front-end", "total_iops_sec_per_gb": "50"}
    qos = cloud.ok(cloud.api.post(f"{VOLUME}/qos-specs", "admin", json={"qos_specs": limits}))["qos_specs"]
    kind = cloud.ok(cloud.api.post(f"{VOLUME}/types", "admin", json={"volume_type": {"name": "slow"}}))["volume_type"]
    associate = f"{VOLUME}/qos-specs/{qos['id']}/associate?vol_type_id={kind['id']}"
    assert cloud.api.get(associate, "admin").status_code == 202
    server_id, volume_id = beside(cloud, size=2, volume_type="slow")
    cloud.ok(attach(cloud, server_id, volume_id))
    cloud.run_until_idle()
    (disk,) = cloud.node_of(server_id).agent.specs.spec(server_id).volumes  # type: ignore[union-attr]
    assert disk.tuning == DiskTuning(total_iops_sec=100)


def test_refusals_say_why(cloud: Cloud) -> None:
    server_id, volume_id = cloud.active(), ""
    for _ in range(6):
        volume_id = make(cloud)
        if cloud.node_of(server_id).name not in show(cloud, volume_id, "admin")["os-vol-host-attr:host"]:
            break
    reply = attach(cloud, server_id, volume_id)
    assert reply.status_code == 409
    assert "on another node" in reply.text
    big = cloud.api.post(f"{VOLUME}/volumes", json={"volume": {"size": 5000}})
    assert (big.status_code, "Quota exceeded for gigabytes" in big.text) == (413, True)
    failed = make(cloud, size=900)
    assert show(cloud, failed)["status"] == "error"
    both = cloud.api.post(
        f"{VOLUME}/volumes", json={"volume": {"size": 1, "snapshot_id": volume_id, "source_volid": volume_id}}
    )
    assert both.status_code == 400
    cloud.assert_sound()


def test_both_forms_of_the_path(cloud: Cloud) -> None:
    volume_id, project_id = make(cloud, name="v"), cloud.api.project_id("demo")
    shown = cloud.ok(cloud.api.get(f"{VOLUME}/{project_id}/volumes/{volume_id}"))["volume"]
    assert shown["links"][0]["href"].endswith(f"{VOLUME}/{project_id}/volumes/{volume_id}")
    assert cloud.api.get(f"{VOLUME}/{cloud.api.project_id('admin')}/volumes").status_code == 400
    assert cloud.api.get("/volume/v3/", None).get_json()["versions"][0]["version"] == "3.71"
