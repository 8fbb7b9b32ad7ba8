"""Servers that boot from volumes, on the whole cloud: made with them, refused, given up, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from common.ids import new_id
from tests.fixtures.cloud import COMPUTE, Cloud
from tests.functional.cloud.test_volumes import NEWEST, VOLUME, devices, make, show, used


def root(source: str, source_id: str | None = None, **more: Any) -> dict[str, Any]:
    """A device that the server boots from."""
    named = {"uuid": source_id} if source_id else {}
    return {"source_type": source, "destination_type": "volume", "boot_index": 0, **named, **more}


def disk(source: str, source_id: str | None = None, **more: Any) -> dict[str, Any]:
    return root(source, source_id, **{"boot_index": -1, **more})


def on_volume(cloud: Cloud, *mapping: dict[str, Any], **more: Any) -> str:
    return cloud.active(imageRef="", block_device_mapping_v2=list(mapping), **more)


def attached(cloud: Cloud, server_id: str) -> list[str]:
    return [each["id"] for each in cloud.show(server_id)["os-extended-volumes:volumes_attached"]]


def root_of(cloud: Cloud, server_id: str) -> str:
    found = cloud.ok(cloud.api.get(f"{COMPUTE}/servers/{server_id}/os-volume_attachments"))["volumeAttachments"]
    return next(str(each["volumeId"]) for each in found if each["device"] == "/dev/vda")


def snapshot_of(cloud: Cloud, volume_id: str) -> str:
    body = {"snapshot": {"volume_id": volume_id, "name": "s", "force": True}}
    snapshot_id = str(cloud.ok(cloud.api.post(f"{VOLUME}/snapshots", json=body))["snapshot"]["id"])
    cloud.run_until_idle()
    return snapshot_id


@pytest.mark.parametrize("source", ["image", "snapshot", "volume", "blank"])
def test_a_server_boots_from_a_volume_of_any_source(cloud: Cloud, source: str) -> None:
    source_id: str | None = cloud.image_id
    if source != "image":
        source_id = make(cloud, imageRef=cloud.image_id)
    if source == "snapshot":
        source_id = snapshot_of(cloud, str(source_id))
    before = used(cloud)
    size = {"volume_size": 2} if source != "volume" else {}
    device = root(source, None if source == "blank" else source_id, delete_on_termination=True, **size)
    server_id = on_volume(cloud, device, disk("blank", volume_size=3))
    shown = cloud.show(server_id, "admin")
    assert (shown["image"], shown["OS-EXT-SRV-ATTR:root_device_name"]) == ("", "/dev/vda")
    ids = attached(cloud, server_id)
    assert [show(cloud, each)["status"] for each in ids] == ["in-use", "in-use"]
    assert devices(cloud, server_id) == ["vda", "vdb"]
    assert (ids[0] == source_id) == (source == "volume")
    host = {show(cloud, each, "admin")["os-vol-host-attr:host"].partition("@")[0] for each in ids}
    assert host == {cloud.node_of(server_id).name}
    claimed = cloud.ok(cloud.api.get(f"{COMPUTE}/os-hypervisors/detail?with_servers=true", "admin"))["hypervisors"]
    assert sum(each.get("local_gb_used", 0) for each in claimed) == before[2] + (3 if source == "volume" else 5)
    cloud.assert_sound()
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.api.get(f"{VOLUME}/volumes/{ids[0]}").status_code == 404, "it was to go with the server"
    assert show(cloud, ids[1])["status"] == "available", "this one was to stay"
    cloud.assert_sound()


def test_refusals(cloud: Cloud) -> None:
    volume_id, empty_id, multi = (
        make(cloud, imageRef=cloud.image_id),
        make(cloud),
        make(cloud, multiattach=True, imageRef=cloud.image_id),
    )
    stranger = cloud.ok(cloud.api.post(f"{VOLUME}/volumes", "other", json={"volume": {"size": 1}}))["volume"]["id"]
    cloud.run_until_idle()
    before, image = used(cloud), cloud.image_id
    roots = [root("volume", volume_id)]
    order = "Boot sequence for the instance and image/block device mapping combination is not valid."
    cases: list[tuple[list[dict[str, Any]], dict[str, Any], int, str]] = [
        ([root("image", image, volume_size=1), root("blank", volume_size=1)], {}, 400, order),
        ([root("image", image, volume_size=1), disk("blank", volume_size=1, boot_index=2)], {}, 400, order),
        ([disk("volume", volume_id)], {}, 400, order),
        ([root("image", image)], {}, 400, "need to have a non-zero size"),
        ([root("blank")], {}, 400, "need to have non-zero size"),
        ([root("image", new_id(), volume_size=1)], {}, 400, "failed to get image"),
        ([root("snapshot", new_id())], {}, 400, "failed to get snapshot"),
        ([root("volume", new_id())], {}, 400, "failed to get volume"),
        ([root("volume", str(stranger))], {}, 400, "failed to get volume"),
        ([root("volume", empty_id)], {}, 400, "is not bootable"),
        ([root("volume")], {}, 400, "Missing device UUID"),
        ([*roots, disk("volume", volume_id)], {}, 400, "named twice"),
        (roots, {"max_count": 2}, 400, "Cannot attach one or more volumes to multiple instances"),
        ([root("image", image, volume_size=5000)], {}, 403, "Quota exceeded for gigabytes"),
        ([root("image", image, volume_size=1, volume_type="nope")], {}, 400, "Volume type nope could not be found"),
        ([root("image", image, volume_size=1, destination_type="local", volume_type="x")], {}, 400, "volume_type"),
        ([root("volume", volume_id, volume_type="x")], {}, 400, "volume type to existing volume"),
        ([root("volume", volume_id, disk_bus="tape")], {}, 400, "disk bus"),
        ([root("volume", volume_id, device_type="lun")], {}, 400, "device_type"),
        (roots, {"block_device_mapping": [{"volume_id": volume_id}]}, 400, "different block_device_mapping"),
    ]  # fmt: skip
    for mapping, more, status, words in cases:
        reply = cloud.ask_for(imageRef="", block_device_mapping_v2=mapping, **more)
        assert (reply.status_code, words in reply.text) == (status, True), (mapping, reply.text)
    server = {
        "name": "m", "flavorRef": cloud.flavor_id, "networks": "auto",
        "block_device_mapping_v2": [root("volume", multi)],
    }  # fmt: skip
    older = {"OpenStack-API-Version": "compute 2.59"}
    reply = cloud.api.post(f"{COMPUTE}/servers", headers=older, json={"server": server})
    assert (reply.status_code, "2.60" in reply.text) == (400, True), reply.text
    assert used(cloud) == before
    assert show(cloud, volume_id)["status"] == "available"
    cloud.assert_sound()


def test_a_server_that_fails_gives_its_volumes_up(cloud: Cloud) -> None:
    """What was there is free again; what was made for it goes."""
    kept_id = make(cloud, imageRef=cloud.image_id)
    for node in cloud.nodes.values():
        node.fault(ensure_running={"code": "hypervisor_error"})
    before = used(cloud)
    mapping = [root("volume", kept_id), disk("blank", volume_size=1)]
    server_id = cloud.create(imageRef="", block_device_mapping_v2=mapping)
    cloud.run_until_idle()
    assert cloud.status(server_id) == "ERROR"
    assert (show(cloud, kept_id)["status"], used(cloud)) == ("available", before)
    assert attached(cloud, server_id) == []
    cloud.assert_sound()


def test_a_delete_in_the_middle_of_it_leaves_nothing(cloud: Cloud) -> None:
    server_id = cloud.create(imageRef="", block_device_mapping_v2=[root("image", cloud.image_id, volume_size=1)])
    for _ in range(3):
        cloud.tick()
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert (cloud.status(server_id), used(cloud)) == ("", (0, 0, 0))
    cloud.assert_sound()


def test_a_server_keeps_its_root_volume_whatever_is_done_with_it(cloud: Cloud) -> None:
    server_id = on_volume(cloud, root("image", cloud.image_id, volume_size=1))
    volume_id = root_of(cloud, server_id)
    path = f"{COMPUTE}/servers/{server_id}/os-volume_attachments/{volume_id}"
    assert cloud.api.delete(path).status_code in (400, 403, 409), "a server keeps what it boots from"
    for action, value in (
        ("os-stop", None), ("os-start", None), ("reboot", {"type": "HARD"}), ("rebuild", {"imageRef": cloud.image_id}),
        ("resize", {"flavorRef": "c1.large"}), ("confirmResize", None),
        ("rescue", {"rescue_image_ref": cloud.image_id}), ("unrescue", None), ("shelve", None),
    ):  # fmt: skip
        cloud.do(server_id, action, value)
        assert cloud.operations(server_id)[-1].state == "done", (action, cloud.operations(server_id)[-1].error)
        assert show(cloud, volume_id)["status"] == "in-use", action
    assert cloud.status(server_id) == "SHELVED_OFFLOADED", "it has no disk that would have to be kept as an image"
    cloud.do(server_id, "unshelve")
    assert (cloud.status(server_id), devices(cloud, server_id)) == ("ACTIVE", ["vda"])
    assert attached(cloud, server_id) == [volume_id]
    cloud.assert_sound()
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert show(cloud, volume_id)["status"] == "available"
    cloud.assert_sound()


def test_an_image_of_it_is_snapshots_and_boots(cloud: Cloud) -> None:
    server_id = on_volume(cloud, root("image", cloud.image_id, volume_size=1), disk("blank", volume_size=2))
    backup = {"name": "b", "backup_type": "daily", "rotation": 1}
    assert cloud.act(server_id, "createBackup", backup).status_code == 400
    image_id = cloud.ok(cloud.act(server_id, "createImage", {"name": "i"}))["image_id"]
    cloud.run_until_idle()
    image = cloud.ok(cloud.api.get(f"/image/v2/images/{image_id}"))
    assert (image["status"], image["size"], image["bdm_v2"]) == ("active", 0, "True")
    assert used(cloud) == (2, 2, 6)
    other_id = cloud.active(imageRef=image_id)
    assert len(attached(cloud, other_id)) == 2
    assert used(cloud) == (4, 2, 9)
    assert devices(cloud, other_id) == ["vda", "vdb"]
    body = {"volume": {"size": 1, "imageRef": image_id}}
    assert cloud.api.post(f"{VOLUME}/volumes", json=body).status_code == 400
    volume_id = cloud.ok(cloud.api.post(f"{VOLUME}/volumes", json=body, headers=NEWEST))["volume"]["id"]
    cloud.run_until_idle()
    volume = show(cloud, volume_id)
    assert (volume["status"], volume["bootable"]) == ("available", "true")
    assert volume["snapshot_id"] is not None
    cloud.assert_sound()


def test_rebuild_by_microversion(cloud: Cloud) -> None:
    """Before 2.93 the volume is left as it is, and only its own image may be named."""
    server_id = on_volume(cloud, root("image", cloud.image_id, volume_size=1))
    other_id = cloud._image()
    older = {"OpenStack-API-Version": "compute 2.92"}
    path = f"{COMPUTE}/servers/{server_id}/action"
    refused = cloud.api.post(path, headers=older, json={"rebuild": {"imageRef": other_id}})
    assert (refused.status_code, "different image" in refused.text) == (400, True)
    cloud.ok(cloud.api.post(path, headers=older, json={"rebuild": {"imageRef": cloud.image_id}}))
    cloud.run_until_idle()
    cloud.do(server_id, "rebuild", {"imageRef": other_id})
    volume = show(cloud, root_of(cloud, server_id))
    assert (cloud.status(server_id), volume["volume_image_metadata"]["image_id"]) == ("ACTIVE", other_id)
    cloud.assert_sound()


def test_volumes_come_to_a_server_that_has_left_its_node_and_leave_it(cloud: Cloud) -> None:
    server_id, volume_id, other_id = cloud.active(), make(cloud), make(cloud, multiattach=True)
    cloud.do(server_id, "shelve")
    if cloud.status(server_id) == "SHELVED":
        cloud.do(server_id, "shelveOffload")
    path = f"{COMPUTE}/servers/{server_id}/os-volume_attachments"
    headers = {"OpenStack-API-Version": "compute 2.89"}
    refused = cloud.api.post(path, headers=headers, json={"volumeAttachment": {"volumeId": other_id}})
    assert (refused.status_code, "shelved-offloaded" in refused.text) == (400, True)
    cloud.ok(cloud.api.post(path, headers=headers, json={"volumeAttachment": {"volumeId": volume_id}}))
    cloud.run_until_idle()
    assert show(cloud, volume_id)["status"] == "in-use"
    cloud.do(server_id, "unshelve")
    assert cloud.node_of(server_id).name in show(cloud, volume_id, "admin")["os-vol-host-attr:host"]
    assert devices(cloud, server_id).count("vdb") == 1
    for action in ("shelve", "shelveOffload"):
        if cloud.status(server_id) != "SHELVED_OFFLOADED":
            cloud.do(server_id, action)
    assert cloud.api.delete(f"{path}/{volume_id}").status_code == 202
    cloud.run_until_idle()
    assert show(cloud, volume_id)["status"] == "available"
    cloud.assert_sound()
