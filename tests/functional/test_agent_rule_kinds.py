"""Every kind of security group rule, in both directions, against single packets made byte by byte.

A row: rules, whether the groups are stateful, packets that must arrive and packets that must not. Held once as ingress
rules of the receiver and once as egress rules of the sender; `PEER` stands for the other end's address.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from common.rpc.compute_v1 import FilterRule, GroupMembers
from compute_agent.networking import names
from tests.functional import agent_netlab as lab
from tests.functional.test_agent_networking import NETWORK, A, B, C, Node, ingress, port

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.xdist_group("agent_networking"),
]

PEER, PEER_RANGE, STRANGER, GROUP = "peer", "peer's range", "192.0.2.200/32", "address-group"
SYN, ACK = 2, 16
ALL = [ingress(), ingress(ethertype="IPv6")]


@dataclass(frozen=True)
class Packet:
    """protocol: a number; number: destination port or ICMP type; code: of ICMP, or TCP's flags."""

    protocol: int
    number: int = 0
    code: int = 0
    version: int = 4

    def frame(self, tag: bytes) -> bytes:
        source, target = (A.ipv4, B.ipv4) if self.version == 4 else (A.ipv6, B.ipv6)
        body = self._body(source, target, tag)
        if self.version == 6:
            return lab.frame(B.mac, A.mac, 0x86DD, lab.ipv6(source, target, self.protocol, body))
        return lab.frame(B.mac, A.mac, 0x0800, _ipv4(source, target, self.protocol, body))

    def _body(self, source: str, target: str, tag: bytes) -> bytes:
        if self.protocol in (1, 58):
            body = struct.pack("!BBHHH", self.number, self.code, 0, 7, 1) + tag
            return _summed(body, 2, self._pseudo(source, target, len(body)) if self.version == 6 else b"")
        if self.protocol == 6:
            body = struct.pack("!HHIIBBHHH", 40000, self.number, 1, 1, 5 << 4, self.code, 1024, 0, 0) + tag
            return _summed(body, 16, self._pseudo(source, target, len(body)))
        if self.protocol == 17:
            body = struct.pack("!HHHH", 40000, self.number, 8 + len(tag), 0) + tag
            return _summed(body, 6, self._pseudo(source, target, len(body)))
        return tag

    def _pseudo(self, source: str, target: str, length: int) -> bytes:
        family = socket.AF_INET if self.version == 4 else socket.AF_INET6
        ends = socket.inet_pton(family, source) + socket.inet_pton(family, target)
        return ends + (
            struct.pack("!BBH", 0, self.protocol, length)
            if self.version == 4
            else struct.pack("!II", length, self.protocol)
        )


def _ipv4(source: str, target: str, protocol: int, body: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0)
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    return head[:10] + struct.pack("!H", lab.checksum(head + ends)) + ends + body


def _summed(body: bytes, at: int, pseudo: bytes) -> bytes:
    return body[:at] + struct.pack("!H", lab.checksum(pseudo + body)) + body[at + 2 :]


def tcp(number: int, flags: int = SYN, version: int = 4) -> Packet:
    return Packet(6, number, flags, version)


def udp(number: int, version: int = 4) -> Packet:
    return Packet(17, number, version=version)


def icmp(kind: int, code: int = 0) -> Packet:
    return Packet(1, kind, code)


def icmpv6(kind: int, code: int = 0) -> Packet:
    return Packet(58, kind, code, 6)


@dataclass(frozen=True)
class Row:
    rules: list[FilterRule]
    arrive: list[Packet]
    stopped: list[Packet]
    stateful: bool = True
    members: tuple[str, ...] = ()


SIX = {"ethertype": "IPv6"}
ROWS = {
    "no rule": Row([], [], [icmp(8), tcp(22), udp(53), Packet(112), icmpv6(128), udp(53, 6)]),
    "ICMP": Row([ingress("icmp")], [icmp(8), icmp(13)], [icmpv6(128), tcp(22), udp(8)]),
    "ICMP type": Row([ingress("icmp", 8)], [icmp(8)], [icmp(13)]),
    "ICMP type and code": Row([ingress("icmp", 13, 0)], [icmp(13, 0)], [icmp(13, 1), icmp(8)]),
    "TCP range": Row([ingress("tcp", 22, 25)], [tcp(22), tcp(25)], [tcp(21), tcp(26), udp(22), tcp(22, version=6)]),
    "TCP by number": Row([ingress("6", 22, 22)], [tcp(22)], [tcp(23)]),
    "UDP": Row([ingress("udp")], [udp(1), udp(65535)], [tcp(22), icmp(8)]),
    "protocol number": Row([ingress("112")], [Packet(112)], [Packet(50), Packet(47), tcp(22)]),
    "two protocols": Row([ingress("47"), ingress("50")], [Packet(47), Packet(50)], [Packet(112)]),
    "any protocol": Row([ingress()], [Packet(112), tcp(22), udp(53), icmp(8)], [icmpv6(128), udp(53, 6)]),
    "any protocol of IPv6": Row([ingress(**SIX)], [icmpv6(128), udp(53, 6), Packet(112, version=6)], [tcp(22), icmp(8)]),
    "ICMPv6 as icmp": Row([ingress("icmp", **SIX)], [icmpv6(128)], [icmp(8), udp(53, 6)]),
    "ICMPv6 type": Row([ingress("icmpv6", 128, **SIX)], [icmpv6(128)], [icmpv6(1), icmpv6(129)]),
    "TCP of IPv6": Row([ingress("tcp", 22, **SIX)], [tcp(22, version=6)], [tcp(23, version=6), tcp(22)]),
    "remote CIDR": Row([ingress(remote_cidr=PEER)], [tcp(22), Packet(112)], [icmpv6(128)]),
    "remote range": Row([ingress("udp", remote_cidr=PEER_RANGE)], [udp(53)], [tcp(22)]),
    "another's CIDR": Row([ingress(remote_cidr=STRANGER)], [], [tcp(22), udp(53), Packet(112)]),
    "remote address group": Row([ingress("tcp", 80, remote_group=GROUP)], [tcp(80)], [tcp(81), udp(80)], members=(PEER_RANGE,)),
    "address group of others": Row([ingress("tcp", 80, remote_group=GROUP)], [], [tcp(80)], members=(STRANGER,)),
    "empty group": Row([ingress(remote_group=GROUP)], [], [tcp(80), icmp(8)]),
    "in the middle of a connection": Row([ingress("tcp", 22)], [tcp(22)], [tcp(23, ACK)]),
    "stateless: in the middle too": Row([ingress("tcp", 22)], [tcp(22, ACK), tcp(22)], [tcp(23, ACK)], stateful=False),
    "stateless: errors": Row([ingress("icmp", 3, 4)], [icmp(3, 4)], [icmp(3, 1), icmp(8)], stateful=False),
}  # fmt: skip


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    folder = Path(tempfile.mkdtemp(prefix="cml-net-"))
    folder.chmod(0o711)  # dnsmasq gives up root
    with lab.node_and_outside():
        made = Node(folder)
        try:
            made.apply(port(A, []), port(B, []))
            for guest in (A, B):
                guest.plug(names.bridge(NETWORK))
            yield made
        finally:
            made.networking.teardown()
            for guest in (A, B, C):
                guest.unplug()
    shutil.rmtree(folder)


def meant(rules: list[FilterRule], direction: str) -> list[FilterRule]:
    peer = A if direction == "ingress" else B
    spelt = {PEER: f"{peer.ipv4}/32", PEER_RANGE: "10.88.0.8/29"}
    return [
        msgspec.structs.replace(
            each, direction=direction, remote_cidr=spelt.get(each.remote_cidr or "", each.remote_cidr)
        )
        for each in rules
    ]


@pytest.mark.parametrize("direction", ["ingress", pytest.param("egress", marks=pytest.mark.full)])
@pytest.mark.parametrize("name", ROWS)
def test_a_rule_lets_through_what_it_names_and_nothing_else(node: Node, name: str, direction: str) -> None:
    row = ROWS[name]
    everything = [msgspec.structs.replace(each, direction="egress") for each in ALL]
    rules = meant(row.rules, direction)
    # The other end is open without port security: its rules have no part in it, nor has its state.
    if direction == "ingress":
        ends = port(A, everything, port_security=False), port(B, rules, stateful=row.stateful)
    else:
        ends = port(A, rules, stateful=row.stateful), port(B, ALL, port_security=False)
    members = ["10.88.0.8/29" if each == PEER_RANGE else each for each in row.members]
    node.apply(*ends, groups=[GroupMembers(id=GROUP, addresses=members)])
    listening, sending = B.raw(), A.raw()
    tags = {f"<{number:04}>".encode(): packet for number, packet in enumerate([*row.arrive, *row.stopped])}
    for tag, packet in tags.items():
        sending.send(packet.frame(tag))
    sending.send(lab.frame(B.mac, A.mac, 0x0806, lab.arp(A.mac, A.ipv4, B.ipv4) + lab.TEST_ETHERTYPE_MARKER))
    seen = lab.seen_until(listening, lambda each: lab.TEST_ETHERTYPE_MARKER in each)
    arrived = [packet for tag, packet in tags.items() if any(tag in each for each in seen)]
    for guest in (A, B):
        while guest.sockets:
            guest.sockets.pop().close()
    assert arrived == row.arrive
