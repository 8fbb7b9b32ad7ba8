"""A router of IPv6 networks: guests learn their way from its advertisements, and reach one another by it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from common.clock import SystemClock
from common.config import NetworkConfig
from common.ids import new_id
from common.rpc.compute_v1 import FilterRule, FixedAddress, NetworkSpec, NetworkState, PortSpec, SubnetSpec
from common.rpc.routers_v1 import AdvertisedPrefix, RouterInterface, RouterSpec
from compute_agent.metadata.server import MetadataServer
from compute_agent.networking import dnsmasq, names, namespaces, router_adverts, sysctl
from compute_agent.networking.linux import LinuxNetworking
from tests.functional import agent_netlab as lab
from tests.functional.agent_netlab import TAG, Guest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.xdist_group("agent_networking"),
]

NETWORKS = {new_id(): "fd01", new_id(): "fd02"}
ONE, TWO = (
    Guest(
        f"{TAG}-v{n}",
        f"{n}2{n}2{n}2{n}2-0000-4000-8000-000000000001",
        f"fa:16:3e:00:03:0{n}",
        (f"fd0{n}::f816:3eff:fe00:30{n}/64",),
    )
    for n in (1, 2)
)
MODE = "slaac"
RULES = [
    FilterRule(direction="egress", ethertype="IPv6"),
    FilterRule(direction="ingress", ethertype="IPv6", protocol="icmpv6", port_min=128, port_max=0),
]


def router() -> RouterSpec:
    return RouterSpec(
        id=new_id(),
        interfaces=[
            RouterInterface(
                port_id=new_id(), network_id=network_id, mac_address=f"fa:16:3e:00:03:a{n}", mtu=1400,
                addresses=[f"{start}::1/64"], advertised=[AdvertisedPrefix(cidr=f"{start}::/64", mode=MODE)],
            )
            for n, (network_id, start) in enumerate(NETWORKS.items())
        ],
    )  # fmt: skip


ROUTER = router()


def state(*, known: bool) -> NetworkState:
    """`known`: whether the networks say that the router's devices may advertise."""
    networks = [
        NetworkSpec(
            id=each.network_id, vni=1, mtu=1400, router_macs=[each.mac_address] if known else [],
            subnets=[
                SubnetSpec(
                    id=each.network_id, cidr=f"{NETWORKS[each.network_id]}::/64", ip_version=6,
                    gateway_ip=f"{NETWORKS[each.network_id]}::1", dhcp_ip=f"{NETWORKS[each.network_id]}::2",
                    ipv6_ra_mode=MODE, ipv6_address_mode=MODE,
                )
            ],
        )
        for each in ROUTER.interfaces
    ]  # fmt: skip
    ports = [
        PortSpec(
            id=guest.port_id, network_id=network_id, mac_address=guest.mac, instance_id=guest.name, rules=RULES,
            addresses=[FixedAddress(subnet_id=network_id, ip_address=guest.ipv4)],
        )
        for network_id, guest in zip(NETWORKS, (ONE, TWO), strict=True)
    ]  # fmt: skip
    return NetworkState(version=1, networks=networks, ports=ports, routers=[ROUTER])


@pytest.fixture
def node() -> Iterator[LinuxNetworking]:
    folder, clock = Path(tempfile.mkdtemp(prefix="cml-net-")), SystemClock()
    folder.chmod(0o711)  # dnsmasq gives up root
    with lab.node_and_outside():
        made = LinuxNetworking(
            state_dir=folder / "state", run_dir=folder / "run", config=NetworkConfig(), clock=clock,
            metadata=lambda network_id, listening: MetadataServer(
                network_id, listening, lambda peer, method, path, body: (200, "text/plain", b"here"), clock
            ),
        )  # fmt: skip
        try:
            made.apply(state(known=True))
            for network_id, guest in zip(NETWORKS, (ONE, TWO), strict=True):
                guest.plug(names.bridge(network_id))
                namespaces.call_in(guest.name, lambda: sysctl.ensure("ipv6/conf/eth0/accept_ra", 1))
                # Up once more: it asks for routers now that it listens to them, and makes its address.
                lab.ip("-n", guest.name, "link", "set", "eth0", "down")
                lab.ip("-n", guest.name, "link", "set", "eth0", "up")
            yield made
        finally:
            made.teardown()
            for guest in (ONE, TWO):
                guest.unplug()
    shutil.rmtree(folder)


def has_default_route(guest: Guest) -> bool:
    def look() -> bool:
        lines = Path("/proc/thread-self/net/ipv6_route").read_text().splitlines()
        return any(line.startswith("0" * 32 + " 00") and line.split()[4] != "0" * 32 for line in lines)

    return namespaces.call_in(guest.name, look)


def test_guests_learn_the_router_and_reach_each_other_by_it(node: LinuxNetworking) -> None:
    lab.until(lambda: has_default_route(ONE) and has_default_route(TWO), deadline_s=20)
    lab.until(lambda: lab.pings(ONE.name, TWO.ipv4), deadline_s=10)
    run_dir = Path(node._routers._run_dir)
    advertising = dnsmasq.pid(router_adverts.daemon(run_dir, names.router(ROUTER.id)))
    assert advertising is not None
    assert node.heal() == []
    os.kill(advertising, signal.SIGKILL)
    lab.until(lambda: router_adverts.is_missing(run_dir, ROUTER))
    assert node.heal() == [f"dnsmasq of {names.router(ROUTER.id)}"]
    assert not router_adverts.is_missing(run_dir, ROUTER)


def test_outside_a_router_answers_for_the_addresses_it_is_told_and_lets_nothing_else_in(node: LinuxNetworking) -> None:
    inside, outside = ROUTER.interfaces
    gateway = msgspec.structs.replace(outside, port_id=new_id(), advertised=[])
    inner = msgspec.structs.replace(inside, port_id=new_id())
    proxying = RouterSpec(id=new_id(), interfaces=[inner], gateway=gateway, ndp_proxy=True, ndp_proxied=[ONE.ipv4])
    node.apply(msgspec.structs.replace(state(known=True), version=2, routers=[proxying]))
    lab.ip("-n", TWO.name, "-6", "route", "replace", "fd01::/64", "dev", "eth0")  # as if it were on this wire
    lab.until(lambda: has_default_route(ONE), deadline_s=20)
    lab.until(lambda: lab.pings(TWO.name, ONE.ipv4), deadline_s=10)
    node.apply(msgspec.structs.replace(state(known=True), version=3, routers=[_answering_for(proxying, [])]))
    lab.ip("-n", TWO.name, "-6", "neigh", "flush", "dev", "eth0")
    assert not lab.pings(TWO.name, ONE.ipv4), "nobody answers for it"
    lab.ip("-n", TWO.name, "-6", "neigh", "replace", ONE.ipv4, "lladdr", gateway.mac_address, "dev", "eth0")
    assert not lab.pings(TWO.name, ONE.ipv4), "who knows the router's MAC does not get past it"
    node.apply(msgspec.structs.replace(state(known=True), version=4, routers=[_answering_for(proxying, [ONE.ipv4])]))
    lab.until(lambda: lab.pings(TWO.name, ONE.ipv4), deadline_s=10)


def _answering_for(router: RouterSpec, addresses: list[str]) -> RouterSpec:
    return msgspec.structs.replace(router, ndp_proxied=addresses)
