"""What a router does beside routing, seen by real packets: ranges of ports, limits, data connections of protocols."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import msgspec

from common.rpc.routers_v1 import Bandwidth, ConntrackHelper, ForwardedPort, LimitedAddress
from compute_agent.networking import namespaces
from tests.functional import agent_netlab as lab
from tests.functional.agent_netlab import OUTSIDE, OUTSIDE_ADDRESS
from tests.functional.test_agent_routers import FLOATING, ONE, SPARE, TWO, A, B, Node, built, node, peer_of, reaches
from tests.functional.test_agent_routers import pytestmark as pytestmark  # noqa: PLC0414 - as there

__all__ = ["built", "node"]
_RCVBUFFORCE = 33  # the socket module has no name for it
PACKETS, SIZE = 150, 1200
SLOW = Bandwidth(kbit_per_s=200)  # of 180 KB at once it lets the least burst through, 70 KB


def test_a_range_of_ports_is_forwarded(node: Node) -> None:
    shifted = ForwardedPort(
        address=SPARE,
        protocol="tcp",
        port=2000,
        last_port=2002,
        fixed_address=B.ipv4,
        fixed_port=7003,
        fixed_last_port=7005,
    )
    same = ForwardedPort(
        address=SPARE,
        protocol="tcp",
        port=7006,
        last_port=7007,
        fixed_address=B.ipv4,
        fixed_port=7006,
        fixed_last_port=7007,
    )
    to_one = ForwardedPort(
        address=SPARE, protocol="tcp", port=3000, last_port=3001, fixed_address=A.ipv4, fixed_port=7008
    )
    node.apply(msgspec.structs.replace(ONE, forwarded=[shifted, same, to_one]), TWO)
    for outside, inside in ((2000, 7003), (2002, 7005), (7007, 7007)):
        assert peer_of(B.listen(inside), OUTSIDE, SPARE, outside) == OUTSIDE_ADDRESS
    listening = A.listen(7008)
    assert [peer_of(listening, OUTSIDE, SPARE, outside) for outside in (3000, 3001)] == [OUTSIDE_ADDRESS] * 2
    assert not reaches(OUTSIDE, SPARE, 2003)
    assert not reaches(OUTSIDE, SPARE, 3002)


@contextmanager
def _udp(namespace: str, address: str, port: int) -> Iterator[socket.socket]:
    with closing(lab.listen(namespace, address, port, socket.SOCK_DGRAM)) as made:
        made.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 2**21)
        made.settimeout(0.5)
        yield made


def _arrived(sending: socket.socket, to: tuple[str, int], receiving: socket.socket) -> int:
    for _ in range(PACKETS):
        sending.sendto(b"x" * SIZE, to)
    count = 0
    try:
        while receiving.recv(2048):
            count += 1
    except TimeoutError:
        return count
    return count


def test_an_address_outside_is_limited_both_ways(node: Node) -> None:
    def pass_both_ways(*limited: LimitedAddress) -> tuple[int, int]:
        node.apply(msgspec.structs.replace(ONE, limited=list(limited)), TWO)
        with _udp(A.name, A.ipv4, 7009) as inside, _udp(OUTSIDE, OUTSIDE_ADDRESS, 7100) as outside:
            out = _arrived(inside, (OUTSIDE_ADDRESS, 7100), outside)
            inside.sendto(b"known", (OUTSIDE_ADDRESS, 7100))
            _, seen_as = outside.recvfrom(16)
            return out, _arrived(outside, seen_as, inside)

    assert pass_both_ways() == (PACKETS, PACKETS)
    out, back = pass_both_ways(LimitedAddress(address=FLOATING, egress=SLOW))
    assert 0 < out < PACKETS
    assert back == PACKETS
    out, back = pass_both_ways(LimitedAddress(address=FLOATING, ingress=SLOW))
    assert out == PACKETS
    assert 0 < back < PACKETS


def _ftp(data_port: int) -> str:
    """What a client outside reads of a server behind a forwarded port that opens a passive data connection."""
    listening = A.listen(7001)
    made = lab.connect(OUTSIDE, SPARE, 2121, timeout_s=3)
    assert made is not None
    accepted, _ = listening.accept()
    with made, accepted:
        made.settimeout(3)
        accepted.sendall(b"220 ready\r\n")
        assert made.recv(200) == b"220 ready\r\n"
        octets = ",".join(A.ipv4.split("."))
        accepted.sendall(f"227 Entering Passive Mode ({octets},{data_port // 256},{data_port % 256}).\r\n".encode())
        listening.close()
        return made.recv(200).decode()


def test_a_helper_makes_way_for_the_data_connection_of_ftp(node: Node) -> None:
    forward = ForwardedPort(address=SPARE, protocol="tcp", port=2121, fixed_address=A.ipv4, fixed_port=7001)
    node.apply(msgspec.structs.replace(ONE, forwarded=[forward]), TWO)
    assert "(10,1,0,10," in _ftp(7004), "without a helper the router does not look into what is said"
    assert not reaches(OUTSIDE, SPARE, 7004)
    helper = ConntrackHelper(helper="ftp", protocol="tcp", port=2121)
    node.apply(msgspec.structs.replace(ONE, forwarded=[forward], helpers=[helper]), TWO)
    data = A.listen(7004)
    assert "(172,24,4,21," in _ftp(7004)
    assert peer_of(data, OUTSIDE, SPARE, 7004) == OUTSIDE_ADDRESS
    assert not reaches(OUTSIDE, SPARE, 7005)


def test_a_helper_that_the_kernel_has_not_leaves_the_router_as_it_is(node: Node) -> None:
    unknown = ConntrackHelper(helper="nothing", protocol="tcp", port=2121)
    node.apply(msgspec.structs.replace(ONE, helpers=[unknown]), TWO)
    assert peer_of(A.listen(7000), OUTSIDE, FLOATING, 7000) == OUTSIDE_ADDRESS
    assert namespaces.exists(f"cmlrt-{ONE.id[:8]}")
