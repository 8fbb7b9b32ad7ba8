"""How a client gets its IPv6 address, resolver and MTU, in each of Neutron's modes: a namespace at a tap asks for real."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.config import NetworkConfig
from common.ids import new_id
from common.rpc.compute_v1 import FilterRule, FixedAddress, NetworkSpec, NetworkState, PortSpec, SubnetSpec
from compute_agent.metadata.server import MetadataServer
from compute_agent.networking import names, namespaces, sysctl
from compute_agent.networking.base import MetadataPeer
from compute_agent.networking.linux import LinuxNetworking
from compute_agent.networking.plan import link_local
from tests.functional import agent_netlab as lab
from tests.functional.agent_netlab import TAG, Guest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.xdist_group("agent_networking"),
]

NETWORK, RESOLVER, MTU = new_id(), "fd07::53", 1380
MAC = "fa:16:3e:00:07:0a"
#: what the MAC leads to below the prefix, as the control plane gives it where guests make addresses themselves
OWN = f"fd07::{str(link_local(MAC)).removeprefix('fe80::')}"
GIVEN = "fd07::4a"
SOLICIT, ADVERTISE, REQUEST, REPLY, INFORMATION = 1, 2, 3, 7, 11
CLIENT_ID, SERVER_ID, IA_NA, IA_ADDRESS, WANTED, RESOLVERS = 1, 2, 3, 5, 6, 23


@contextmanager
def _client(mode: str, address: str) -> Iterator[Guest]:
    """A guest that has no address but its link-local one, in a network of this mode whose port has `address`."""
    folder, clock = Path(tempfile.mkdtemp(prefix="cml-net-")), SystemClock()
    folder.chmod(0o711)  # dnsmasq gives up root
    subnet = SubnetSpec(
        id=NETWORK, cidr="fd07::/64", ip_version=6, dhcp_ip="fd07::2", ipv6_ra_mode=mode, ipv6_address_mode=mode,
        dns_nameservers=[RESOLVER],
    )  # fmt: skip
    guest = Guest(f"{TAG}-c6", "7a7a7a7a-0000-4000-8000-000000000001", MAC, ())
    port = PortSpec(
        id=guest.port_id, network_id=NETWORK, mac_address=MAC, instance_id="i",
        rules=[FilterRule(direction="egress", ethertype="IPv6")],
        addresses=[FixedAddress(subnet_id=NETWORK, ip_address=address)],
    )  # fmt: skip

    def port_id_of(peer: MetadataPeer) -> bytes:
        asking = made.port_at(peer.network_id, peer.address)
        return b"nobody" if asking is None else asking.id.encode()

    with lab.node_and_outside():
        made = LinuxNetworking(
            state_dir=folder / "state", run_dir=folder / "run", config=NetworkConfig(), clock=clock,
            metadata=lambda network_id, listening: MetadataServer(
                network_id, listening, lambda peer, method, path, body: (200, "text/plain", port_id_of(peer)), clock
            ),
        )  # fmt: skip
        try:
            network = NetworkSpec(id=NETWORK, vni=7, mtu=MTU, subnets=[subnet])
            made.apply(NetworkState(version=1, networks=[network], ports=[port]))
            guest.plug(names.bridge(NETWORK))
            namespaces.call_in(guest.name, lambda: sysctl.ensure("ipv6/conf/eth0/accept_ra", 1))
            lab.ip("-n", guest.name, "link", "set", "eth0", "down")  # up once more: it asks for routers now
            lab.ip("-n", guest.name, "link", "set", "eth0", "up")
            yield guest
        finally:
            made.teardown()
            guest.unplug()
            shutil.rmtree(folder)


def _addresses(guest: Guest) -> set[str]:
    def look() -> set[str]:
        lines = Path("/proc/thread-self/net/if_inet6").read_text().split("\n")
        found = [line.split()[0] for line in lines if line.endswith("eth0")]
        return {socket.inet_ntop(socket.AF_INET6, bytes.fromhex(each)) for each in found}

    return namespaces.call_in(guest.name, look)


def _mtu(guest: Guest) -> str:
    return namespaces.call_in(guest.name, lambda: (sysctl.ROOT / "ipv6/conf/eth0/mtu").read_text().strip())


def _option(kind: int, body: bytes) -> bytes:
    return struct.pack("!HH", kind, len(body)) + body


def _options(body: bytes) -> dict[int, bytes]:
    found = {}
    while body:
        kind, length = struct.unpack_from("!HH", body)
        found[kind] = body[4 : 4 + length]
        body = body[4 + length :]
    return found


def _ask(guest: Guest, kind: int, *more: bytes) -> tuple[int, dict[int, bytes]]:
    """One question to all DHCPv6 servers, and the kind and options of the answer."""
    duid = struct.pack("!HH", 3, 1) + bytes.fromhex(MAC.replace(":", ""))
    identity = _option(CLIENT_ID, duid) + _option(8, b"\0\0") + _option(WANTED, struct.pack("!H", RESOLVERS))
    message = bytes([kind]) + b"cml" + identity + b"".join(more)

    def talk() -> bytes:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
            asking.bind(("::", 546))
            asking.settimeout(1.0)
            where = ("ff02::1:2", 547, 0, socket.if_nametoindex("eth0"))
            for _ in range(5):
                asking.sendto(message, where)
                try:
                    return asking.recv(2048)
                except TimeoutError:
                    continue
        raise AssertionError("no DHCPv6 server answers")

    answer = namespaces.call_in(guest.name, talk)
    assert answer[1:4] == b"cml"
    return answer[0], _options(answer[4:])


def _metadata(guest: Guest) -> bytes:
    """What the service answers at its IPv6 address, where it knows guests by their link-local one."""

    def talk() -> bytes:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as asking:
            asking.settimeout(5.0)
            asking.connect(("fe80::a9fe:a9fe", 80, 0, socket.if_nametoindex("eth0")))
            asking.sendall(b"GET / HTTP/1.0\r\n\r\n")
            parts = []
            while part := asking.recv(2048):
                parts.append(part)
            return b"".join(parts)

    return namespaces.call_in(guest.name, talk)


def _resolver(options: dict[int, bytes]) -> str:
    return socket.inet_ntop(socket.AF_INET6, options[RESOLVERS])


def _address(options: dict[int, bytes]) -> str:
    inner = _options(options[IA_NA][12:])
    return socket.inet_ntop(socket.AF_INET6, inner[IA_ADDRESS][:16])


ASSOCIATION = _option(IA_NA, b"cuml" + bytes(8))


@pytest.mark.parametrize("mode", ["slaac", "dhcpv6-stateless"])
def test_a_client_makes_its_address_of_what_is_advertised(mode: str) -> None:
    with _client(mode, OWN) as guest:
        lab.until(lambda: OWN in _addresses(guest), deadline_s=20)
        assert _mtu(guest) == str(MTU)
        lab.until(lambda: lab.pings(guest.name, "fd07::2"), deadline_s=5)
        assert _metadata(guest).endswith(guest.port_id.encode())
        if mode == "dhcpv6-stateless":
            kind, options = _ask(guest, INFORMATION)
            assert (kind, _resolver(options)) == (REPLY, RESOLVER)


def test_a_client_is_given_the_address_of_its_port() -> None:
    with _client("dhcpv6-stateful", GIVEN) as guest:
        kind, offered = _ask(guest, SOLICIT, ASSOCIATION)
        assert (kind, _address(offered), _resolver(offered)) == (ADVERTISE, GIVEN, RESOLVER)
        kind, given = _ask(guest, REQUEST, _option(SERVER_ID, offered[SERVER_ID]), _option(IA_NA, offered[IA_NA]))
        assert (kind, _address(given)) == (REPLY, GIVEN)
        lab.until(lambda: _mtu(guest) == str(MTU), deadline_s=20)
        assert _addresses(guest) == {str(link_local(MAC))}, "no address is to be made of what is advertised"
        lab.ip("-n", guest.name, "addr", "add", f"{GIVEN}/64", "dev", "eth0")
        lab.until(lambda: lab.pings(guest.name, "fd07::2"), deadline_s=5)
