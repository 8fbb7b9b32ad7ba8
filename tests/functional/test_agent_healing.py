"""Each thing that a node's networking is made of is broken by hand; one look (every five seconds) puts it back.

One table: what is done to the node, and how it shows. Between two rows nothing is made anew but by `heal` itself.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.config import NetworkConfig
from common.ids import new_id
from common.rpc.compute_v1 import FilterRule, FixedAddress, NetworkSpec, NetworkState, PortSpec, SubnetSpec
from common.rpc.routers_v1 import AdvertisedPrefix, FloatingAddress, RouterInterface, RouterSpec
from compute_agent.metadata.server import MetadataServer
from compute_agent.networking import (
    dnsmasq,
    filters,
    generation,
    names,
    namespaces,
    nft,
    router_adverts,
    sysctl,
)
from compute_agent.networking.linux import LinuxNetworking
from compute_agent.networking.router_tables import TABLES as ROUTER_TABLES
from tests.functional import agent_netlab as lab
from tests.functional.agent_netlab import NODE, NODE_ADDRESS, TAG, Guest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.xdist_group("agent_networking"),
]

NET, PUBLIC = new_id(), new_id()
GUEST = Guest(f"{TAG}-ha", "3a3a3a3a-0000-4000-8000-000000000001", "fa:16:3e:00:05:0a", ("10.8.0.10/24", "fd08::10/64"))
OUT = FilterRule(direction="egress", ethertype="IPv4")
PING = FilterRule(direction="ingress", ethertype="IPv4", protocol="icmp")
FLOATING, OWN = "172.24.4.20", "172.24.4.10"
BRIDGE, EXTERNAL, SPACE, TUNNEL, VETH = (
    names.bridge(NET), names.bridge(PUBLIC), names.namespace(NET), names.tunnel(NET), names.veth(NET)
)  # fmt: skip
PEER = "192.0.2.77"
INSIDE = RouterInterface(
    port_id=new_id(), network_id=NET, mac_address="fa:16:3e:00:05:a1", mtu=1400, addresses=["10.8.0.1/24", "fd08::1/64"],
    advertised=[AdvertisedPrefix(cidr="fd08::/64", mode="slaac")],
)  # fmt: skip
GATE = RouterInterface(
    port_id=new_id(), network_id=PUBLIC, mac_address="fa:16:3e:00:05:a2", mtu=1400, addresses=[f"{OWN}/24"]
)
ROUTER = RouterSpec(
    id=new_id(), interfaces=[INSIDE], gateway=GATE, gateway_ips=["172.24.4.1"],
    floating=[FloatingAddress(address=FLOATING, fixed_address=GUEST.ipv4)],
)  # fmt: skip
ROUTER_SPACE, QR, QG = names.router(ROUTER.id), names.router_inside(INSIDE.port_id), names.router_outside(GATE.port_id)


def state() -> NetworkState:
    four = SubnetSpec(id="4", cidr="10.8.0.0/24", ip_version=4, gateway_ip="10.8.0.1", dhcp_ip="10.8.0.2")
    six = SubnetSpec(
        id="6", cidr="fd08::/64", ip_version=6, gateway_ip="fd08::1", dhcp_ip="fd08::2", ipv6_ra_mode="slaac",
        ipv6_address_mode="slaac",
    )  # fmt: skip
    public = SubnetSpec(id="p", cidr="172.24.4.0/24", ip_version=4, gateway_ip="172.24.4.1", enable_dhcp=False)
    own = PortSpec(
        id=GUEST.port_id, network_id=NET, mac_address=GUEST.mac, instance_id="i", hostname="guest", rules=[OUT, PING],
        addresses=[FixedAddress(subnet_id="4", ip_address=GUEST.ipv4), FixedAddress(subnet_id="6", ip_address=GUEST.ipv6)],
    )  # fmt: skip
    return NetworkState(
        version=1, ports=[own], routers=[ROUTER],
        networks=[
            NetworkSpec(id=NET, vni=5, mtu=1400, subnets=[four, six], peers=[PEER], router_macs=[INSIDE.mac_address]),
            NetworkSpec(id=PUBLIC, vni=6, mtu=1400, subnets=[public], nat=True),
        ],
    )  # fmt: skip


class Node:
    def __init__(self, folder: Path) -> None:
        clock = SystemClock()
        self.run_dir = folder / "run"
        self.networking = LinuxNetworking(
            state_dir=folder / "state", run_dir=self.run_dir, clock=clock, config=NetworkConfig(),
            tunnel_address=NODE_ADDRESS,
            metadata=lambda network_id, listening: MetadataServer(
                network_id, listening, lambda peer, method, path, body: (200, "text/plain", b"here"), clock
            ),
        )  # fmt: skip

    def daemon(self) -> dnsmasq.Daemon:
        return dnsmasq.daemon(self.run_dir, NET)

    def advertiser(self) -> dnsmasq.Daemon:
        return router_adverts.daemon(self.run_dir, ROUTER_SPACE)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    folder = Path(tempfile.mkdtemp(prefix="cml-net-"))
    folder.chmod(0o711)  # dnsmasq gives up root
    with lab.node_and_outside():
        made = Node(folder)
        try:
            made.networking.apply(state())
            GUEST.plug(BRIDGE)
            GUEST.route("10.8.0.1")
            yield made
        finally:
            made.networking.teardown()
            GUEST.unplug()
    shutil.rmtree(folder)


# How things show


def picture(node: Node) -> dict[str, object]:
    """What the kernel has of us, by where it is: devices with what they are set to, addresses, routes, rules, switches."""
    found: dict[str, object] = {}
    for space in ("", SPACE, ROUTER_SPACE):
        place = ["-n", space] if space else []
        for what in (["addr"], ["route"], ["-6", "route"]):
            listed = (
                json.loads(_out("ip", "-j", *place, *what, "show")) if namespaces.exists(space) or not space else None
            )
            found[f"{space} {' '.join(what)}"] = _plain(listed)
    found["rules"] = {space: _rules(space) for space in ("", ROUTER_SPACE)}
    found["flooding"] = sorted(
        (each.get("dst", ""), each["mac"]) for each in json.loads(_out("bridge", "-j", "fdb", "show", "dev", TUNNEL))
        if each["mac"] == "00:00:00:00:00:00"
    ) if TUNNEL in _out("ip", "-br", "link") else None  # fmt: skip
    found["switches"] = {name: _switch("", name) for name in SWITCHES} | {
        f"router {name}": _switch(ROUTER_SPACE, name) for name in ROUTER_SWITCHES
    }
    found["processes"] = [dnsmasq.pid(each) is not None for each in (node.daemon(), node.advertiser())]
    return found


SWITCHES = (
    "bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables", "ipv4/ip_forward",
    f"ipv6/conf/{BRIDGE}/disable_ipv6", f"ipv6/conf/{GUEST.tap}/disable_ipv6", f"ipv4/conf/{BRIDGE}/arp_ignore",
)  # fmt: skip
ROUTER_SWITCHES = (
    "ipv4/ip_forward",
    "ipv6/conf/all/forwarding",
    f"ipv4/conf/{QR}/rp_filter",
    f"ipv4/conf/{QG}/arp_ignore",
)


def _switch(space: str, name: str) -> str:
    path = sysctl.ROOT / name

    def look() -> str:
        return path.read_text().strip() if path.exists() else "none"

    return namespaces.call_in(space or NODE, look) if not space or namespaces.exists(space) else "none"


def _rules(space: str) -> str:
    if space and not namespaces.exists(space):
        return ""
    return namespaces.call_in(space or NODE, lambda: generation.digest(ROUTER_TABLES if space else filters.TABLES))


def _out(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=20, check=False).stdout


def _plain(listed: list[dict[str, object]] | None) -> list[object] | None:
    """Without what changes by itself: indices, lifetimes, statistics, and link-local addresses made by the kernel."""
    if listed is None:
        return None
    kept = []
    for each in listed:
        if "ifname" in each:
            addresses = each["addr_info"]
            assert isinstance(addresses, list)
            own = [f"{a['local']}/{a['prefixlen']}" for a in addresses if a.get("scope") != "link"]
            kept.append((each["ifname"], each.get("master"), each["mtu"], each.get("operstate"), sorted(own)))
        elif str(each.get("dst", "")).startswith(("fe80", "ff00", "multicast")):
            continue
        else:
            kept.append((each.get("dst"), each.get("gateway"), each.get("dev")))
    return sorted(kept, key=str)


# What is done


def _delete(device: str, space: str = "") -> Callable[[Node], None]:
    return lambda node: lab.ip("-n", space or NODE, "link", "delete", device)


def _ip(*words: str, space: str = "") -> Callable[[Node], None]:
    return lambda node: lab.ip("-n", space or NODE, *words)


def _nft(*words: str, space: str = "") -> Callable[[Node], None]:
    def work(node: Node) -> None:
        subprocess.run(["ip", "netns", "exec", space or NODE, "nft", *words], check=True, timeout=20)

    return work


def _kill(which: Callable[[Node], dnsmasq.Daemon]) -> Callable[[Node], None]:
    def work(node: Node) -> None:
        number = dnsmasq.pid(which(node))
        assert number is not None
        os.kill(number, signal.SIGKILL)
        lab.until(lambda: dnsmasq.pid(which(node)) is None)

    return work


def _set(name: str, value: int, space: str = "") -> Callable[[Node], None]:
    def work(node: Node) -> None:
        namespaces.call_in(space or NODE, lambda: sysctl.ensure(name, value))

    return work


DAMAGE: dict[str, Callable[[Node], None]] = {
    "bridge deleted": _delete(BRIDGE),
    "bridge down": _ip("link", "set", BRIDGE, "down"),
    "external bridge deleted": _delete(EXTERNAL),
    "gateway's address removed": _ip("addr", "del", "172.24.4.1/24", "dev", EXTERNAL),
    "strange address on a bridge": _ip("addr", "add", "10.8.0.66/24", "dev", BRIDGE),
    "mtu changed": _ip("link", "set", BRIDGE, "mtu", "1280"),
    "guest's device taken off its bridge": _ip("link", "set", GUEST.tap, "nomaster"),
    "guest's device on another bridge": _ip("link", "set", GUEST.tap, "master", EXTERNAL),
    "filter table deleted": lambda node: nft.remove([("inet", "cmlfilter")]),
    "guard deleted": lambda node: nft.remove([("bridge", "cmlguard")]),
    "filter table flushed": _nft("flush", "table", "inet", "cmlfilter"),
    "guard flushed": _nft("flush", "table", "bridge", "cmlguard"),
    "one chain flushed": _nft("flush", "chain", "inet", "cmlfilter", "source"),
    "guard's addresses flushed": _nft("flush", "set", "bridge", "cmlguard", "addresses4"),
    "translation deleted": _nft("delete", "table", "ip", "cmlnat"),
    "everything of nft flushed": _nft("flush", "ruleset"),
    "dnsmasq dead": _kill(Node.daemon),
    "namespace deleted": lambda node: namespaces.remove(SPACE),
    "namespace's device deleted": _delete(VETH),
    "metadata address removed": _ip("addr", "del", "169.254.169.254/32", "dev", names.inside(NET), space=SPACE),
    "DHCP's address removed": _ip("addr", "del", "10.8.0.2/24", "dev", names.inside(NET), space=SPACE),
    "tunnel deleted": _delete(TUNNEL),
    "tunnel's peer forgotten": lambda node: subprocess.run(
        ["bridge", "fdb", "del", "00:00:00:00:00:00", "dev", TUNNEL, "dst", PEER], check=True, timeout=20
    ) and None,
    "router's namespace deleted": lambda node: namespaces.remove(ROUTER_SPACE),
    "router's device deleted": _delete(names.tap(INSIDE.port_id)),
    "router's outer device deleted": _delete(QG, ROUTER_SPACE),
    "router's device down": _ip("link", "set", QR, "down", space=ROUTER_SPACE),
    "router's address removed": _ip("addr", "del", "10.8.0.1/24", "dev", QR, space=ROUTER_SPACE),
    "floating address removed": _ip("addr", "del", f"{FLOATING}/32", "dev", QG, space=ROUTER_SPACE),
    "router's way out removed": _ip("route", "del", "default", space=ROUTER_SPACE),
    "router's tables flushed": _nft("flush", "ruleset", space=ROUTER_SPACE),
    "router's translations flushed": _nft("flush", "table", "ip", "cmlnat", space=ROUTER_SPACE),
    "router's advertiser dead": _kill(Node.advertiser),
    "bridged packets unfiltered": _set("bridge/bridge-nf-call-iptables", 0),
    "forwarding off": _set("ipv4/ip_forward", 0),
    "IPv6 on a bridge": _set(f"ipv6/conf/{BRIDGE}/disable_ipv6", 0),
    "IPv6 on a guest's device": _set(f"ipv6/conf/{GUEST.tap}/disable_ipv6", 0),
    "bridge answers for all addresses": _set(f"ipv4/conf/{BRIDGE}/arp_ignore", 0),
    "router forwards no more": _set("ipv4/ip_forward", 0, ROUTER_SPACE),
    "router checks return ways": _set(f"ipv4/conf/{QR}/rp_filter", 1, ROUTER_SPACE),
}  # fmt: skip


#: one of each mechanism; the others are for the full run
SHORT = {
    "bridge deleted", "gateway's address removed", "filter table flushed", "guard's addresses flushed", "dnsmasq dead",
    "namespace deleted", "tunnel deleted", "router's namespace deleted", "router's translations flushed",
    "floating address removed", "router's advertiser dead", "bridged packets unfiltered", "IPv6 on a guest's device",
}  # fmt: skip
ROWS = [pytest.param(each, marks=[] if each in SHORT else [pytest.mark.full]) for each in DAMAGE]


@pytest.mark.parametrize("damage", ROWS)
def test_one_look_puts_it_back(node: Node, damage: str) -> None:
    node.networking.heal()
    before = picture(node)
    DAMAGE[damage](node)
    assert picture(node) != before, "the damage does not show"
    node.networking.heal()
    after = picture(node)
    assert {key: value for key, value in after.items() if value != before[key]} == {}
    assert lab.pings(NODE, FLOATING)
    assert lab.pings(GUEST.name, "10.8.0.2")
