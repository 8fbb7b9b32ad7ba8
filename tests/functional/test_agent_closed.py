"""What a guest can reach of its node and hear of its neighbours: an allow list, found by asking every port (NET-06, NET-10)."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from compute_agent.networking import names, namespaces
from tests.functional import agent_netlab as lab
from tests.functional.agent_netlab import NODE, NODE_ADDRESS
from tests.functional.test_agent_networking import DHCP, GATEWAY, NETWORK, OUT, A, B, C, Node, ingress, port
from tests.functional.test_agent_rule_kinds import Packet

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.xdist_group("agent_networking"),
]

SERVICE_MAC, GATEWAY_MAC = names.mac_of("namespace", NETWORK), names.bridge_mac(NETWORK, is_gateway=True)
BATCH = 512


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    folder = Path(tempfile.mkdtemp(prefix="cml-net-"))
    folder.chmod(0o711)  # dnsmasq gives up root
    with lab.node_and_outside():
        made = Node(folder)
        try:
            open_to_all = [*OUT, ingress(), ingress(ethertype="IPv6")]
            made.apply(port(A, open_to_all), port(B, open_to_all), port(C, open_to_all))
            for guest in (A, B, C):
                guest.plug(names.bridge(NETWORK))
            yield made
        finally:
            made.networking.teardown()
            for guest in (A, B, C):
                guest.unplug()
    shutil.rmtree(folder)


def answering(target: str, mac: str, protocol: int, ports: Sequence[int] = range(1, 65536)) -> set[int]:
    """The ports from which anything at all comes back to A: an answer, or a refusal."""
    version = 6 if ":" in target else 4
    source = A.ipv6 if version == 6 else A.ipv4
    sending, listening = A.raw(), _hearing(0x86DD if version == 6 else 0x0800)
    found: set[int] = set()
    for start in range(0, len(ports), BATCH):
        for number in ports[start : start + BATCH]:
            packet = Packet(protocol, number, 2, version)
            body = packet._body(source, target, b"")
            whole = lab.ipv6(source, target, protocol, body) if version == 6 else _ipv4(source, target, protocol, body)
            sending.send(lab.frame(mac, A.mac, 0x86DD if version == 6 else 0x0800, whole))
        found |= _heard(listening, target, protocol)
    found |= {number for frame in lab.heard(listening, 0.3) for number in _from(frame, target, protocol)}
    listening.close()
    return found


def _ipv4(source: str, target: str, protocol: int, body: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0)
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    return head[:10] + struct.pack("!H", lab.checksum(head + ends)) + ends + body


def _hearing(ethertype: int) -> socket.socket:
    def make() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
        made.setsockopt(socket.SOL_SOCKET, 33, 4_000_000)  # SO_RCVBUFFORCE
        made.bind(("eth0", ethertype))
        return made

    return namespaces.call_in(A.name, make)


def _heard(listening: socket.socket, target: str, protocol: int) -> set[int]:
    listening.setblocking(False)
    found: set[int] = set()
    while True:
        try:
            found |= _from(listening.recv(2000), target, protocol)
        except BlockingIOError:
            return found


def _from(frame: bytes, target: str, protocol: int) -> set[int]:
    """The port that this frame is an answer of; ICMP errors quote what they are about."""
    if frame[12:14] == b"\x08\x00":
        kind, source, payload = frame[23], socket.inet_ntop(socket.AF_INET, frame[26:30]), frame[34:]
        quoted = payload[8 + 20 :]
    else:
        kind, source, payload = frame[20], socket.inet_ntop(socket.AF_INET6, frame[22:38]), frame[54:]
        quoted = payload[8 + 40 :]
    if source != target:
        return set()
    if kind == protocol:
        return {int.from_bytes(payload[:2], "big")}
    is_error = (kind, payload[0]) in ((1, 3), (58, 1))
    return {int.from_bytes(quoted[2:4], "big")} if is_error else set()


@pytest.mark.parametrize("protocol", [6, 17])
def test_of_its_own_node_a_guest_reaches_dns_and_metadata_alone(node: Node, protocol: int) -> None:
    with lab.listen(NODE, "0.0.0.0", 5672), lab.listen(NODE, "0.0.0.0", 5432):
        ports = [*range(1, 1100), 3306, 4369, 4789, 5432, 5672, *range(8780, 8784), 16509, 16514]
        assert answering(GATEWAY, GATEWAY_MAC, protocol, ports) == set()
        assert answering(NODE_ADDRESS, GATEWAY_MAC, protocol, ports) == set()
        assert answering(DHCP, SERVICE_MAC, protocol, ports) <= {53, 67, 547}
        assert answering("fd88::2", SERVICE_MAC, protocol, ports) <= {53, 67, 547}
    # The namespace itself refuses DHCP's port of the other IP version, and its DNS answers at the metadata address too.
    assert 53 in answering(DHCP, SERVICE_MAC, 6, range(53, 54))
    assert answering("169.254.169.254", SERVICE_MAC, 6, range(79, 82)) == {80}


@pytest.mark.full
@pytest.mark.parametrize("protocol", [6, 17])
def test_of_its_own_node_a_guest_reaches_nothing_else_on_any_port(node: Node, protocol: int) -> None:
    assert answering(GATEWAY, GATEWAY_MAC, protocol) == set()
    assert answering(NODE_ADDRESS, GATEWAY_MAC, protocol) == set()
    assert answering(DHCP, SERVICE_MAC, protocol) <= {53, 67, 547}
    assert answering("fd88::2", SERVICE_MAC, protocol) <= {53, 67, 547}
    assert answering("169.254.169.254", SERVICE_MAC, protocol) <= {53, 67, 80, 547}


def test_a_third_guest_hears_nothing_of_what_two_say_to_each_other(node: Node) -> None:
    assert lab.pings(A.name, B.ipv4)
    listening, receiving, sending = C.raw(), B.raw(), A.raw()
    tag = b"for B alone"
    for packet in (Packet(17, 9), Packet(112), Packet(17, 9, version=6)):
        sending.send(packet.frame(tag))
    everyone = lab.frame(lab.BROADCAST, A.mac, 0x0806, lab.arp(A.mac, A.ipv4, C.ipv4) + lab.TEST_ETHERTYPE_MARKER)
    sending.send(everyone)
    seen = lab.seen_until(listening, lambda each: lab.TEST_ETHERTYPE_MARKER in each)
    assert not [each for each in seen if tag in each]
    assert [each for each in lab.seen_until(receiving, lambda each: lab.TEST_ETHERTYPE_MARKER in each) if tag in each]
