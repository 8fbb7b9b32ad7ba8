"""Local IPs for real: what asks one reaches the port of its own node, and hears from the address that it asked."""

from __future__ import annotations

import os
import socket

import pytest

from common.rpc.compute_v1 import LocalIp
from tests.functional import agent_netlab as lab
from tests.functional.test_agent_networking import OUT, A, B, C, Node, _close_sockets, ingress, node, port

__all__ = ["_close_sockets", "node"]

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.xdist_group("agent_networking"),
]

LOCAL, OTHER = "10.88.0.200", "10.88.0.201"
OPEN = [*OUT, ingress("icmp"), ingress("tcp", 22), ingress("udp", 53)]


def _local(address: str, fixed: str, *, translate: bool = True) -> dict[str, list[LocalIp]]:
    return {"local_ips": [LocalIp(ip_address=address, fixed_ip=fixed, translate=translate)]}


def _asked_by(listening: socket.socket, guest: lab.Guest, address: str, number: int) -> tuple[str, str]:
    """A connection from the guest: who the port sees, and who the guest thinks it speaks to, with bytes both ways."""
    made = lab.connect(guest.name, address, number)
    assert made is not None, f"{address} does not answer"
    taken, peer = listening.accept()
    taken.sendall(b"heard")
    made.sendall(b"asked")
    assert (made.recv(16), taken.recv(16)) == (b"heard", b"asked")
    seen = (str(peer[0]), str(made.getpeername()[0]))
    taken.close()
    made.close()
    return seen


def test_a_local_ip_leads_to_its_port_and_answers_by_its_own_address(node: Node) -> None:
    node.apply(port(A, OUT), port(B, OPEN, **_local(LOCAL, B.ipv4)), port(C, OUT))
    service, datagrams = B.listen(22), B.listen(53, kind=socket.SOCK_DGRAM)
    for guest in (A, C):
        assert _asked_by(service, guest, LOCAL, 22) == (guest.ipv4, LOCAL)
        assert _asked_by(service, guest, B.ipv4, 22) == (guest.ipv4, B.ipv4), "the fixed address as ever"
        assert lab.pings(guest.name, LOCAL)
    asking = A.listen(5353, kind=socket.SOCK_DGRAM)
    asking.settimeout(3)
    datagrams.settimeout(3)
    asking.sendto(b"asked", (LOCAL, 53))
    said, asker = datagrams.recvfrom(64)
    assert (said, asker) == (b"asked", (A.ipv4, 5353))
    datagrams.sendto(b"heard", asker)
    assert asking.recvfrom(64) == (b"heard", (LOCAL, 53))


def test_the_ports_rules_hold_for_what_comes_by_a_local_ip(node: Node) -> None:
    service = B.listen(22)
    node.apply(port(A, OUT), port(B, OUT, **_local(LOCAL, B.ipv4)), port(C, OUT))
    assert not lab.reaches(A.name, LOCAL, 22)
    only_a = ingress("tcp", 22, remote_cidr=f"{A.ipv4}/32")
    node.apply(port(A, OUT), port(B, [*OUT, only_a], **_local(LOCAL, B.ipv4)), port(C, OUT))
    assert _asked_by(service, A, LOCAL, 22)[0] == A.ipv4
    assert not lab.reaches(C.name, LOCAL, 22)


def test_two_local_ips_of_one_port_and_one_that_moves(node: Node) -> None:
    both = [LocalIp(ip_address=each, fixed_ip=B.ipv4) for each in (LOCAL, OTHER)]
    node.apply(port(A, OUT), port(B, OPEN, local_ips=both), port(C, OPEN))
    services = B.listen(22), C.listen(22)
    assert _asked_by(services[0], A, LOCAL, 22)[1] == LOCAL
    assert _asked_by(services[0], A, OTHER, 22)[1] == OTHER
    node.apply(port(A, OUT), port(B, OPEN), port(C, OPEN, **_local(LOCAL, C.ipv4)))
    assert _asked_by(services[1], A, LOCAL, 22) == (A.ipv4, LOCAL)
    assert not lab.pings(A.name, OTHER), "nothing is left of it"


def test_a_local_ip_that_is_passed_through_is_the_guests_own(node: Node) -> None:
    node.apply(port(A, OUT), port(B, OPEN, **_local(LOCAL, B.ipv4, translate=False)), port(C, OUT))
    lab.ip("-n", B.name, "addr", "add", f"{LOCAL}/32", "dev", "lo")
    try:
        service = B.listen(22, address=LOCAL)
        assert _asked_by(service, A, LOCAL, 22) == (A.ipv4, LOCAL)
    finally:
        lab.ip("-n", B.name, "addr", "del", f"{LOCAL}/32", "dev", "lo")
