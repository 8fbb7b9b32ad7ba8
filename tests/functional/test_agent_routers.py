"""Routers and floating addresses for real: two tenants with the same ranges, an outside, all in network namespaces.

Tenant one has two networks behind one router, tenant two a network with the first one's addresses behind its own; both
routers have a gateway in `public`, whose way out is the node itself.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from common.clock import SystemClock
from common.config import NetworkConfig
from common.ids import new_id
from common.rpc.compute_v1 import FilterRule, FixedAddress, NetworkSpec, NetworkState, PortSpec, SubnetSpec
from common.rpc.routers_v1 import (
    DhcpRoute,
    FloatingAddress,
    ForwardedPort,
    MeteringLabel,
    MeteringRule,
    RouterInterface,
    RouterSpec,
)
from compute_agent.metadata.server import MetadataServer
from compute_agent.networking import names, namespaces, nft, router_tables
from compute_agent.networking.linux import LinuxNetworking
from tests.functional import agent_netlab as lab
from tests.functional.agent_netlab import NODE, NODE_ADDRESS, OUTSIDE, OUTSIDE_ADDRESS, TAG, Guest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.xdist_group("agent_networking"),
]

NET1, NET2, NET3, PUBLIC = (new_id() for _ in range(4))
CIDRS = {NET1: "10.1.0", NET2: "10.2.0", NET3: "10.1.0", PUBLIC: "172.24.4"}
A = Guest(f"{TAG}-ra", "1a1a1a1a-0000-4000-8000-000000000001", "fa:16:3e:00:02:0a", ("10.1.0.10/24",))
B = Guest(f"{TAG}-rb", "1b1b1b1b-0000-4000-8000-000000000001", "fa:16:3e:00:02:0b", ("10.1.0.11/24",))
C = Guest(f"{TAG}-rc", "1c1c1c1c-0000-4000-8000-000000000001", "fa:16:3e:00:02:0c", ("10.2.0.10/24",))
D = Guest(f"{TAG}-rd", "1d1d1d1d-0000-4000-8000-000000000001", "fa:16:3e:00:02:0d", ("10.1.0.10/24",))
HOMES = {NET1: (A, B), NET2: (C,), NET3: (D,)}
GUESTS = (A, B, C, D)
HOST_ON_PUBLIC, ONE_OUTSIDE, TWO_OUTSIDE, FLOATING, SPARE = (f"172.24.4.{n}" for n in (1, 10, 11, 20, 21))

ALL_OUT = FilterRule(direction="egress", ethertype="IPv4")
TCP_7000 = FilterRule(direction="ingress", ethertype="IPv4", protocol="tcp", port_min=7000, port_max=7009)
PING = FilterRule(direction="ingress", ethertype="IPv4", protocol="icmp")


def network(network_id: str) -> NetworkSpec:
    start, public = CIDRS[network_id], network_id == PUBLIC
    subnet = SubnetSpec(
        id=network_id, cidr=f"{start}.0/24", ip_version=4, gateway_ip=f"{start}.1", enable_dhcp=not public,
        dhcp_ip=None if public else f"{start}.2",
    )  # fmt: skip
    return NetworkSpec(
        id=network_id, vni=1, mtu=1400, subnets=[subnet], nat=public, physical_network="physnet1" if public else ""
    )


def port(guest: Guest, network_id: str) -> PortSpec:
    return PortSpec(
        id=guest.port_id, network_id=network_id, mac_address=guest.mac, instance_id=f"instance-{guest.name}",
        rules=[ALL_OUT, TCP_7000, PING], addresses=[FixedAddress(subnet_id=network_id, ip_address=guest.ipv4)],
    )  # fmt: skip


def interface(network_id: str, last: int, mac: str) -> RouterInterface:
    return RouterInterface(
        port_id=new_id(), network_id=network_id, mac_address=mac, mtu=1400, addresses=[f"{CIDRS[network_id]}.{last}/24"]
    )


ONE = RouterSpec(
    id=new_id(),
    interfaces=[interface(NET1, 1, "fa:16:3e:00:02:a1"), interface(NET2, 1, "fa:16:3e:00:02:a2")],
    gateway=interface(PUBLIC, 10, "fa:16:3e:00:02:a3"),
    gateway_ips=[HOST_ON_PUBLIC],
    floating=[FloatingAddress(address=FLOATING, fixed_address=A.ipv4)],
)
TWO = RouterSpec(
    id=new_id(),
    interfaces=[interface(NET3, 1, "fa:16:3e:00:02:b1")],
    gateway=interface(PUBLIC, 11, "fa:16:3e:00:02:b3"),
    gateway_ips=[HOST_ON_PUBLIC],
)

TWO_KNOWING_ONE = msgspec.structs.replace(TWO, routes=[DhcpRoute(destination="10.2.0.0/24", nexthop=ONE_OUTSIDE)])


class Node:
    def __init__(self, folder: Path, physical: str = "physnet1:none") -> None:
        self.folder, self.version, self.physical = folder, 0, physical
        self.networking = self.agent()

    def agent(self) -> LinuxNetworking:
        clock = SystemClock()
        return LinuxNetworking(
            state_dir=self.folder / "state", run_dir=self.folder / "run", clock=clock,
            config=NetworkConfig(physical_networks=self.physical),
            metadata=lambda network_id, listening: MetadataServer(
                network_id, listening, lambda peer, method, path, body: (200, "text/plain", b"here"), clock
            ),
        )  # fmt: skip

    def apply(self, *routers: RouterSpec, public: NetworkSpec | None = None) -> None:
        self.version += 1
        ports = [port(guest, network_id) for network_id, guests in HOMES.items() for guest in guests]
        networks = [public if public and each == PUBLIC else network(each) for each in CIDRS]
        self.networking.apply(NetworkState(version=self.version, networks=networks, ports=ports, routers=list(routers)))


@pytest.fixture(scope="module")
def built() -> Iterator[Node]:
    folder = Path(tempfile.mkdtemp(prefix="cml-net-"))
    folder.chmod(0o711)  # dnsmasq gives up root
    with lab.node_and_outside():
        made = Node(folder)
        try:
            made.apply(ONE, TWO)
            for network_id, guests in HOMES.items():
                for guest in guests:
                    guest.plug(names.bridge(network_id))
                    guest.route(f"{CIDRS[network_id]}.1")
            lab.ip("-n", OUTSIDE, "route", "add", "172.24.4.0/24", "via", NODE_ADDRESS)
            yield made
        finally:
            made.networking.teardown()
            for guest in GUESTS:
                guest.unplug()
            assert not any(namespaces.exists(names.router(each.id)) for each in (ONE, TWO))
    shutil.rmtree(folder)


@pytest.fixture
def node(built: Node) -> Iterator[Node]:
    built.apply(ONE, TWO)
    yield built
    for guest in GUESTS:
        for each in guest.sockets:
            each.close()
        guest.sockets.clear()


def peer_of(accepting: socket.socket, namespace: str, address: str, number: int) -> str:
    """Connect and say as whom the other side sees it."""
    made = lab.connect(namespace, address, number, timeout_s=3)
    assert made is not None, f"{address} port {number} does not answer"
    accepted, seen_as = accepting.accept()
    accepted.close()
    made.close()
    return str(seen_as[0])


def reaches(namespace: str, address: str, number: int) -> bool:
    """Where a refusal by a router in between, too, is none."""
    try:
        return lab.reaches(namespace, address, number)
    except OSError:
        return False


def test_two_networks_of_one_router_reach_each_other_untranslated(node: Node) -> None:
    assert peer_of(C.listen(7000), A.name, C.ipv4, 7000) == A.ipv4
    assert peer_of(A.listen(7001), C.name, A.ipv4, 7001) == C.ipv4


def test_rules_of_the_receiving_port_hold_for_what_is_routed(node: Node) -> None:
    C.listen(8000)
    assert not lab.reaches(A.name, C.ipv4, 8000)


def test_guests_reach_the_outside_by_the_gateway_address_of_their_own_router(node: Node) -> None:
    B.listen(7000)
    with lab.listen(NODE, HOST_ON_PUBLIC, 7100) as refused:
        refused.settimeout(0.2)
        assert not lab.reaches(B.name, HOST_ON_PUBLIC, 7100), "the node's own services are not for guests"
    with lab.listen(OUTSIDE, OUTSIDE_ADDRESS, 7100) as outside:
        assert peer_of(outside, B.name, OUTSIDE_ADDRESS, 7100) == NODE_ADDRESS  # translated a second time, by the node
    assert lab.pings(D.name, HOST_ON_PUBLIC)


def test_labels_count_what_comes_from_outside_and_keep_their_counts(node: Node) -> None:
    remote = f"{OUTSIDE_ADDRESS}/32"
    counting = MeteringLabel(id=new_id(), rules=[MeteringRule(direction="ingress", remote=remote)])
    sparing = [MeteringRule(direction="ingress", excluded=True, remote=remote), *counting.rules]
    labels = [counting, MeteringLabel(id=new_id(), rules=sparing)]
    node.apply(msgspec.structs.replace(ONE, metering=labels), TWO)
    assert [each.packets for each in node.networking.counted()] == [0, 0]
    assert lab.pings(OUTSIDE, FLOATING)
    first, second = node.networking.counted()
    assert (first.router_id, first.label_id, second.packets) == (ONE.id, counting.id, 0)
    assert first.packets > 0
    assert first.octets >= first.packets * 28  # IPv4 and ICMP headers at least
    node.apply(msgspec.structs.replace(ONE, metering=labels, floating=[]), TWO)
    assert node.networking.counted()[0].packets >= first.packets


def test_a_floating_address_leads_in_and_out(node: Node) -> None:
    listening = A.listen(7000)
    assert peer_of(listening, OUTSIDE, FLOATING, 7000) == OUTSIDE_ADDRESS
    assert peer_of(listening, NODE, FLOATING, 7000) == HOST_ON_PUBLIC
    assert lab.pings(OUTSIDE, FLOATING)


def test_tenants_with_the_same_range_meet_only_by_floating_addresses(node: Node) -> None:
    listening = A.listen(7000)
    assert peer_of(listening, D.name, FLOATING, 7000) == TWO_OUTSIDE
    D.listen(7000)
    assert peer_of(listening, C.name, A.ipv4, 7000) == C.ipv4, "C speaks to its own neighbour, not to D"
    node.apply(ONE, TWO_KNOWING_ONE)
    C.listen(7002)
    assert not lab.reaches(D.name, C.ipv4, 7002), "a route to another tenant's router leads nowhere"


def test_neighbours_reach_each_other_by_a_floating_address(node: Node) -> None:
    listening = A.listen(7000)
    assert peer_of(listening, B.name, FLOATING, 7000) == ONE_OUTSIDE
    assert peer_of(listening, C.name, FLOATING, 7000) == ONE_OUTSIDE


def test_what_has_a_floating_address_appears_outside_by_it(node: Node) -> None:
    spare = msgspec.structs.replace(TWO, floating=[FloatingAddress(address=SPARE, fixed_address=D.ipv4)])
    node.apply(ONE, spare)
    assert peer_of(D.listen(7000), A.name, SPARE, 7000) == FLOATING


def test_taking_a_floating_address_away_cuts_what_lives_on_it(node: Node) -> None:
    listening = A.listen(7000)
    made = lab.connect(OUTSIDE, FLOATING, 7000, timeout_s=3)
    assert made is not None
    accepted, _ = listening.accept()
    made.sendall(b"before")
    assert accepted.recv(16) == b"before"
    node.apply(msgspec.structs.replace(ONE, floating=[]), TWO)
    made.sendall(b"after")
    accepted.settimeout(1.0)
    with pytest.raises(TimeoutError):
        accepted.recv(16)
    assert not lab.reaches(OUTSIDE, FLOATING, 7000)
    made.close()
    accepted.close()


def test_moving_a_floating_address_moves_new_connections(node: Node) -> None:
    node.apply(msgspec.structs.replace(ONE, floating=[FloatingAddress(address=FLOATING, fixed_address=C.ipv4)]), TWO)
    A.listen(7000)
    assert peer_of(C.listen(7000), OUTSIDE, FLOATING, 7000) == OUTSIDE_ADDRESS


def test_without_source_nat_fixed_addresses_go_out_as_they_are(node: Node) -> None:
    node.apply(msgspec.structs.replace(ONE, source_nat=False), TWO_KNOWING_ONE)
    assert peer_of(C.listen(7000), D.name, C.ipv4, 7000) == TWO_OUTSIDE  # routed, as both tenants wished
    with lab.listen(OUTSIDE, OUTSIDE_ADDRESS, 7100):
        assert not lab.reaches(C.name, OUTSIDE_ADDRESS, 7100), "the node lets nothing out that it can't translate"


def test_one_port_of_an_address_can_be_forwarded(node: Node) -> None:
    forward = ForwardedPort(address=SPARE, protocol="tcp", port=2222, fixed_address=B.ipv4, fixed_port=7003)
    node.apply(msgspec.structs.replace(ONE, forwarded=[forward]), TWO)
    assert peer_of(B.listen(7003), OUTSIDE, SPARE, 2222) == OUTSIDE_ADDRESS
    assert not reaches(OUTSIDE, SPARE, 7003)


def test_static_routes_lead_to_a_guest_that_routes_on(node: Node) -> None:
    beyond = "198.18.7.7"
    lab.ip("-n", C.name, "addr", "replace", f"{beyond}/32", "dev", "lo")
    node.apply(msgspec.structs.replace(ONE, routes=[DhcpRoute(destination="198.18.7.0/24", nexthop=C.ipv4)]), TWO)
    asked = namespaces.call_in(names.router(ONE.id), lambda: _route_to(beyond))
    assert C.ipv4 in asked
    node.apply(ONE, TWO)
    assert C.ipv4 not in namespaces.call_in(names.router(ONE.id), lambda: _route_to(beyond))


def _route_to(address: str) -> str:
    from common import tool

    return str(tool.run(["ip", "route", "get", address], timeout_s=5))


def test_what_breaks_is_put_back(node: Node) -> None:
    listening = A.listen(7000)
    namespace = names.router(ONE.id)
    assert node.networking.heal() == []
    namespaces.call_in(namespace, lambda: nft.remove(router_tables.TABLES))
    assert any("table" in what for what in node.networking.heal())
    assert peer_of(listening, OUTSIDE, FLOATING, 7000) == OUTSIDE_ADDRESS
    namespaces.remove(namespace)
    assert node.networking.heal() == [f"namespace {namespace}"]
    assert peer_of(listening, OUTSIDE, FLOATING, 7000) == OUTSIDE_ADDRESS
    assert ONE.gateway is not None
    lab.ip("-n", namespace, "link", "delete", names.router_outside(ONE.gateway.port_id))
    assert len(node.networking.heal()) == 1
    assert peer_of(listening, OUTSIDE, FLOATING, 7000) == OUTSIDE_ADDRESS


def test_a_new_agent_takes_a_router_over_and_removes_one_that_is_gone(node: Node) -> None:
    listening = A.listen(7000)
    made = lab.connect(OUTSIDE, FLOATING, 7000, timeout_s=3)
    assert made is not None
    accepted, _ = listening.accept()
    node.networking.close()
    node.networking = node.agent()
    node.networking.heal()
    made.sendall(b"still here")
    assert accepted.recv(16) == b"still here"
    made.close()
    accepted.close()
    node.apply(ONE)
    assert not namespaces.exists(names.router(TWO.id))
    assert not lab.reaches(D.name, OUTSIDE_ADDRESS, 7100)


def test_a_router_leaves_a_network_at_once(node: Node) -> None:
    C.listen(7000)
    assert lab.reaches(A.name, C.ipv4, 7000)
    node.apply(msgspec.structs.replace(ONE, interfaces=ONE.interfaces[:1]), TWO)
    assert not reaches(A.name, C.ipv4, 7000)


def test_metadata_stays_the_networks_own(node: Node) -> None:
    lab.ip("-n", A.name, "route", "replace", "169.254.169.254", "via", "10.1.0.1")
    assert not reaches(A.name, "169.254.169.254", 80)
    lab.ip("-n", A.name, "route", "replace", "169.254.169.254", "via", "10.1.0.2")
    assert lab.reaches(A.name, "169.254.169.254", 80)
