"""What goes wrong on nodes, and deletes that come at any moment: nothing is lost, kept twice, or told to strangers."""

from __future__ import annotations

import json

import pytest

from common.deadlines import CUT_OFF_S, ENSURE_INSTANCE_S, UNDO_DEADLINE_S
from common.rpc.compute_v1 import EnsureAbsent, EnsureInstance
from tests.fixtures.cloud import COMPUTE, CUMULET, NEWEST, Cloud, MakeCloud

CANARY = "faults.json, ensure_running"  # what the fake driver says in `detail`, as libvirt's own words would be there
ALWAYS = {"code": "hypervisor_error", "message": "the guest could not be started"}


def test_a_failing_node_is_left_for_another(cloud: Cloud) -> None:
    cloud.nodes["n1"].fault(ensure_running=ALWAYS)
    ids = [cloud.active() for _ in range(3)]
    assert {cloud.row(each).node_name for each in ids} == {"n2"}
    assert cloud.nodes["n1"].domains() == {}


def test_a_node_that_fails_once_is_not_tried_again_for_that_server(cloud: Cloud) -> None:
    for node in cloud.nodes.values():
        node.fault(ensure_running={**ALWAYS, "fail_times": 1})
    first = cloud.create()
    cloud.run_until_idle()
    assert cloud.status(first) == "ERROR"
    assert cloud.status(cloud.active()) == "ACTIVE"


def test_error_with_the_reason(cloud: Cloud) -> None:
    for node in cloud.nodes.values():
        node.fault(ensure_running=ALWAYS)
    server_id = cloud.create()
    cloud.run_until_idle()
    shown = cloud.show(server_id)
    assert shown["status"] == "ERROR"
    assert "the guest could not be started" in shown["fault"]["message"]
    assert cloud.row(server_id).node_name is None
    assert cloud.used()["Instances"] == 1  # an ERROR server counts until it is deleted
    why = cloud.why(server_id, "admin")
    assert {each["node"] for each in why["refusals"] if each["filter"] == "not_tried"} == {"n1", "n2"}
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.used() == {"Instances": 0, "Cores": 0, "RAM": 0}


def test_attempts_are_bounded(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(node_count=5, max_attempts=3)
    for node in cloud.nodes.values():
        node.fault(ensure_running=ALWAYS)
    server_id = cloud.create()
    cloud.run_until_idle()
    assert cloud.status(server_id) == "ERROR"
    tried = {name for name in cloud.nodes for each in cloud.bus.commands(name) if isinstance(each, EnsureInstance)}
    assert len(tried) == 3


def test_hypervisor_detail_is_for_administrators(cloud: Cloud) -> None:
    """HYP-09: the driver's message is ours to show; what is in `detail`, and which node it was, is not."""
    for node in cloud.nodes.values():
        node.fault(ensure_running=ALWAYS)
    server_id = cloud.create()
    cloud.run_until_idle()
    shown = cloud.show(server_id, "admin")
    assert CANARY in shown["fault"]["details"]
    actions = f"{COMPUTE}/servers/{server_id}/os-instance-actions"
    request_id = cloud.ok(cloud.api.get(actions))["instanceActions"][0]["request_id"]
    operation_id = cloud.operations(server_id)[0].id
    pages = (
        f"{COMPUTE}/servers/{server_id}", f"{COMPUTE}/servers/detail", actions, f"{actions}/{request_id}",
        f"{CUMULET}/servers/{server_id}/why", f"{CUMULET}/operations", f"{CUMULET}/operations/{operation_id}",
    )  # fmt: skip
    for page in pages:
        text = cloud.api.get(page, headers=NEWEST).text
        assert CANARY not in text, page
        assert not {"n1", "n2"} & set(_words(json.loads(text))), page
    assert CANARY in cloud.api.get(f"{actions}/{request_id}", "admin", headers=NEWEST).text


def _words(value: object) -> list[str]:
    if isinstance(value, dict):
        return [word for key, each in value.items() for word in [str(key), *_words(each)]]
    if isinstance(value, list):
        return [word for each in value for word in _words(each)]
    return str(value).replace(".", " ").replace(",", " ").split()


def test_a_node_that_is_silent_for_a_while_moves_nothing(cloud: Cloud) -> None:
    """No second copy is started before the node is cut off, or has said itself that the guest is gone."""
    cloud.run_for(CUT_OFF_S)
    server_id = cloud.create()
    while (node_name := cloud.row(server_id).node_name) is None:
        cloud.tick()
    node = cloud.nodes[node_name]
    node.die()
    cloud.run_for(CUT_OFF_S - 15)
    assert cloud.row(server_id).node_name == node_name
    assert not [each for each in cloud.bus.commands() if isinstance(each, EnsureInstance) and each.epoch > 1]
    node.revive()
    cloud.run_until_idle()
    assert (cloud.status(server_id), cloud.row(server_id).epoch) == ("ACTIVE", 1)


def test_a_node_that_lives_and_never_answers_ends_in_stuck(cloud: Cloud) -> None:
    cloud.beat_every_s = 25
    for node in cloud.nodes.values():
        node.deaf = True
    server_id = cloud.create()
    cloud.run_for(ENSURE_INSTANCE_S + UNDO_DEADLINE_S + 120)
    assert [each.state for each in cloud.operations(server_id)] == ["stuck"]
    assert cloud.status(server_id) == "ERROR"
    assert cloud.row(server_id).node_name is not None  # the claim stays: nobody knows what is there
    for node in cloud.nodes.values():
        node.deaf = False
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.status(server_id) == ""
    cloud.tolerated.add("open")  # the stuck operation is kept for people to see
    assert [each for each in cloud.open_operations() if each.resource_id == server_id] == []


def test_delete_at_every_point_of_a_creation(cloud: Cloud) -> None:
    for point in range(100):
        server_id = cloud.create()
        went_on = all(cloud.tick() for _ in range(point))
        done = cloud.status(server_id) == "ACTIVE"
        cloud.delete(server_id)
        cloud.run_until_idle()
        assert cloud.status(server_id) == "", point
        cloud.assert_sound()
        if done or not went_on:
            assert point >= 5
            return
    raise AssertionError("the creation never came to an end")


def test_delete_while_a_failing_creation_unwinds(cloud: Cloud) -> None:
    for node in cloud.nodes.values():
        node.fault(ensure_running=ALWAYS)
    for point in (4, 7, 10):
        server_id = cloud.create()
        for _ in range(point):
            cloud.tick()
        cloud.delete(server_id)
        cloud.run_until_idle()
        assert cloud.status(server_id) == "", point
        cloud.assert_sound()


@pytest.mark.parametrize("state", ["ACTIVE", "SHUTOFF", "ERROR", "REBOOT", "stopping", "starting", "locked", "twice"])
def test_delete_in_every_state(cloud: Cloud, state: str) -> None:
    if state == "ERROR":
        for node in cloud.nodes.values():
            node.fault(ensure_running=ALWAYS)
        server_id = cloud.create()
        cloud.run_until_idle()
        assert cloud.status(server_id) == "ERROR"
    else:
        server_id = cloud.active()
    if state in ("SHUTOFF", "starting"):
        cloud.do(server_id, "os-stop")
    if state == "locked":
        cloud.ok(cloud.act(server_id, "lock"))
        assert cloud.api.delete(f"{COMPUTE}/servers/{server_id}").status_code == 409
        cloud.ok(cloud.act(server_id, "unlock"))
    begun = {"REBOOT": ("reboot", {"type": "SOFT"}), "stopping": ("os-stop", None), "starting": ("os-start", None)}
    if state in begun:
        cloud.ok(cloud.act(server_id, *begun[state]))
        cloud.tick()
    cloud.delete(server_id)
    if state == "twice":
        cloud.tick()
        cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.status(server_id) == ""
    assert cloud.used() == {"Instances": 0, "Cores": 0, "RAM": 0}


def test_a_delete_that_fails_says_so_and_can_be_repeated(cloud: Cloud) -> None:
    server_id = cloud.active()
    node = cloud.node_of(server_id)
    node.fault(ensure_absent=ALWAYS)
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.show(server_id)["status"] == "ERROR"
    node.fault()
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.status(server_id) == ""


def test_an_action_that_fails_leaves_the_state(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.do(server_id, "os-stop")
    node = cloud.node_of(server_id)
    node.fault(ensure_running=ALWAYS)
    cloud.do(server_id, "os-start")
    shown = cloud.show(server_id)
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("SHUTOFF", None)
    node.fault()
    cloud.do(server_id, "os-start")
    assert cloud.status(server_id) == "ACTIVE"


def test_the_undo_is_asked_for_again_until_the_node_can(cloud: Cloud) -> None:
    for node in cloud.nodes.values():
        node.fault(ensure_running=ALWAYS, ensure_absent={**ALWAYS, "fail_times": 3})
    server_id = cloud.create()
    cloud.run_until_idle()
    assert cloud.status(server_id) == "ERROR"
    assert [each for each in cloud.bus.commands() if isinstance(each, EnsureAbsent)]
