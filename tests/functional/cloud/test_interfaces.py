"""Ports come to servers and leave them, running or not; the device class of operations beside exclusive ones."""

from __future__ import annotations

from typing import Any

import pytest

from common.db.models import Operation
from common.deadlines import UNPLUG_PATIENCE_S
from common.states import OperationState
from tests.fixtures.cloud import COMPUTE, NETWORK, NEWEST, Cloud

Body = dict[str, Any]


def attach(cloud: Cloud, server_id: str, as_: str = "demo", **wanted: Any) -> Body:
    reply = cloud.api.post(
        f"{COMPUTE}/servers/{server_id}/os-interface", as_, headers=NEWEST, json={"interfaceAttachment": wanted}
    )
    return dict(cloud.ok(reply)["interfaceAttachment"])


def refused(cloud: Cloud, server_id: str, status: int, as_: str = "demo", **wanted: Any) -> str:
    url = f"{COMPUTE}/servers/{server_id}/os-interface"
    reply = cloud.api.post(url, as_, headers=NEWEST, json={"interfaceAttachment": wanted})
    assert reply.status_code == status, reply.text
    (body,) = reply.get_json().values()
    return str(body["message"])


def detach(cloud: Cloud, server_id: str, port_id: str) -> int:
    return cloud.api.delete(f"{COMPUTE}/servers/{server_id}/os-interface/{port_id}").status_code


def interfaces(cloud: Cloud, server_id: str) -> dict[str, Body]:
    reply = cloud.api.get(f"{COMPUTE}/servers/{server_id}/os-interface", headers=NEWEST)
    return {each["port_id"]: each for each in cloud.ok(reply)["interfaceAttachments"]}


def new_port(cloud: Cloud, **more: Any) -> Body:
    body = {"port": {"network_id": cloud.network_id, **more}}
    return dict(cloud.ok(cloud.api.post(f"{NETWORK}/ports", json=body))["port"])


def port(cloud: Cloud, port_id: str) -> Body | None:
    reply = cloud.api.get(f"{NETWORK}/ports/{port_id}")
    return None if reply.status_code == 404 else dict(cloud.ok(reply)["port"])


def cards(cloud: Cloud, server_id: str) -> set[str]:
    """The MAC addresses that the guest sees, as the driver has them."""
    found = cloud.node_of(server_id).domains()[server_id]["devices"]
    return {each for each in found if ":" in each}


def remembered(cloud: Cloud, server_id: str) -> set[str]:
    spec = cloud.node_of(server_id).agent.specs.spec(server_id)
    assert spec is not None
    return {each.mac_address for each in spec.ports}


def operation(cloud: Cloud, server_id: str, kind: str) -> Operation:
    (found,) = [each for each in cloud.operations(server_id) if each.kind == kind]
    return found


def macs(cloud: Cloud, server_id: str) -> set[str]:
    return {each["mac_addr"] for each in interfaces(cloud, server_id).values()}


@pytest.mark.parametrize("state", ["active", "paused", "stopped"])
def test_a_card_comes_and_goes(cloud: Cloud, state: str) -> None:
    server_id = cloud.active()
    (first,) = interfaces(cloud, server_id)
    if state != "active":
        cloud.do(server_id, {"paused": "pause", "stopped": "os-stop"}[state])
    made = attach(cloud, server_id, net_id=cloud.network_id, tag="second")
    assert made["tag"] == "second"
    assert (made["port_state"], made["net_id"]) == ("DOWN", cloud.network_id)
    cloud.run_until_idle()
    assert interfaces(cloud, server_id)[made["port_id"]]["port_state"] == "ACTIVE"
    assert remembered(cloud, server_id) == macs(cloud, server_id)
    if state != "stopped":
        assert cards(cloud, server_id) == macs(cloud, server_id)
    assert detach(cloud, server_id, made["port_id"]) == 202
    cloud.run_until_idle()
    assert list(interfaces(cloud, server_id)) == [first]
    assert port(cloud, made["port_id"]) is None, "it was made for the server"
    assert remembered(cloud, server_id) == macs(cloud, server_id)
    if state == "stopped":
        cloud.do(server_id, "os-start")
    assert cards(cloud, server_id) == macs(cloud, server_id)


def test_a_port_that_was_brought_is_given_back(cloud: Cloud) -> None:
    server_id = cloud.active()
    mine = new_port(cloud, name="mine")
    made = attach(cloud, server_id, port_id=mine["id"])
    assert made["fixed_ips"] == mine["fixed_ips"]
    assert refused(cloud, server_id, 409, port_id=mine["id"]) == f"Port {mine['id']} is still in use."
    cloud.run_until_idle()
    assert mine["mac_address"] in cards(cloud, server_id)
    assert detach(cloud, server_id, mine["id"]) == 202
    cloud.run_until_idle()
    left = port(cloud, mine["id"])
    assert left is not None
    assert (left["device_id"], left["device_owner"], left["status"]) == ("", "", "DOWN")
    assert detach(cloud, server_id, mine["id"]) == 404


def test_what_is_asked_for_is_checked(cloud: Cloud) -> None:
    server_id = cloud.active()
    nobody = "00000000-dead-4bad-8bad-000000000000"
    assert "both" in refused(cloud, server_id, 400, net_id=cloud.network_id, port_id=nobody)
    assert "network_id" in refused(cloud, server_id, 400, fixed_ips=[{"ip_address": "10.0.0.9"}])
    refused(cloud, server_id, 404, port_id=nobody)
    refused(cloud, server_id, 404, net_id=nobody)
    refused(cloud, server_id, 400, net_id=cloud.network_id, fixed_ips=[{"ip_address": "192.0.2.1"}])
    assert len(interfaces(cloud, server_id)) == 1, "nothing is left of what was refused"
    with_tag = {"net_id": cloud.network_id, "tag": "a"}
    attach(cloud, server_id, **with_tag)
    assert "tag" in refused(cloud, server_id, 400, **with_tag)
    attach(cloud, server_id)  # the one network there is
    cloud.run_until_idle()
    assert len(cards(cloud, server_id)) == 3


def test_many_devices_side_by_side_and_each_once(cloud: Cloud) -> None:
    server_id = cloud.active()
    made = [attach(cloud, server_id, net_id=cloud.network_id)["port_id"] for _ in range(3)]
    assert detach(cloud, server_id, made[0]) == 409, "it is being attached"
    cloud.run_until_idle()
    assert cards(cloud, server_id) == macs(cloud, server_id)
    assert len(cards(cloud, server_id)) == 4
    assert [detach(cloud, server_id, port_id) for port_id in (*made, made[0])] == [202, 202, 202, 409]
    cloud.run_until_idle()
    assert cards(cloud, server_id) == macs(cloud, server_id)
    assert len(cards(cloud, server_id)) == 1


def test_no_device_operation_begins_during_an_exclusive_one(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.ok(cloud.act(server_id, "os-stop"))
    assert "task_state powering-off" in refused(cloud, server_id, 409, net_id=cloud.network_id)
    (first,) = interfaces(cloud, server_id)
    assert detach(cloud, server_id, first) == 409
    cloud.run_until_idle()
    cloud.do(server_id, "os-start")
    cloud.do(server_id, "suspend")
    assert "vm_state suspended" in refused(cloud, server_id, 409, net_id=cloud.network_id)


def test_an_exclusive_operation_waits_for_devices_before_it(cloud: Cloud) -> None:
    server_id = cloud.active()
    made = attach(cloud, server_id, net_id=cloud.network_id)
    cloud.ok(cloud.act(server_id, "reboot", {"type": "HARD"}))
    assert cloud.show(server_id)["status"] == "HARD_REBOOT"
    cloud.run_until_idle()
    reboot, plug = (operation(cloud, server_id, f"server_{kind}") for kind in ("reboot", "attach_interface"))
    assert (reboot.state, plug.state) == (OperationState.DONE, OperationState.DONE)
    assert plug.finished_at is not None
    assert reboot.finished_at is not None
    assert plug.finished_at <= reboot.finished_at
    assert made["mac_addr"] in cards(cloud, server_id)
    assert cloud.status(server_id) == "ACTIVE"


def test_a_guest_that_keeps_its_card_keeps_its_port(cloud: Cloud) -> None:
    server_id = cloud.active()
    (first,) = interfaces(cloud, server_id)
    node = cloud.node_of(server_id)
    node.fault(request_unplug={"ignore": True})
    begun = cloud.clock.now()
    assert detach(cloud, server_id, first) == 202
    cloud.run_until_idle()
    failed = operation(cloud, server_id, "server_detach_interface")
    assert failed.state == OperationState.FAILED
    assert failed.error is not None
    assert "did not let the device" in failed.error["message"]
    assert (cloud.clock.now() - begun).total_seconds() >= UNPLUG_PATIENCE_S
    assert cards(cloud, server_id) == macs(cloud, server_id) == remembered(cloud, server_id)
    held = port(cloud, first)
    assert held is not None
    assert held["status"] == "ACTIVE"
    node.fault()
    assert detach(cloud, server_id, first) == 202
    cloud.run_until_idle()
    assert cards(cloud, server_id) == set()


def test_a_card_that_does_not_come_leaves_nothing(cloud: Cloud) -> None:
    server_id = cloud.active()
    before, mine = cards(cloud, server_id), new_port(cloud)
    cloud.node_of(server_id).fault(ensure_plugged={"code": "hypervisor_error"})
    made = attach(cloud, server_id, net_id=cloud.network_id)
    attach(cloud, server_id, port_id=mine["id"])
    cloud.run_until_idle()
    plugs = [each.state for each in cloud.operations(server_id) if each.kind == "server_attach_interface"]
    assert plugs == [OperationState.FAILED, OperationState.FAILED]
    assert port(cloud, made["port_id"]) is None
    freed = port(cloud, mine["id"])
    assert freed is not None
    assert freed["device_id"] == ""
    assert cards(cloud, server_id) == before == remembered(cloud, server_id)
    assert cloud.status(server_id) == "ACTIVE"
    actions = cloud.ok(cloud.api.get(f"{COMPUTE}/servers/{server_id}/os-instance-actions", headers=NEWEST))
    assert [each["action"] for each in actions["instanceActions"]].count("attach_interface") == 2


def test_a_delete_does_not_wait_for_a_guest_that_keeps_its_card(cloud: Cloud) -> None:
    server_id = cloud.active()
    (first,) = interfaces(cloud, server_id)
    node = cloud.node_of(server_id)
    node.fault(request_unplug={"ignore": True})
    begun = cloud.clock.now()
    detach(cloud, server_id, first)
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.status(server_id) == ""
    assert node.domains() == {}
    assert port(cloud, first) is None
    assert (cloud.clock.now() - begun).total_seconds() < UNPLUG_PATIENCE_S


def test_an_agent_killed_while_it_plugs_goes_on(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.node_of(server_id).kill_in("ensure_plugged", after=True)
    made = attach(cloud, server_id, net_id=cloud.network_id)
    cloud.run_until_idle()
    assert interfaces(cloud, server_id)[made["port_id"]]["port_state"] == "ACTIVE"
    assert cards(cloud, server_id) == macs(cloud, server_id)
    cloud.node_of(server_id).restart(host_too=True)
    cloud.run_until_idle()
    assert cards(cloud, server_id) == macs(cloud, server_id), "the node remembers the card"


def test_a_locked_server_keeps_its_cards(cloud: Cloud) -> None:
    server_id = cloud.active()
    (first,) = interfaces(cloud, server_id)
    cloud.ok(cloud.act(server_id, "lock"))
    assert "locked" in refused(cloud, server_id, 409, net_id=cloud.network_id)
    assert detach(cloud, server_id, first) == 409


def test_ports_and_networks_at_creation_in_their_order_with_tags(cloud: Cloud) -> None:
    mine = new_port(cloud)
    address = mine["fixed_ips"][0]["ip_address"].rpartition(".")[0] + ".77"
    nics = [
        {"port": mine["id"], "tag": "front"},
        {"uuid": cloud.network_id, "fixed_ip": address},
        {"uuid": cloud.network_id, "tag": "back"},
    ]
    again = cloud.ask_for(networks=[{**nics[0], "tag": "back"}, nics[2]])
    assert (again.status_code, "tag" in again.text) == (400, True)
    server_id = cloud.active(networks=nics)
    shown = list(interfaces(cloud, server_id).values())
    assert [each["tag"] for each in shown] == ["front", None, "back"]
    assert shown[0]["port_id"] == mine["id"]
    assert shown[1]["fixed_ips"][0]["ip_address"] == address
    assert len(cards(cloud, server_id)) == 3
