"""A guest on a node that does not answer may write to its volumes: nobody else gets them before that is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.deadlines import CUT_OFF_S, NODE_DOWN_S
from tests.fixtures.cloud import CUMULET, Cloud, CloudNode
from tests.functional.cloud.test_volumes import NEWEST, VOLUME, act, attach, beside, devices, make, show

LONG_S = CUT_OFF_S + 15


@pytest.fixture
def shared(cloud: Cloud, tmp_path: Path) -> Cloud:
    """All its nodes see one folder of volumes; its schedulers have listened for long enough to believe in a death."""
    for node in cloud.nodes.values():
        node.share_volumes(tmp_path / "shared")
    cloud.run_for(CUT_OFF_S)
    return cloud


def messages(cloud: Cloud, volume_id: str) -> list[str]:
    found = cloud.ok(cloud.api.get(f"{VOLUME}/messages?resource_uuid={volume_id}", headers=NEWEST))["messages"]
    return [each["user_message"] for each in found]


def left_behind(cloud: Cloud, **wanted: Any) -> tuple[CloudNode, str]:
    """A volume that a server had which was deleted while its node was silent."""
    return left_behind_beside(cloud, **wanted)[:2]


def left_behind_beside(cloud: Cloud, **wanted: Any) -> tuple[CloudNode, str, str]:
    """With a server on another node."""
    server_id, volume_id, spare_id = cloud.active(), make(cloud), ""
    while cloud.node_of(spare_id := cloud.active()) is cloud.node_of(server_id):
        pass
    cloud.ok(attach(cloud, server_id, volume_id, **wanted))
    cloud.run_until_idle()
    node = cloud.node_of(server_id)
    node.die()
    cloud.run_for(NODE_DOWN_S + 10)
    cloud.delete(server_id)
    cloud.run_for(1)
    assert cloud.status(server_id) == ""
    shown = show(cloud, volume_id)
    assert (shown["status"], [each["server_id"] for each in shown["attachments"]]) == ("detaching", [server_id])
    assert any("guest may run on" in said for said in messages(cloud, volume_id))
    return node, volume_id, spare_id


def back(cloud: Cloud, node: CloudNode) -> None:
    node.revive()
    cloud.run_for(15)
    cloud.run_until_idle()


def refused_everywhere(cloud: Cloud, volume_id: str, server_id: str) -> None:
    """Nobody else gets it, by whatever way."""
    assert attach(cloud, server_id, volume_id).status_code == 400
    assert cloud.api.delete(f"{VOLUME}/volumes/{volume_id}").status_code == 400
    assert act(cloud, volume_id, "os-detach").status_code == 409
    assert act(cloud, volume_id, "os-roll_detaching").status_code == 409
    cloud.ok(act(cloud, volume_id, "os-reset_status", "admin", status="available"))
    assert attach(cloud, server_id, volume_id).status_code == 400, "its status was written by hand"
    cloud.ok(act(cloud, volume_id, "os-reset_status", "admin", status="detaching"))


def test_a_deleted_server_s_volume_is_free_when_its_silent_node_is_back(shared: Cloud) -> None:
    node, volume_id, spare_id = left_behind_beside(shared)
    refused_everywhere(shared, volume_id, spare_id)
    shared.run_for(LONG_S)
    assert show(shared, volume_id)["status"] == "detaching", "a node that is cut off may still run its guest"
    back(shared, node)
    shown = show(shared, volume_id)
    assert (shown["status"], shown["attachments"]) == ("available", [])
    shared.assert_sound()


def test_a_volume_that_was_to_go_with_its_server_goes_when_the_node_is_back(shared: Cloud) -> None:
    node, volume_id = left_behind(shared, delete_on_termination=True)
    back(shared, node)
    assert shared.api.get(f"{VOLUME}/volumes/{volume_id}").status_code == 404
    shared.assert_sound()


def test_an_administrator_who_knows_that_the_node_is_off_frees_the_volume(shared: Cloud) -> None:
    node, volume_id = left_behind(shared)
    shared.ok(shared.api.post(f"{CUMULET}/nodes/{node.name}/forget", "admin", json={"forget": {"powered_off": True}}))
    shared.run_for(5)
    assert show(shared, volume_id)["status"] == "available"
    back(shared, node)


def test_only_an_administrator_takes_a_held_volume_by_force(shared: Cloud) -> None:
    node, volume_id = left_behind(shared)
    assert act(shared, volume_id, "os-force_detach").status_code == 403
    shared.ok(act(shared, volume_id, "os-force_detach", "admin"))
    assert show(shared, volume_id)["status"] == "available"
    back(shared, node)
    assert show(shared, volume_id)["status"] == "available"
    shared.assert_sound()


def test_force_takes_no_disk_from_a_living_server(cloud: Cloud) -> None:
    server_id, volume_id = beside(cloud)
    cloud.ok(attach(cloud, server_id, volume_id))
    cloud.run_until_idle()
    assert act(cloud, volume_id, "os-force_detach", "admin").status_code == 409
    assert act(cloud, volume_id, "os-begin_detaching").status_code == 409
    assert show(cloud, volume_id)["status"] == "in-use"


@pytest.mark.parametrize("attaching", [True, False])
def test_a_disk_that_a_lost_node_may_have_or_not_stays_the_server_s_until_it_is_detached(
    shared: Cloud, attaching: bool
) -> None:
    server_id, volume_id = shared.active(), make(shared)
    node = shared.node_of(server_id)
    if not attaching:
        shared.ok(attach(shared, server_id, volume_id))
        shared.run_until_idle()
    detach = f"/compute/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}"
    shared.ok(attach(shared, server_id, volume_id) if attaching else shared.api.delete(detach))
    while not any(operation.sent for operation in shared.open_operations()):
        assert shared.tick()
    node.die()
    shared.run_for(LONG_S + 60)
    shown = show(shared, volume_id)
    assert (shown["status"], len(shown["attachments"])) == ("in-use", 1)
    assert messages(shared, volume_id), "the user is told"
    refused_while_gone = shared.api.delete(detach)
    assert refused_while_gone.status_code == 409
    back(shared, node)
    shared.ok(shared.api.delete(detach))
    shared.run_until_idle()
    assert (show(shared, volume_id)["status"], devices(shared, server_id)) == ("available", [])
    shared.assert_sound()
    assert make(shared), "the volumes' saga left nothing held"
