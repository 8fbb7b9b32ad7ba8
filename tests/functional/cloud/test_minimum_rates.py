"""Bandwidth and packet rates that QoS policies promise: claimed where the server is, never beyond what nodes declare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from common.db.models import NodeRate, RateClaim
from common.deadlines import NODE_DOWN_S
from common.guarantees import provider_id
from tests.fixtures.cloud import COMPUTE, NETWORK, NEWEST, Cloud, MakeCloud

IN, OUT = "NET_BW_IGR_KILOBIT_PER_SEC", "NET_BW_EGR_KILOBIT_PER_SEC"
PACKETS = "NET_PACKET_RATE_KILOPACKET_PER_SEC"
PLACEMENT = {"OpenStack-API-Version": "placement 1.39"}
DECLARED = {
    "resource_provider_bandwidths": "rp_tunnelled:2000:1500,physnet1:100:100",
    "resource_provider_packet_processing_without_direction": "50",
}


@pytest.fixture
def cloud(make_cloud: MakeCloud) -> Iterator[Cloud]:
    """Two nodes, each with 2000 kbit/s out and 1500 in for networks between nodes, and 50 000 packets a second."""
    made = make_cloud(network=DECLARED)
    made.beat()
    made.run_until_idle()
    yield made
    with made.db.read() as session:
        assert all(row.used <= row.total for row in session.scalars(sa.select(NodeRate)))


def policy(cloud: Cloud, *rules: tuple[str, dict[str, Any]]) -> str:
    body = {"policy": {"name": "q", "shared": True}}
    made = str(cloud.ok(cloud.api.post(f"{NETWORK}/qos/policies", "admin", json=body))["policy"]["id"])
    for kind, rule in rules:
        path = f"{NETWORK}/qos/policies/{made}/{kind}_rules"
        cloud.ok(cloud.api.post(path, "admin", json={f"{kind}_rule": rule}))
    return made


def least(kbps: int, direction: str = "ingress") -> tuple[str, dict[str, Any]]:
    return "minimum_bandwidth", {"min_kbps": kbps, "direction": direction}


def port(cloud: Cloud, policy_id: str | None, network_id: str | None = None) -> str:
    body = {"port": {"network_id": network_id or cloud.network_id, "qos_policy_id": policy_id}}
    return str(cloud.ok(cloud.api.post(f"{NETWORK}/ports", json=body))["port"]["id"])


def server(cloud: Cloud, *policies: str | None) -> tuple[str, list[str]]:
    """A server that was asked for, with a port for each policy, and the ports."""
    ports = [port(cloud, each) for each in policies]
    made = cloud.create(networks=[{"port": each} for each in ports])
    cloud.run_until_idle()
    return made, ports


def held(cloud: Cloud, server_id: str) -> dict[str, dict[str, int]]:
    """Of networks' resources, by provider, as placement shows it."""
    reply = cloud.api.get(f"/placement/allocations/{server_id}", "admin", headers=PLACEMENT)
    shown = cloud.ok(reply)["allocations"]
    found = {
        provider: {k: v for k, v in each["resources"].items() if k.startswith("NET")}
        for provider, each in shown.items()
    }
    return {provider: resources for provider, resources in found.items() if resources}


def used(cloud: Cloud) -> int:
    with cloud.db.read() as session:
        return int(session.scalar(sa.select(sa.func.sum(NodeRate.used))) or 0)


def node_ids(cloud: Cloud, server_id: str) -> str:
    return str(cloud.row(server_id).node_id)


def tunnels(node_id: str) -> str:
    return provider_id(node_id, "rp_tunnelled")


def shown(cloud: Cloud, port_id: str, as_: str = "admin") -> dict[str, Any]:
    return dict(cloud.ok(cloud.api.get(f"{NETWORK}/ports/{port_id}", as_))["port"])


def change(cloud: Cloud, port_id: str, policy_id: str | None, expect: int = 200) -> Any:
    reply = cloud.api.put(f"{NETWORK}/ports/{port_id}", json={"port": {"qos_policy_id": policy_id}})
    assert reply.status_code == expect, reply.text
    return reply.get_json()


def test_what_is_promised_is_claimed_shown_and_given_back(cloud: Cloud) -> None:
    both = policy(
        cloud, least(1000), least(300, "egress"), ("minimum_packet_rate", {"min_kpps": 20, "direction": "any"})
    )
    first, (its_port,) = server(cloud, both)
    node = node_ids(cloud, first)
    assert held(cloud, first) == {tunnels(node): {IN: 1000, OUT: 300}, provider_id(node, ""): {PACKETS: 20}}
    seen = shown(cloud, its_port)
    groups = {tuple(group["resources"]): group for group in seen["resource_request"]["request_groups"]}
    assert sorted(next(group for names, group in groups.items() if IN in names)["required"]) == [
        "CUSTOM_NETWORK_TUNNEL_PROVIDER", "CUSTOM_VNIC_TYPE_NORMAL",
    ]  # fmt: skip
    assert sorted(seen["binding:profile"]["allocation"].values()) == sorted(held(cloud, first))
    assert "resource_request" not in shown(cloud, its_port, "demo")
    second, _ = server(cloud, both)
    assert node_ids(cloud, second) != node  # where only 500 kbit/s are left
    third, (refused,) = server(cloud, both)
    assert cloud.status(third) == "ERROR"
    assert "promise too little bandwidth" in cloud.show(third)["fault"]["message"]
    why = cloud.why(third, "admin")["refusals"]
    assert {each["reason"] for each in why} == {f"1000 of {IN} for networks between nodes wanted, 500 of 1500 free"}
    assert (held(cloud, third), shown(cloud, refused)["binding:profile"]) == ({}, {})
    cloud.delete(first, second, third)
    cloud.run_until_idle()
    assert used(cloud) == 0


def test_a_network_that_no_node_declares_is_promised_nothing(cloud: Cloud) -> None:
    wish = {"name": "v", "shared": True, "provider:network_type": "vlan", "provider:physical_network": "physnet1",
            "provider:segmentation_id": 7}  # fmt: skip
    network = cloud.ok(cloud.api.post(f"{NETWORK}/networks", "admin", json={"network": wish}))["network"]["id"]
    subnet = {"subnet": {"network_id": network, "cidr": "10.7.0.0/24", "ip_version": 4}}
    cloud.ok(cloud.api.post(f"{NETWORK}/subnets", "admin", json=subnet))
    packets = policy(cloud, ("minimum_packet_rate", {"min_kpps": 1}))  # in one direction: nodes declare both together
    for chosen, status in (
        (policy(cloud, least(100)), "ACTIVE"),
        (policy(cloud, least(101)), "ERROR"),
        (packets, "ERROR"),
    ):
        made = cloud.create(networks=[{"port": port(cloud, chosen, network)}])
        cloud.run_until_idle()
        assert cloud.status(made) == status
        if status == "ACTIVE":
            assert held(cloud, made) == {provider_id(node_ids(cloud, made), "physnet1"): {IN: 100}}
    why = {each["reason"] for each in cloud.why(made, "admin")["refusals"]}
    assert why == {"the node declares no NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC"}


def test_policies_and_rules_that_change_are_claimed_at_once_or_refused(cloud: Cloud) -> None:
    small, large = policy(cloud, least(1000)), policy(cloud, least(1500))
    huge = policy(cloud, least(2**31 - 1))
    made, (its_port,) = server(cloud, small)
    where = tunnels(node_ids(cloud, made))
    change(cloud, its_port, large)
    assert held(cloud, made) == {where: {IN: 1500}}
    refused = change(cloud, its_port, huge, 409)["NeutronError"]
    assert (refused["type"], where in refused["message"]) == ("QosPlacementAllocationConflict", True)
    assert (held(cloud, made), shown(cloud, its_port)["qos_policy_id"]) == ({where: {IN: 1500}}, large)
    path = f"{NETWORK}/qos/policies/{large}/minimum_bandwidth_rules"
    (rule,) = cloud.ok(cloud.api.get(path, "admin"))["minimum_bandwidth_rules"]
    for kbps, expect, after in ((1501, 409, 1500), (700, 200, 700)):
        reply = cloud.api.put(f"{path}/{rule['id']}", "admin", json={"minimum_bandwidth_rule": {"min_kbps": kbps}})
        assert (reply.status_code, held(cloud, made)) == (expect, {where: {IN: after}}), reply.text
    cloud.ok(cloud.api.post(path, "admin", json={"minimum_bandwidth_rule": {"min_kbps": 5}}))
    assert held(cloud, made) == {where: {IN: 700, OUT: 5}}
    assert cloud.api.delete(f"{path}/{rule['id']}", "admin").status_code == 204
    assert held(cloud, made) == {where: {OUT: 5}}
    change(cloud, its_port, None)
    assert (held(cloud, made), shown(cloud, its_port)["resource_request"]) == ({}, None)
    for chosen, expect, after in ((small, 200, {where: {IN: 1000}}), (huge, 409, {where: {IN: 1000}}), (None, 200, {})):
        body = {"network": {"qos_policy_id": chosen}}
        assert cloud.api.put(f"{NETWORK}/networks/{cloud.network_id}", "admin", json=body).status_code == expect
        assert held(cloud, made) == after


@pytest.mark.parametrize("end", ["confirmResize", "revertResize"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_resized_server_holds_it_where_it_is_and_where_it_was(cloud: Cloud, end: str, elsewhere: bool) -> None:
    cloud.config = replace(cloud.config, compute=replace(cloud.config.compute, resize_on_same_node=not elsewhere))
    cloud.schedulers = [cloud._scheduler(number) for number in range(len(cloud.schedulers))]
    made, _ = server(cloud, policy(cloud, least(1000)))  # more than half of what there is
    before = node_ids(cloud, made)
    cloud.do(made, "resize", {"flavorRef": "c1.large"})
    after = node_ids(cloud, made)
    assert (after != before) is elsewhere
    assert held(cloud, made) == {tunnels(node): {IN: 1000} for node in (before, after)}
    cloud.do(made, end)
    assert held(cloud, made) == {tunnels(before if end == "revertResize" else after): {IN: 1000}}


def test_ports_that_come_and_go_bring_and_take_theirs(cloud: Cloud) -> None:
    made, (first,) = server(cloud, policy(cloud, least(1000)))
    small = policy(cloud, least(500))
    where = tunnels(node_ids(cloud, made))

    def attach(port_id: str) -> None:
        body = {"interfaceAttachment": {"port_id": port_id}}
        cloud.ok(cloud.api.post(f"{COMPUTE}/servers/{made}/os-interface", headers=NEWEST, json=body))
        cloud.run_until_idle()

    second, third = port(cloud, small), port(cloud, small)
    attach(second)
    assert held(cloud, made) == {where: {IN: 1500}}
    attach(third)  # there is not enough left: it is freed
    assert (held(cloud, made), shown(cloud, third)["device_id"]) == ({where: {IN: 1500}}, "")
    assert cloud.api.delete(f"{COMPUTE}/servers/{made}/os-interface/{second}").status_code == 202
    cloud.run_until_idle()
    assert held(cloud, made) == {where: {IN: 1000}}
    assert cloud.api.delete(f"{NETWORK}/ports/{first}").status_code == 204
    assert (held(cloud, made), used(cloud)) == ({}, 0)


def test_a_shelved_server_holds_nothing_and_claims_it_anew(cloud: Cloud) -> None:
    made, _ = server(cloud, policy(cloud, least(1000)))
    cloud.do(made, "shelve")
    assert (cloud.status(made), used(cloud)) == ("SHELVED_OFFLOADED", 0)
    cloud.do(made, "unshelve")
    assert held(cloud, made) == {tunnels(node_ids(cloud, made)): {IN: 1000}}


def test_what_a_silent_node_may_still_use_is_held_until_it_has_answered(cloud: Cloud) -> None:
    made, _ = server(cloud, policy(cloud, least(1000)))
    node = cloud.node_of(made)
    node.die()
    cloud.run_for(NODE_DOWN_S + 10)
    cloud.delete(made)
    cloud.run_for(30)
    assert (cloud.status(made), used(cloud)) == ("", 1000)
    with cloud.db.read() as session:
        (claim,) = session.scalars(sa.select(RateClaim))
        assert claim.consumer_id != made
    node.revive()
    cloud.run_until_idle()
    assert used(cloud) == 0
