"""A node falls silent: who waits for it goes on without it, and nothing it may still hold is given to anybody else."""

from __future__ import annotations

from typing import Any

import pytest

from common.db import network_state, node_life, remains
from common.deadlines import CUT_OFF_S, NODE_DOWN_S, WAIT_FOR_NODES_S
from common.rpc.compute_v1 import EnsureAbsent, NetworkSpec, PowerState
from tests.fixtures.cloud import COMPUTE, CUMULET, NETWORK, NEWEST, Cloud, CloudNode, MakeCloud

LONG_S = CUT_OFF_S + 15


def other(cloud: Cloud, node: CloudNode) -> CloudNode:
    return next(one for one in cloud.nodes.values() if one is not node)


def back(cloud: Cloud, *nodes: CloudNode) -> None:
    for node in nodes:
        node.revive()
    cloud.run_for(15)
    cloud.run_until_idle()


def node_id(cloud: Cloud, name: str) -> str:
    return next(
        one["id"] for one in cloud.ok(cloud.api.get(f"{CUMULET}/nodes", "admin"))["nodes"] if one["name"] == name
    )


def shown(cloud: Cloud, name: str) -> dict[str, Any]:
    body: dict[str, Any] = cloud.ok(cloud.api.get(f"{CUMULET}/nodes/{name}", "admin"))["node"]
    return body


def held(cloud: Cloud, name: str) -> list[Any]:
    with cloud.db.read() as session:
        return remains.waiting_for(session, node_id(cloud, name))


def sent_to(cloud: Cloud, server_id: str) -> CloudNode:
    """The node to which the creation's command has just gone."""
    while not (sent := cloud.operations(server_id)[0].sent):
        assert cloud.tick()
    return cloud.nodes[sent["node"]]


def networks_of(cloud: Cloud, name: str) -> list[NetworkSpec]:
    with cloud.db.read() as session:
        return network_state.for_node(session, node_id(cloud, name)).networks


def address_of(cloud: Cloud, server_id: str) -> str:
    return str(cloud.show(server_id)["addresses"]["shared"][0]["addr"])


def addresses(cloud: Cloud) -> set[str]:
    ports = cloud.ok(cloud.api.get(f"{NETWORK}/ports", "admin"))["ports"]
    return {each["ip_address"] for port in ports for each in port["fixed_ips"]}


def test_a_server_on_a_dead_node_is_deleted_at_once_and_its_address_kept(cloud: Cloud) -> None:
    server_id = cloud.active()
    node, address = cloud.node_of(server_id), address_of(cloud, server_id)
    node.die()
    cloud.run_for(NODE_DOWN_S + 10)
    cloud.delete(server_id)
    cloud.run_for(1)
    assert cloud.status(server_id) == ""
    assert cloud.used() == {"Instances": 0, "Cores": 0, "RAM": 0}
    [waiting] = held(cloud, node.name)
    assert (waiting.step, waiting.state) == ("await_node", "running")
    assert address in addresses(cloud)
    with cloud.db.read() as session:
        assert node_life.is_down(session, node_id(cloud, node.name), cloud.clock.now())
    assert shown(cloud, node.name)["claimed"]["vcpus"] == 1
    back(cloud, node)
    assert (held(cloud, node.name), node.domains()) == ([], {})
    assert address not in addresses(cloud)
    assert shown(cloud, node.name)["claimed"]["vcpus"] == 0


def test_a_delete_whose_node_dies_meanwhile_ends_when_the_node_is_known_to_be_down(cloud: Cloud) -> None:
    server_id = cloud.active()
    node = cloud.node_of(server_id)
    cloud.delete(server_id)
    node.die()
    cloud.run_for(NODE_DOWN_S - 5)
    assert cloud.status(server_id) != ""
    cloud.run_for(15)
    assert cloud.status(server_id) == ""
    back(cloud, node)
    assert (held(cloud, node.name), node.domains()) == ([], {})


def test_the_port_of_a_deleted_server_is_not_to_be_had_while_its_node_is_silent(cloud: Cloud) -> None:
    made = {"port": {"network_id": cloud.network_id}}
    port_id = cloud.ok(cloud.api.post(f"{NETWORK}/ports", json=made))["port"]["id"]
    server_id = cloud.active(networks=[{"port": port_id}])
    node = cloud.node_of(server_id)
    node.die()
    cloud.run_for(NODE_DOWN_S + 10)
    cloud.delete(server_id)
    cloud.run_for(1)
    assert cloud.api.delete(f"{NETWORK}/ports/{port_id}").status_code == 409
    assert cloud.api.put(f"{NETWORK}/ports/{port_id}", json={"port": {"device_id": ""}}).status_code == 409
    assert cloud.ask_for(networks=[{"port": port_id}]).status_code in (400, 409)
    back(cloud, node)
    [port] = cloud.ok(cloud.api.get(f"{NETWORK}/ports?id={port_id}"))["ports"]
    assert (port["device_id"], port["device_owner"]) == ("", "")
    assert cloud.status(cloud.active(networks=[{"port": port_id}])) == "ACTIVE"


def test_what_a_node_cannot_do_while_it_is_down_is_refused_at_once(cloud: Cloud) -> None:
    server_id = cloud.active()
    node = cloud.node_of(server_id)
    node.die()
    cloud.run_for(NODE_DOWN_S + 10)
    for name, value in (("os-stop", None), ("reboot", {"type": "HARD"})):
        refused = cloud.act(server_id, name, value)
        assert (refused.status_code, "is down" in refused.text, node.name in refused.text) == (409, True, False)
    back(cloud, node)
    cloud.do(server_id, "os-stop")


def test_a_creation_moves_on_when_its_node_dies(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(node_count=3)
    cloud.run_for(CUT_OFF_S)  # as long as the scheduler has to listen before it believes in a node's death
    server_id = cloud.create()
    first = sent_to(cloud, server_id)
    first.die()
    cloud.run_for(LONG_S)
    second = cloud.node_of(server_id)
    assert (cloud.status(server_id), second is first, cloud.row(server_id).epoch) == ("ACTIVE", False, 2)
    assert shown(cloud, first.name)["cut_off_at"]
    [waiting] = held(cloud, first.name)
    assert waiting.params["epoch"] == 1
    back(cloud, first)
    assert server_id not in first.domains()
    assert first.instance_folders() == set()
    assert second.power(server_id) is PowerState.RUNNING
    assert shown(cloud, first.name)["cut_off_at"] is None


def test_a_creation_is_an_error_with_a_reason_when_there_is_no_other_node(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(node_count=1)
    cloud.run_for(CUT_OFF_S)
    server_id = cloud.create()
    node = sent_to(cloud, server_id)
    node.die()
    cloud.run_for(LONG_S + WAIT_FOR_NODES_S)  # with no node at all it may be the broker that is away
    body = cloud.show(server_id)
    assert (body["status"], "does not answer" in body["fault"]["message"]) == ("ERROR", True), body["fault"]
    cloud.delete(server_id)
    cloud.run_for(1)
    assert cloud.status(server_id) == ""
    back(cloud, node)
    assert node.domains() == {}


def test_a_creation_whose_disks_others_could_see_is_not_made_twice(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(node_count=2)
    for node in cloud.nodes.values():
        node.share_instances()
    cloud.run_for(CUT_OFF_S)
    server_id = cloud.create()
    first = sent_to(cloud, server_id)
    first.die()
    cloud.run_for(LONG_S)
    assert cloud.status(server_id) == "ERROR"
    back(cloud, first)
    assert all(node.domains() == {} for node in cloud.nodes.values())


def test_a_node_that_is_cut_off_is_nobodys_peer_until_nothing_old_is_left(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(node_count=2)
    cloud.run_for(CUT_OFF_S)
    ids = [cloud.active() for _ in range(4)]
    first = cloud.node_of(ids[0])
    second = other(cloud, first)
    assert second.name in {cloud.row(each).node_name for each in ids}
    assert [network.peers for network in networks_of(cloud, second.name)] == [[first.config.agent.address]]
    first.die()
    cloud.run_for(LONG_S)
    assert [network.peers for network in networks_of(cloud, second.name)] == [[]]
    cloud.delete(ids[0])
    cloud.run_for(1)
    first.fault(ensure_absent={"code": "hypervisor_error"})  # it is back, and can't remove what it should
    first.revive()
    cloud.run_for(12)
    assert [network.peers for network in networks_of(cloud, second.name)] == [[]]
    first.fault()
    cloud.run_for(60)
    assert [network.peers for network in networks_of(cloud, second.name)] == [[first.config.agent.address]]
    assert {cloud.status(each) for each in ids[1:]} == {"ACTIVE"}
    cloud.run_until_idle()


def test_the_older_of_two_copies_is_destroyed_by_the_first_heartbeat_that_shows_it(cloud: Cloud) -> None:
    from tests.functional.cloud.test_reconcile import plant

    server_id = cloud.active()
    node = cloud.node_of(server_id)
    stranger = other(cloud, node)
    with cloud.db.write() as session:  # as an evacuation would have left it
        from common.db import instances, ports

        row = instances.get(session, server_id)
        row.epoch = 2
        ports.bind(session, server_id, node_id(cloud, node.name), 2, cloud.clock.now())
        ports.mark_active(session, server_id, 2, cloud.clock.now())
        row.updated_at = cloud.clock.now()
    plant(stranger, instance_id=server_id, epoch=1)
    before = len(cloud.bus.sent)
    stranger.agent.beat()
    while cloud.tick():
        pass
    removals = [letter.command() for letter in cloud.bus.sent[before:] if letter.node == stranger.name]
    assert [(each.instance_id, each.epoch) for each in removals if isinstance(each, EnsureAbsent)] == [(server_id, 1)]
    assert stranger.domains() == {}
    cloud.do(server_id, "reboot", {"type": "HARD"})  # brings the copy that counts to epoch 2 as well
    assert cloud.node_of(server_id).domains()[server_id]["epoch"] == 2


def test_a_scheduler_that_could_not_hear_cuts_nobody_off(cloud: Cloud) -> None:
    cloud.run_for(CUT_OFF_S)
    server_id = cloud.active()
    cloud.bus.broker.down = True
    cloud.run_for(3 * CUT_OFF_S)
    cloud.bus.broker.down = False
    cloud.run_for(10)
    assert not any(shown(cloud, name)["cut_off_at"] for name in cloud.nodes)
    assert cloud.status(server_id) == "ACTIVE"


def test_an_administrator_gives_up_a_node(cloud: Cloud) -> None:
    cloud.run_for(CUT_OFF_S)
    ids = [cloud.active() for _ in range(4)]
    node = cloud.node_of(ids[0])
    here = [each for each in ids if cloud.row(each).node_name == node.name]
    body = {"forget": {"powered_off": True}}
    assert cloud.api.post(f"{CUMULET}/nodes/{node.name}/forget", "admin", json=body).status_code == 409
    node.die()
    cloud.run_for(NODE_DOWN_S + 10)
    cloud.delete(here[0])
    cloud.run_for(1)
    assert len(held(cloud, node.name)) == 1
    assert cloud.api.post(f"{CUMULET}/nodes/{node.name}/forget", "admin", json={"forget": {}}).status_code == 400
    assert cloud.api.post(f"{CUMULET}/nodes/{node.name}/forget", "demo", json=body).status_code == 403
    forgotten = cloud.ok(cloud.api.post(f"{CUMULET}/nodes/{node.name}/forget", "admin", json=body))["forgotten"]
    assert forgotten == {"node": node.name, "servers_in_error": len(here) - 1, "released": 1}
    cloud.run_until_idle()
    assert held(cloud, node.name) == []
    for server_id in here[1:]:
        assert cloud.show(server_id)["fault"]["message"] == "The node of this server is lost."
        cloud.delete(server_id)
    cloud.run_until_idle()
    assert shown(cloud, node.name)["claimed"]["vcpus"] == 0
    back(cloud, node)  # it was not scrapped after all: nothing of what was deleted stays
    cloud.run_for(20)
    cloud.run_until_idle()
    assert (node.domains(), shown(cloud, node.name)["powered_off_at"]) == ({}, None)


def test_guests_that_the_watchdog_stopped_come_back_by_themselves(make_cloud: MakeCloud) -> None:
    """The node's bus is dead, its agent lives; the watchdog looks at the lease that the heartbeats had renewed."""
    cloud = make_cloud(node_count=1)
    [node] = cloud.nodes.values()
    node.share_instances()
    cloud.run_for(6)
    server_id = cloud.active()
    cloud.run_for(6)
    watchdog = node.watchdog()
    assert watchdog.look() == 0
    node.die()
    cloud.run_for(40)
    assert (watchdog.look(), node.power(server_id)) == (0, PowerState.RUNNING)
    cloud.run_for(10)
    assert (watchdog.look(), node.power(server_id)) == (1, PowerState.SHUTDOWN)
    back(cloud, node)
    assert (cloud.status(server_id), node.power(server_id)) == ("ACTIVE", PowerState.RUNNING)
    assert cloud.operations(server_id)[0].kind == "server_restore_domain"
    assert watchdog.look() == 0
    cloud.do(server_id, "os-stop")
    assert cloud.status(server_id) == "SHUTOFF"


def test_guests_on_local_disks_run_on_when_the_node_is_cut_off(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(node_count=1)
    [node] = cloud.nodes.values()
    server_id = cloud.active()
    cloud.run_for(6)
    node.die()
    cloud.run_for(2 * CUT_OFF_S)
    assert (node.watchdog().look(), node.power(server_id)) == (0, PowerState.RUNNING)
    back(cloud, node)
    assert cloud.status(server_id) == "ACTIVE"


@pytest.mark.parametrize("shared", [False, True])
def test_after_a_reboot_guests_that_others_could_run_wait_for_the_control_plane(
    make_cloud: MakeCloud, shared: bool
) -> None:
    cloud = make_cloud(node_count=1)
    [node] = cloud.nodes.values()
    if shared:
        node.share_instances()
        cloud.run_for(6)
    server_id = cloud.active()
    node.restart(host_too=True)
    node.agent.run_pending()
    assert node.power(server_id) is (PowerState.SHUTDOWN if shared else PowerState.RUNNING)
    back(cloud, node)
    assert (cloud.status(server_id), node.power(server_id)) == ("ACTIVE", PowerState.RUNNING)


def test_services_show_the_node_down(cloud: Cloud) -> None:
    node = cloud.nodes["n1"]
    node.die()
    cloud.run_for(NODE_DOWN_S + 10)
    services = cloud.ok(cloud.api.get(f"{COMPUTE}/os-services", "admin"))["services"]
    assert "down" in {each["state"] for each in services if each["host"] == "n1"}
    back(cloud, node)


def test_a_node_is_taken_out_of_the_cloud_when_nothing_is_on_it(cloud: Cloud) -> None:
    first = cloud.active()
    node = cloud.node_of(first)
    services = f"{COMPUTE}/os-services"
    rows = cloud.ok(cloud.api.get(services, "admin", headers=NEWEST))["services"]
    service_id = next(row["id"] for row in rows if row["host"] == node.name)
    scheduler_id = next(row["id"] for row in rows if row["binary"] == "nova-scheduler")

    def delete(which: str = service_id, version: str = "2.104") -> tuple[int, str]:
        headers = {"OpenStack-API-Version": f"compute {version}"}
        reply = cloud.api.delete(f"{services}/{which}", "admin", headers=headers)
        return reply.status_code, reply.text

    assert (delete()[0], "is up" in delete()[1]) == (409, True)
    down = {"forced_down": True}
    cloud.ok(cloud.api.put(f"{services}/{service_id}", "admin", headers=NEWEST, json=down))
    assert (delete()[0], "1 servers, 1 bound ports, 1 claims" in delete()[1]) == (409, True)
    cloud.ok(cloud.api.put(f"{services}/{service_id}", "admin", headers=NEWEST, json={"forced_down": False}))
    cloud.delete(first)
    cloud.run_until_idle()
    cloud.ok(cloud.api.put(f"{services}/{service_id}", "admin", headers=NEWEST, json=down))
    assert [delete(*bad)[0] for bad in (("1", "2.104"), (service_id, "2.52"), ("999", "2.52"))] == [400, 400, 404]
    assert delete()[0] == 204
    assert delete()[0] == 404
    left = [name for name in cloud.nodes if name != node.name]
    assert delete(scheduler_id)[0] == 204
    for path, name in (("os-services", "host"), ("os-hypervisors", "hypervisor_hostname")):
        [shown_rows] = cloud.ok(cloud.api.get(f"{COMPUTE}/{path}", "admin")).values()
        assert [row[name] for row in shown_rows] == left
    cloud.run_for(2)  # its agent beats on, unknown
    assert [one["name"] for one in cloud.ok(cloud.api.get(f"{CUMULET}/nodes", "admin"))["nodes"]] == left
    assert {cloud.node_of(cloud.active()).name for _ in range(2)} == set(left)
