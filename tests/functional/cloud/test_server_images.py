"""Images and backups of servers on the whole cloud: what the image says, and what a failure leaves."""

from __future__ import annotations

from typing import Any

import pytest

from common.states import TaskState
from tests.fixtures.cloud import COMPUTE, Cloud

IMAGE = "/image/v2/images"


def ask(cloud: Cloud, server_id: str, version: str = "2.79", **wanted: Any) -> Any:
    headers = {"OpenStack-API-Version": f"compute {version}"}
    body = {"createImage": {"name": "snap", **wanted}}
    return cloud.api.post(f"{COMPUTE}/servers/{server_id}/action", headers=headers, json=body)


def image(cloud: Cloud, image_id: str) -> dict[str, Any]:
    body: dict[str, Any] = cloud.ok(cloud.api.get(f"{IMAGE}/{image_id}"))
    return body


def images(cloud: Cloud) -> list[str]:
    found = cloud.ok(cloud.api.get(IMAGE, query_string={"owner": cloud.api.project_id("demo")}))["images"]
    return sorted(each["name"] for each in found)


@pytest.mark.parametrize("state", ["", "os-stop", "pause", "suspend"])
def test_an_image_of_a_server_in_whatever_state_it_is(cloud: Cloud, state: str) -> None:
    server_id = cloud.active()
    if state:
        cloud.do(server_id, state)
    before = cloud.show(server_id)
    image_id = cloud.ok(ask(cloud, server_id, metadata={"colour": "blue"}))["image_id"]
    assert image(cloud, image_id)["status"] == "queued"
    assert cloud.show(server_id)["OS-EXT-STS:task_state"] == TaskState.IMAGE_SNAPSHOT
    assert cloud.act(server_id, "createImage", {"name": "second"}).status_code == 409
    cloud.run_until_idle()
    made = image(cloud, image_id)
    assert (made["status"], made["visibility"], made["disk_format"], made["min_disk"]) == (
        "active", "private", "qcow2", 1,
    )  # fmt: skip
    assert (made["image_type"], made["instance_uuid"], made["base_image_ref"]) == (
        "snapshot", server_id, cloud.image_id,
    )  # fmt: skip
    assert (made["colour"], made["owner"]) == ("blue", cloud.api.project_id("demo"))
    after = cloud.show(server_id)
    assert {key: after[key] for key in after if key != "updated"} == {
        key: before[key] for key in before if key != "updated"
    }
    assert cloud.node_of(server_id).instance_folders() == {server_id}
    folder = cloud.node_of(server_id).state_dir / "instances" / server_id
    assert list(folder.glob("snapshot-*")) == []


def test_its_maker_may_call_it_something_else(cloud: Cloud) -> None:
    image_id = cloud.ok(ask(cloud, cloud.active(), metadata={"image_type": "test", "instance_uuid": "x"}))["image_id"]
    assert image(cloud, image_id)["image_type"] == "test"
    assert image(cloud, image_id)["instance_uuid"] != "x"
    cloud.run_until_idle()


def test_a_server_from_such_an_image(cloud: Cloud) -> None:
    image_id = cloud.ok(ask(cloud, cloud.active()))["image_id"]
    cloud.run_until_idle()
    assert cloud.show(cloud.active(imageRef=image_id))["image"]["id"] == image_id


def test_before_2_45_a_link_is_the_answer(cloud: Cloud) -> None:
    reply = ask(cloud, cloud.active(), "2.44")
    assert (reply.status_code, reply.data) == (202, b"")
    assert "/images/" in reply.headers["Location"]
    cloud.run_until_idle()
    assert image(cloud, reply.headers["Location"].rsplit("/", 1)[-1])["status"] == "active"


@pytest.mark.parametrize("fault", ["begin_copy", "copy_state"])
def test_a_failure_leaves_no_image_and_the_server_as_it_was(cloud: Cloud, fault: str) -> None:
    server_id = cloud.active()
    cloud.node_of(server_id).fault(**{fault: {"code": "hypervisor_error", "message": "no"}})
    ask(cloud, server_id)
    cloud.run_until_idle()
    cloud.node_of(server_id).fault()
    assert (cloud.status(server_id), images(cloud)) == ("ACTIVE", [])
    assert cloud.show(server_id)["OS-EXT-STS:task_state"] is None


def test_the_server_is_deleted_meanwhile(cloud: Cloud) -> None:
    server_id = cloud.active()
    ask(cloud, server_id)
    cloud.tick()
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert (cloud.status(server_id), images(cloud)) == ("", [])


@pytest.mark.parametrize("after", [False, True])
def test_the_agent_killed_in_it(cloud: Cloud, after: bool) -> None:
    server_id = cloud.active()
    cloud.node_of(server_id).kill_in("begin_copy", after=after)
    image_id = cloud.ok(ask(cloud, server_id))["image_id"]
    cloud.run_until_idle()
    assert image(cloud, image_id)["status"] == "active"


def strangers_images_that_say_the_same(cloud: Cloud, server_id: str) -> None:
    """Anybody may write such properties on an image of their own; they are no reason to delete somebody's backups."""
    said = {"image_type": "backup", "instance_uuid": server_id, "backup_type": "daily"}
    for _ in range(2):
        asked = {"name": "fake", "disk_format": "raw", "container_format": "bare", **said}
        made = cloud.ok(cloud.api.post("/image/v2/images", "other", json=asked))
        path = f"/image/v2/images/{made['id']}/file"
        sent = cloud.api.put(path, "other", data=b"x", content_type="application/octet-stream")
        assert sent.status_code == 204, sent.text


def test_backups_are_rotated_by_kind(cloud: Cloud) -> None:
    server_id = cloud.active()

    def backup(name: str, kind: str, rotation: int) -> Any:
        reply = cloud.act(server_id, "createBackup", {"name": name, "backup_type": kind, "rotation": rotation})
        assert reply.status_code == 202, reply.text
        cloud.run_until_idle()
        cloud.run_for(1)
        return reply

    image_id = backup("d1", "daily", 2).json["image_id"]
    assert (image(cloud, image_id)["image_type"], image(cloud, image_id)["backup_type"]) == ("backup", "daily")
    backup("w1", "weekly", 2)
    backup("d2", "daily", 2)
    strangers_images_that_say_the_same(cloud, server_id)
    backup("d3", "daily", 2)
    assert images(cloud) == ["d2", "d3", "w1"]
    assert backup("d4", "daily", 0).data == b""
    assert images(cloud) == ["w1"]


def test_refusals(cloud: Cloud) -> None:
    server_id = cloud.active()
    for bad in ({"name": ""}, {"metadata": {"id": "x"}}, {"metadata": {"status": "x"}}, {"x": 1}):
        assert ask(cloud, server_id, **bad).status_code == 400, bad
    assert ask(cloud, server_id, metadata={f"k{n}": "v" for n in range(129)}).status_code == 403
    wrong = {"name": "x", "backup_type": "daily", "rotation": -1}
    assert cloud.act(server_id, "createBackup", wrong).status_code == 400
    assert images(cloud) == []


def test_only_the_node_that_was_asked_may_send_the_bytes(cloud: Cloud) -> None:
    server_id = cloud.active()
    image_id = cloud.ok(ask(cloud, server_id))["image_id"]
    url = f"/cumulet/v1/nodes/images/{image_id}/file"
    other = next(node for node in cloud.nodes.values() if node is not cloud.node_of(server_id))
    secret = (other.state_dir / "node.secret").read_text().strip()
    for name, shown, status in ((other.name, secret, 404), (other.name, "wrong", 401), ("", "", 401)):
        headers = {"X-Cumulet-Node": name, "X-Cumulet-Node-Secret": shown}
        reply = cloud.api.put(url, None, headers=headers, data=b"x", content_type="application/octet-stream")
        assert reply.status_code == status, (name, reply.text)
    cloud.run_until_idle()
    assert image(cloud, image_id)["status"] == "active"
