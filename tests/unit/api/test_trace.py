"""The trace of a packet across nodes: what stops it is named, and devices are named as the agent names them.

That its verdicts are those of real packets is held by tests/functional/test_trace_agrees.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from api.cumulet.trace.model import NodeFacts, Trace, Verdict, device
from api.cumulet.trace.path import trace
from common.filter_rules import ICMP, TCP
from common.rpc.compute_v1 import FilterRule, FixedAddress, NetworkSpec, NetworkState, PortSpec, SubnetSpec
from common.rpc.routers_v1 import DhcpRoute, RouterInterface, RouterSpec
from compute_agent.networking import names
from tests.fixtures.trace_world import StateWorld

NET, FAR = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000001"
HERE, THERE = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000001"
ROUTER, GATE = "cccccccc-0000-4000-8000-000000000001", "dddddddd-0000-4000-8000-000000000001"
OUT, OUT6 = FilterRule(direction="egress", ethertype="IPv4"), FilterRule(direction="egress", ethertype="IPv6")
SSH = FilterRule(direction="ingress", ethertype="IPv4", protocol="tcp", port_min=22, port_max=22)
PING = FilterRule(direction="ingress", ethertype="IPv4", protocol="icmp")
PING6 = FilterRule(direction="ingress", ethertype="IPv6", protocol="icmpv6")


def port(port_id: str, network_id: str, address: str, *rules: FilterRule, **rest: object) -> PortSpec:
    return PortSpec(
        id=port_id, network_id=network_id, mac_address="fa:16:3e:00:00:01", instance_id=port_id, hostname=address,
        addresses=[FixedAddress(subnet_id="s", ip_address=address)], rules=list(rules), **rest,  # type: ignore[arg-type]
    )  # fmt: skip


def network(network_id: str, start: str, *peers: str, **rest: object) -> NetworkSpec:
    subnets = [
        SubnetSpec(id="4", cidr=f"{start}.0/24", ip_version=4, gateway_ip=f"{start}.1", dhcp_ip=f"{start}.2"),
        SubnetSpec(id="6", cidr="fd00::/64", ip_version=6, gateway_ip="fd00::1"),
    ]
    return NetworkSpec(id=network_id, vni=7, mtu=1450, subnets=subnets, peers=list(peers), **rest)  # type: ignore[arg-type]


def interface(port_id: str, network_id: str, address: str) -> RouterInterface:
    return RouterInterface(
        port_id=port_id, network_id=network_id, mac_address="fa:16:3e:00:00:09", mtu=1450, addresses=[address]
    )


def world(*there_rules: FilterRule, **of_there: object) -> StateWorld:
    """A server on node1, one in the same network on node2, where a router leads to a second network with one more."""
    router = RouterSpec(
        id=ROUTER, interfaces=[interface("r1", NET, "10.0.0.1/24"), interface("r2", FAR, "10.0.1.1/24")]
    )
    near = NetworkState(
        version=1, networks=[network(NET, "10.0.0", "10.99.0.12")], ports=[port(HERE, NET, "10.0.0.5", OUT, PING)]
    )
    far = NetworkState(
        version=1, networks=[network(NET, "10.0.0", "10.99.0.11"), network(FAR, "10.0.1")], routers=[router],
        ports=[port(THERE, NET, "10.0.0.6", *there_rules, **of_there), port(GATE, FAR, "10.0.1.7", SSH, PING)],
    )  # fmt: skip
    facts = {"n1": NodeFacts("n1", "node1", "10.99.0.11"), "n2": NodeFacts("n2", "node2", "10.99.0.12")}
    return StateWorld(facts, {"n1": near, "n2": far})


def asked(made: StateWorld, target: str, protocol: int = ICMP, number: int | None = None) -> Trace:
    return trace(made, made.starts(HERE), ipaddress.ip_address(target), protocol, number)


def test_a_neighbour_on_another_node_is_reached_by_the_tunnel() -> None:
    made = asked(world(SSH), "10.0.0.6", TCP, 22)
    assert (made.verdict, made.arrived_at) == (Verdict.PASSES, THERE)
    assert [(hop.at, hop.answer) for hop in made.hops if hop.at == "tunnel"] == [("tunnel", False), ("tunnel", True)]
    (rule,) = [hop.what for hop in made.hops if "ingress rule" in hop.what and not hop.answer]
    assert "tcp 22, anywhere" in rule


def test_the_other_network_of_a_router_is_reached_by_it() -> None:
    made = asked(world(), "10.0.1.7", TCP, 22)
    assert made.verdict is Verdict.PASSES
    assert [hop.at for hop in made.hops if hop.at == "router"] == ["router", "router"]
    assert asked(world(), "10.0.1.7", TCP, 23).verdict is Verdict.STOPPED


def test_names_of_devices_are_the_agents() -> None:
    hops = {hop.at: hop.device for hop in asked(world(), "10.0.1.7").hops if not hop.answer}
    assert hops["tunnel"] == names.tunnel(NET)
    assert hops["router"] == names.router(ROUTER)
    assert hops["bridge"] == names.bridge(FAR)
    assert hops["server"] == names.tap(GATE)
    assert device("cmlns-", NET) == names.namespace(NET)


def _without_peers(made: StateWorld) -> StateWorld:
    state = made.states["n1"]
    cut = [msgspec.structs.replace(each, peers=[]) for each in state.networks]
    return replace(made, states={**made.states, "n1": msgspec.structs.replace(state, networks=cut)})


def _silent(made: StateWorld) -> StateWorld:
    facts = {**made.facts, "n2": replace(made.facts["n2"], trouble="nothing has been heard of it for 60 s")}
    return replace(made, facts=facts)


def _without_router(made: StateWorld) -> StateWorld:
    """Its owner is known still, its node has been told that it is off."""
    state = made.states["n2"]
    off = replace(made, states={**made.states, "n2": msgspec.structs.replace(state, routers=[])})
    off.owner = made.owner  # type: ignore[method-assign]
    return off


@pytest.mark.parametrize(
    ("made", "target", "at", "said"),
    [
        (world(), "10.0.0.6", "security_group", "none of its 0 ingress rules for IPv4 accepts icmp type 8"),
        (world(SSH), "10.0.0.6", "security_group", "from 10.0.0.5"),
        (world(PING, admin_up=False), "10.0.0.6", "port", "switched off"),
        (world(PING), "10.0.0.99", "bridge", "nobody in the network has 10.0.0.99"),
        (world(PING), "10.5.0.1", "router", "no route to 10.5.0.1"),
        (_without_peers(world(PING)), "10.0.0.6", "tunnel", "no tunnel peers"),
        (_silent(world(PING)), "10.0.0.6", "node", "can't be relied on"),
        (_without_router(world(PING)), "10.0.1.7", "router", "switched off"),
        (replace(world(PING), idle_ports={THERE: "the server does not run: it is stopped"}), "10.0.0.6", "server", "stopped"),
        (world(FilterRule(direction="ingress", ethertype="IPv9")), "10.0.0.6", "security_group", "can't be enforced"),
        (world(PING, stateful=False), "10.0.0.6", "security_group", "answers need a rule of their own"),
        (world(PING), "2001:db8::1", "server", "no subnet of the server's ports"),
    ],
)  # fmt: skip
def test_what_stops_it_is_named(made: StateWorld, target: str, at: str, said: str) -> None:
    found = asked(made, target)
    assert found.verdict is Verdict.STOPPED
    assert (found.hops[-1].at, found.hops[-1].passes) == (at, False)
    assert said in found.reason


def test_a_host_route_goes_before_the_gateway_and_a_server_may_route_on() -> None:
    made = world(PING)
    state = made.states["n1"]
    (spec,) = state.networks
    routes = [DhcpRoute(destination="10.7.0.0/16", nexthop="10.0.0.6")]
    subnets = [msgspec.structs.replace(spec.subnets[0], host_routes=routes), spec.subnets[1]]
    changed = msgspec.structs.replace(state, networks=[msgspec.structs.replace(spec, subnets=subnets)])
    found = asked(replace(made, states={**made.states, "n1": changed}), "10.7.1.1")
    assert (found.verdict, found.arrived_at) == (Verdict.HANDED_ON, THERE)


def test_metadata_and_dns_answer_on_the_node_whatever_the_groups_say() -> None:
    made = world()
    both = [FixedAddress(subnet_id=name, ip_address=each) for name, each in (("4", "10.0.0.5"), ("6", "fd00::5"))]
    shut = [msgspec.structs.replace(each, rules=[], addresses=both) for each in made.states["n1"].ports]
    made = replace(made, states={**made.states, "n1": msgspec.structs.replace(made.states["n1"], ports=shut)})
    assert asked(made, "169.254.169.254", TCP, 80).verdict is Verdict.PASSES
    assert asked(made, "fe80::a9fe:a9fe", TCP, 80).verdict is Verdict.PASSES
    assert asked(made, "10.0.0.2", TCP, 53).verdict is Verdict.PASSES
    assert asked(made, "10.0.0.2", TCP, 22).verdict is Verdict.STOPPED


@pytest.mark.parametrize("change", [lambda spec: spec, lambda spec: msgspec.structs.replace(spec, source_nat=False)])
def test_two_routers_that_lead_to_each_other_end_the_trace(change: Callable[[RouterSpec], RouterSpec]) -> None:
    made = world()
    state = made.states["n2"]
    (router,) = state.routers
    first = msgspec.structs.replace(router, routes=[DhcpRoute(destination="10.9.0.0/16", nexthop="10.0.1.2")])
    second = RouterSpec(
        id=NET, interfaces=[interface("r3", FAR, "10.0.1.2/24")],
        routes=[DhcpRoute(destination="10.9.0.0/16", nexthop="10.0.1.1")],
    )  # fmt: skip
    routers = [change(first), change(second)]
    made = replace(made, states={**made.states, "n2": msgspec.structs.replace(state, routers=routers)})
    networks = [
        msgspec.structs.replace(each, subnets=[msgspec.structs.replace(s, dhcp_ip=None) for s in each.subnets])
        for each in state.networks
    ]
    made = replace(made, states={**made.states, "n2": msgspec.structs.replace(made.states["n2"], networks=networks)})
    assert "circles" in asked(made, "10.9.0.1").reason
