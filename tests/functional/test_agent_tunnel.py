"""A network over three nodes: two with guests, one that is only its gateway.

Guests meet through the tunnel and reach the outside by the gateway; DHCP, DNS and metadata stay on each guest's own
node; rules and anti-spoofing hold for what comes out of the tunnel; strangers can't send into it.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common.ids import new_id
from common.rpc.compute_v1 import (
    FilterRule,
    FixedAddress,
    GroupMembers,
    LocalIp,
    Neighbour,
    NetworkSpec,
    NetworkState,
    PortSpec,
    SubnetSpec,
)
from compute_agent.networking import names, namespaces
from tests.functional import agent_netlab as lab
from tests.functional.agent_netlab import TAG, Guest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.xdist_group("agent_networking"),
]

NETWORK = new_id()
NODE1, NODE2, GATEWAY_NODE = f"{TAG}-node1", f"{TAG}-node2", f"{TAG}-gw"
FABRIC, STRANGER, OUTSIDE = f"{TAG}-fab", f"{TAG}-x", f"{TAG}-far"
NODES = {NODE1: "192.0.2.11", NODE2: "192.0.2.12", GATEWAY_NODE: "192.0.2.254"}
STRANGER_ADDRESS, UPLINK_ADDRESS, OUTSIDE_ADDRESS = "192.0.2.66", "203.0.113.1", "203.0.113.2"
ONE = Guest(f"{TAG}-e", "eeeeeeee-0000-4000-8000-000000000001", "fa:16:3e:00:01:0e", ("10.66.0.10/24",))
TWO = Guest(f"{TAG}-f", "ffffffff-0000-4000-8000-000000000001", "fa:16:3e:00:01:0f", ("10.66.0.11/24",))
GUESTS = {NODE1: ONE, NODE2: TWO}
DHCP, GATEWAY = "10.66.0.2", "10.66.0.1"
DHCP_MAC = "fa:16:3e:00:01:02"
SILENT_MAC = "fa:16:3e:00:01:77"  # of a guest that says nothing
GATEWAY_MAC = names.bridge_mac(NETWORK, is_gateway=True)
VXLAN_77 = bytes.fromhex("0800000000004d00")
VERSIONS = iter(range(1, 1000))

OUT = FilterRule(direction="egress", ethertype="IPv4")
PING = FilterRule(direction="ingress", ethertype="IPv4", protocol="icmp")


def tcp(port: int, *, group: str | None = None) -> FilterRule:
    return FilterRule(
        direction="ingress", ethertype="IPv4", protocol="tcp", port_min=port, port_max=port, remote_group=group
    )


def state(
    node: str, *rules: FilterRule, peers: list[str] | None = None, groups: list[GroupMembers] | None = None,
    neighbours: list[Neighbour] | None = None, transparent: bool = False, **port: Any,
) -> NetworkState:  # fmt: skip
    """What one node is told: its own port only, with these rules for what comes in."""
    subnet = SubnetSpec(id="s", cidr="10.66.0.0/24", ip_version=4, gateway_ip=GATEWAY, dhcp_ip=DHCP)
    others = [address for name, address in NODES.items() if name != node]
    network = NetworkSpec(
        id=NETWORK, vni=77, mtu=1400, subnets=[subnet], nat=node == GATEWAY_NODE, dhcp_mac=DHCP_MAC,
        peers=others if peers is None else peers, gateway_elsewhere=node != GATEWAY_NODE,
        vlan_transparent=transparent,
    )  # fmt: skip
    ports = []
    if node in GUESTS:
        guest = GUESTS[node]
        spec = PortSpec(
            id=guest.port_id, network_id=NETWORK, mac_address=guest.mac, instance_id=guest.name, rules=[OUT, *rules],
            addresses=[FixedAddress(subnet_id="s", ip_address=guest.ipv4)], hostname=guest.name, **port,
        )  # fmt: skip
        ports.append(spec)
    return NetworkState(
        version=next(VERSIONS), networks=[network], ports=ports, groups=groups or [], neighbours=neighbours or []
    )


class NodeProcess:
    def __init__(self, name: str, address: str, folder: Path) -> None:
        module = "tests.functional.agent_tunnel_node"
        self.name = name
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{name}", "unshare", "--mount", "--propagation", "private",
             sys.executable, "-m", module, str(folder), address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def apply(self, wanted: NetworkState) -> None:
        assert self._asked(msgspec.json.encode(wanted)) == b"applied\n"

    def heal(self) -> None:
        assert self._asked(b"heal") == b"healed\n"

    def _asked(self, line: bytes) -> bytes:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def set(self, *rules: FilterRule, **more: object) -> None:
        self.apply(state(self.name, *rules, **more))  # type: ignore[arg-type]

    def namespaces(self) -> set[str]:
        """Of this node's own mount namespace."""
        return set(os.listdir(f"/proc/{self.process.pid}/root/run/netns"))

    def end(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def cloud() -> Iterator[dict[str, NodeProcess]]:
    folder = Path(tempfile.mkdtemp(prefix="cml-net-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.callback(lab.remove, *NODES, FABRIC, STRANGER, OUTSIDE)
        _underlay()
        made: dict[str, NodeProcess] = {}
        for name, address in NODES.items():
            (folder / name).mkdir(mode=0o711)
            made[name] = NodeProcess(name, address, folder / name)
            stack.callback(made[name].end)
            made[name].set(PING)
        for name, guest in GUESTS.items():
            guest.plug(names.bridge(NETWORK), node=name)
            guest.route(GATEWAY)
            stack.callback(guest.unplug)
        yield made


@pytest.fixture
def nodes(cloud: dict[str, NodeProcess]) -> Iterator[dict[str, NodeProcess]]:
    yield cloud
    for node in cloud.values():
        node.set(PING)
    for guest in GUESTS.values():
        for each in guest.sockets:
            each.close()
        guest.sockets.clear()


def _underlay() -> None:
    """A bridge that joins the nodes and a stranger; behind the gateway's node, the outside."""
    lab.remove(*NODES, FABRIC, STRANGER, OUTSIDE)
    lab.ip("netns", "add", FABRIC)
    lab.ip("-n", FABRIC, "link", "add", "fabric", "type", "bridge")
    lab.ip("-n", FABRIC, "link", "set", "fabric", "up")
    for number, (name, address) in enumerate({**NODES, STRANGER: STRANGER_ADDRESS}.items()):
        lab.ip("netns", "add", name)
        lab.ip("-n", name, "link", "set", "lo", "up")
        # a device of the machine's own may begin as ours do
        lab.ip("-n", name, "link", "add", "cmlunder", "type", "veth", "peer", "name", f"n{number}", "netns", FABRIC)
        lab.ip("-n", FABRIC, "link", "set", f"n{number}", "master", "fabric", "up")
        lab.ip("-n", name, "addr", "add", f"{address}/24", "dev", "cmlunder")
        lab.ip("-n", name, "link", "set", "cmlunder", "up")
    lab.ip("netns", "add", OUTSIDE)
    lab.ip("-n", GATEWAY_NODE, "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", OUTSIDE)
    for name, device, address in (
        (GATEWAY_NODE, "uplink", UPLINK_ADDRESS), (OUTSIDE, "eth0", OUTSIDE_ADDRESS),
    ):  # fmt: skip
        lab.ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
        lab.ip("-n", name, "link", "set", device, "up")


def metadata_of(guest: Guest) -> str:
    lab.ip("-n", guest.name, "route", "replace", "169.254.169.254", "via", DHCP)
    made = lab.connect(guest.name, "169.254.169.254", 80, timeout_s=5)
    assert made is not None
    connection = http.client.HTTPConnection("169.254.169.254")
    connection.sock = made
    connection.request("GET", "/")
    answer = connection.getresponse().read().decode()
    made.close()
    return answer


def tunnel_capture(node: str) -> socket.socket:
    """Sees what goes out of and comes into a node's tunnel, before any filter."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        made.bind((names.tunnel(NETWORK), 0))
        return made

    return namespaces.call_in(node, make)


def drain(capture: socket.socket) -> list[bytes]:
    """Everything captured so far."""
    capture.setblocking(False)
    frames = []
    while True:
        try:
            frames.append(capture.recv(4096))
        except BlockingIOError:
            return frames


# ---------------------------------------------------------------------------------------------------------------------
# Guests of two nodes


def test_guests_meet_and_each_is_served_by_its_own_node(nodes: dict[str, NodeProcess]) -> None:
    assert lab.pings(ONE.name, TWO.ipv4)
    assert lab.pings(TWO.name, ONE.ipv4)
    for name, guest in GUESTS.items():
        assert metadata_of(guest) == NODES[name]


def test_dhcp_is_answered_by_the_own_node_and_never_crosses(nodes: dict[str, NodeProcess], tmp_path: Path) -> None:
    script = tmp_path / "lease"
    script.write_text('#!/bin/sh\n[ "$1" = bound ] && echo "$ip $router $dns $mtu $serverid"\nexit 0\n')
    script.chmod(0o755)
    lab.until(lambda: lab.pings(ONE.name, TWO.ipv4))
    for name, guest in GUESTS.items():
        capture = tunnel_capture(name)
        done = subprocess.run(
            ["ip", "netns", "exec", guest.name, "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5",
             "-T", "1", "-s", str(script)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.split() == [guest.ipv4, GATEWAY, DHCP, "1400", DHCP]
        lab.pings(guest.name, DHCP)
        assert lab.pings(ONE.name, TWO.ipv4)  # so that whatever went before has arrived
        frames = drain(capture)
        capture.close()
        assert frames
        assert not any(frame[23:24] == b"\x11" and frame[36:38] in (b"\0C", b"\0D") for frame in frames)
        assert not any(lab.mac_bytes(DHCP_MAC) in frame for frame in frames)
        assert not any(frame[12:14] == b"\x08\x06" and socket.inet_aton(DHCP) in frame for frame in frames)


def test_each_namespace_is_where_its_guests_are(nodes: dict[str, NodeProcess]) -> None:
    served = {name for name, node in nodes.items() if names.namespace(NETWORK) in node.namespaces()}
    assert served == set(GUESTS)


def test_frames_go_to_the_node_that_is_told_and_to_no_other(nodes: dict[str, NodeProcess]) -> None:
    """Of a guest that has not been heard of yet every node with the network would get them."""
    told = [Neighbour(network_id=NETWORK, hostname="", addresses=[], mac_address=SILENT_MAC, behind=NODES[NODE2])]
    sender = ONE.raw()
    for neighbours, heard_by in (([], {NODE2, GATEWAY_NODE}), (told, {NODE2}), ([], {NODE2, GATEWAY_NODE})):
        nodes[NODE1].set(PING, neighbours=neighbours)
        captures = {name: tunnel_capture(name) for name in (NODE2, GATEWAY_NODE)}
        for target in (SILENT_MAC, lab.BROADCAST):  # the second, which all get, tells when the first has come
            sender.send(lab.frame(target, ONE.mac, 0x0806, lab.arp(ONE.mac, ONE.ipv4, "10.66.0.77")))
        seen = {
            name: lab.seen_until(capture, lambda frame: frame[:6] == b"\xff" * 6) for name, capture in captures.items()
        }
        to_silent = lab.mac_bytes(SILENT_MAC)
        assert {name for name, frames in seen.items() if any(each[:6] == to_silent for each in frames)} == heard_by
        for capture in captures.values():
            capture.close()


def test_rules_hold_on_the_receiving_node(nodes: dict[str, NodeProcess]) -> None:
    nodes[NODE2].set()
    assert not lab.pings(ONE.name, TWO.ipv4)
    assert lab.pings(TWO.name, ONE.ipv4)  # and the answer comes back
    TWO.listen(80)
    assert not lab.reaches(ONE.name, TWO.ipv4, 80)
    nodes[NODE2].set(tcp(80))
    assert lab.reaches(ONE.name, TWO.ipv4, 80)


def test_remote_groups_hold_by_address_across_nodes(nodes: dict[str, NodeProcess]) -> None:
    TWO.listen(81)
    members = GroupMembers(id="group-1", addresses=["10.66.0.99"])
    nodes[NODE2].set(tcp(81, group="group-1"), groups=[members])
    assert not lab.reaches(ONE.name, TWO.ipv4, 81)
    members = GroupMembers(id="group-1", addresses=["10.66.0.99", ONE.ipv4])
    nodes[NODE2].set(tcp(81, group="group-1"), groups=[members])
    assert lab.reaches(ONE.name, TWO.ipv4, 81)


def test_a_connection_ends_when_the_rule_goes_that_let_it_through(nodes: dict[str, NodeProcess]) -> None:
    nodes[NODE2].set(tcp(82))
    listening = TWO.listen(82)
    sending = lab.connect(ONE.name, TWO.ipv4, 82)
    assert sending is not None
    receiving, _ = listening.accept()
    receiving.settimeout(0.7)
    sending.sendall(b"before")
    assert receiving.recv(16) == b"before"
    nodes[NODE2].set()
    sending.sendall(b"after")
    with pytest.raises(TimeoutError):
        receiving.recv(16)
    sending.close()
    receiving.close()


# ---------------------------------------------------------------------------------------------------------------------
# The gateway


def test_guests_on_any_node_reach_the_outside_by_the_gateway(nodes: dict[str, NodeProcess]) -> None:
    listening = lab.listen(OUTSIDE, OUTSIDE_ADDRESS, 9000)
    for guest in GUESTS.values():
        assert lab.pings(guest.name, GATEWAY)
        made = lab.connect(guest.name, OUTSIDE_ADDRESS, 9000, timeout_s=3)
        assert made is not None
        accepted, (seen, _) = listening.accept()
        assert seen == UPLINK_ADDRESS
        made.close()
        accepted.close()
    listening.close()


def test_the_gateways_node_and_the_outside_reach_guests_as_their_rules_say(nodes: dict[str, NodeProcess]) -> None:
    TWO.listen(22)
    assert not lab.reaches(GATEWAY_NODE, TWO.ipv4, 22)
    nodes[NODE2].set(tcp(22))
    assert lab.reaches(GATEWAY_NODE, TWO.ipv4, 22)
    assert lab.pings(GATEWAY_NODE, ONE.ipv4)


def test_guests_reach_nothing_of_any_node(nodes: dict[str, NodeProcess]) -> None:
    for name, address in {**NODES, GATEWAY_NODE: GATEWAY}.items():
        listening = lab.listen(name, address, 9001)
        for guest in GUESTS.values():
            assert not lab.reaches(guest.name, address, 9001)
        listening.close()


def test_a_network_in_use_by_guests_elsewhere_is_healed_on_its_gateway(nodes: dict[str, NodeProcess]) -> None:
    nodes[GATEWAY_NODE].set(peers=[NODES[NODE2]])
    assert not lab.pings(ONE.name, GATEWAY)
    assert lab.pings(TWO.name, GATEWAY)
    nodes[GATEWAY_NODE].set()
    assert lab.pings(ONE.name, GATEWAY)


# ---------------------------------------------------------------------------------------------------------------------
# Fakes


FOREIGN = "02:00:00:00:00:66"
FAKED = {
    "dhcp server's mac": lab.frame(lab.BROADCAST, DHCP_MAC, 0x0806, lab.arp(DHCP_MAC, "10.66.0.77", TWO.ipv4)),
    "dhcp server's address": lab.frame(lab.BROADCAST, FOREIGN, 0x0806, lab.arp(FOREIGN, DHCP, TWO.ipv4, operation=2)),
    "metadata": lab.frame(lab.BROADCAST, FOREIGN, 0x0806, lab.arp(FOREIGN, "169.254.169.254", TWO.ipv4, operation=2)),
    "dhcp offer": lab.frame(
        lab.BROADCAST, FOREIGN, 0x0800, lab.ipv4_udp(DHCP, "255.255.255.255", 67, 68, bytes(250))
    ),
    "dhcp request": lab.frame(
        lab.BROADCAST, FOREIGN, 0x0800, lab.ipv4_udp("0.0.0.0", "255.255.255.255", 68, 67, bytes(250))
    ),
    "router": lab.frame("33:33:00:00:00:01", FOREIGN, 0x86DD, lab.icmpv6("fe80::66", "ff02::1", 134, bytes(12))),
    "vlan": lab.frame(
        lab.BROADCAST, FOREIGN, 0x8100, b"\0\1\x08\x06" + lab.arp(FOREIGN, "10.66.0.77", TWO.ipv4)
    ),
}  # fmt: skip
MARKER = lab.frame(lab.BROADCAST, FOREIGN, 0x0806, lab.arp(FOREIGN, "10.66.0.78", TWO.ipv4))


def send_tunnelled(namespace: str, node: str, *frames: bytes) -> None:
    """What a node that has been taken over, or anybody on the underlay, can send to another."""

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            for each in frames:
                made.sendto(VXLAN_77 + each, (NODES[node], 4789))

    namespaces.call_in(namespace, send)


@pytest.mark.parametrize("taken_over", [False, True], ids=["port without security", "node taken over"])
def test_nobody_is_dhcp_or_metadata_of_another_node(nodes: dict[str, NodeProcess], taken_over: bool) -> None:
    nodes[NODE1].set(PING, port_security=False)
    listening = TWO.raw()
    if taken_over:
        send_tunnelled(NODE1, NODE2, *FAKED.values(), MARKER)
    else:
        sending = ONE.raw()
        for each in (*FAKED.values(), MARKER):
            sending.send(each)
    frames = lab.seen_until(listening, lambda frame: frame[: len(MARKER)] == MARKER)
    assert {name for name, each in FAKED.items() if any(frame[: len(each)] == each for frame in frames)} == set()
    assert metadata_of(TWO) == NODES[NODE2]


def test_nobody_is_the_gateway_but_its_node(nodes: dict[str, NodeProcess]) -> None:
    """Neither a port without security towards guests elsewhere, nor a node that was taken over towards the gateway."""
    nodes[NODE1].set(PING, port_security=False)
    assert lab.pings(TWO.name, GATEWAY)
    claims = (
        lab.frame(lab.BROADCAST, ONE.mac, 0x0806, lab.arp(ONE.mac, GATEWAY, TWO.ipv4, operation=2)),
        lab.frame(lab.BROADCAST, GATEWAY_MAC, 0x0806, lab.arp(GATEWAY_MAC, "10.66.0.77", TWO.ipv4)),
        lab.frame(lab.BROADCAST, ONE.mac, 0x0800, lab.ipv4_udp(GATEWAY, TWO.ipv4, 9, 9, b"x")),
    )
    listening, sending = TWO.raw(), ONE.raw()
    for each in (*claims, MARKER):
        sending.send(each)
    frames = lab.seen_until(listening, lambda frame: frame[: len(MARKER)] == MARKER)
    assert not any(frame[: len(each)] == each for each in claims for frame in frames)
    send_tunnelled(NODE1, GATEWAY_NODE, *claims)
    assert lab.pings(TWO.name, GATEWAY)


def test_guest_cannot_send_into_the_tunnel_from_outside_it(nodes: dict[str, NodeProcess]) -> None:
    """A guest's own packet to the tunnel port of another node would be taken for a frame of any network (NET-07)."""
    listening = TWO.raw()
    stranger = "02:00:00:00:00:66"
    forged = lab.frame(lab.BROADCAST, stranger, 0x0806, lab.arp(stranger, GATEWAY, GATEWAY, operation=2))
    for target_mac in (GATEWAY_MAC, lab.BROADCAST):
        packet = lab.ipv4_udp(ONE.ipv4, NODES[NODE2], 5555, 4789, VXLAN_77 + forged)
        ONE.raw().send(lab.frame(target_mac, ONE.mac, 0x0800, packet))
    assert lab.pings(ONE.name, TWO.ipv4)
    assert not any(lab.mac_bytes(stranger) in frame for frame in lab.heard(listening, 0.3))


def test_only_peers_may_send_frames(nodes: dict[str, NodeProcess]) -> None:
    """Who is on the underlay but not a node of the network can't put frames into it (NET-07)."""
    listening = TWO.raw()
    forged = lab.frame(lab.BROADCAST, "02:00:00:00:00:67", 0x0806, lab.arp("02:00:00:00:00:67", "10.66.0.77", TWO.ipv4))

    send_tunnelled(STRANGER, NODE2, forged)
    assert lab.pings(ONE.name, TWO.ipv4)
    assert not any(forged in frame for frame in lab.heard(listening, 0.3))
    send_tunnelled(NODE1, NODE2, forged)  # the same from a peer does arrive
    lab.seen_until(listening, lambda frame: frame[: len(forged)] == forged)


def test_a_peer_that_is_dropped_is_heard_no_more(nodes: dict[str, NodeProcess]) -> None:
    assert lab.pings(ONE.name, TWO.ipv4)
    nodes[NODE2].set(PING, peers=[NODES[GATEWAY_NODE]])
    assert not lab.pings(ONE.name, TWO.ipv4)
    assert lab.pings(TWO.name, GATEWAY)


def test_a_local_ip_is_its_own_nodes_alone(nodes: dict[str, NodeProcess]) -> None:
    """The other node's guest has a port of its own behind the same address, or nothing."""
    local = LocalIp(ip_address="10.66.0.200", fixed_ip=TWO.ipv4)
    nodes[NODE2].set(PING, local_ips=[local])
    assert not lab.pings(ONE.name, "10.66.0.200"), "it was reached through the tunnel"
    assert lab.pings(ONE.name, TWO.ipv4), "the port itself is reached as ever"


@pytest.mark.parametrize("transparent", [True, False])
def test_tagged_frames_pass_between_nodes_where_the_network_is_transparent(
    nodes: dict[str, NodeProcess], transparent: bool
) -> None:
    """From a port without port security to another; what has port security sends none, whatever the network is."""
    listening, speaking = TWO.raw(), ONE.raw()
    inner = lab.ipv4_udp("192.168.9.1", "192.168.9.2", 999, 999, b"in a VLAN of the guests'")
    tagged = lab.frame(TWO.mac, ONE.mac, 0x8100, struct.pack("!HH", 5, 0x0800) + inner)
    plain = lab.frame(TWO.mac, ONE.mac, 0x0800, lab.ipv4_udp(ONE.ipv4, TWO.ipv4, 999, 999, lab.TEST_ETHERTYPE_MARKER))
    for secured in (False, True):
        for name in GUESTS:
            told = [PING, FilterRule(direction="ingress", ethertype="IPv4", protocol="udp")]
            nodes[name].set(*told, transparent=transparent, port_security=secured and name == NODE1)
        speaking.send(tagged)
        speaking.send(plain)
        seen = lab.seen_until(listening, lambda frame: lab.TEST_ETHERTYPE_MARKER in frame)
        assert any(each.endswith(inner) for each in seen) == (transparent and not secured)
