"""The trace's verdicts against real packets: random rules, routers and floating addresses, made by the agent itself.

Each round draws a state, has the agent make it in network namespaces, and asks every guest for every address by ping and
by TCP; who answers must be who the trace says, and nobody where it says that the packet is stopped.
"""

from __future__ import annotations

import ipaddress
import os
import random
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from api.cumulet.trace.model import NodeFacts, Verdict
from api.cumulet.trace.path import trace
from common.clock import SystemClock
from common.config import NetworkConfig
from common.filter_rules import ICMP, TCP
from common.ids import new_id
from common.rpc.compute_v1 import (
    FilterRule,
    FixedAddress,
    GroupMembers,
    NetworkSpec,
    NetworkState,
    PortSpec,
    SubnetSpec,
)
from common.rpc.routers_v1 import DhcpRoute, FloatingAddress, ForwardedPort, RouterInterface, RouterSpec
from compute_agent.metadata.server import MetadataServer
from compute_agent.networking import names
from compute_agent.networking.linux import LinuxNetworking
from tests.fixtures.trace_world import StateWorld
from tests.functional import agent_netlab as lab
from tests.functional.agent_netlab import NODE_ADDRESS, OUTSIDE, OUTSIDE_ADDRESS, TAG, Guest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces"),
    pytest.mark.xdist_group("agent_networking"),
]

NODE_ID, OPEN, SHUT = "node-1", 7000, 8000
NET1, NET2, NET3, PUBLIC = (new_id() for _ in range(4))
CIDRS = {NET1: "10.1.0", NET2: "10.2.0", NET3: "10.1.0", PUBLIC: "172.24.4"}
A = Guest(f"{TAG}-ta", "2a2a2a2a-0000-4000-8000-000000000001", "fa:16:3e:00:03:0a", ("10.1.0.10/24",))
B = Guest(f"{TAG}-tb", "2b2b2b2b-0000-4000-8000-000000000001", "fa:16:3e:00:03:0b", ("10.1.0.11/24",))
C = Guest(f"{TAG}-tc", "2c2c2c2c-0000-4000-8000-000000000001", "fa:16:3e:00:03:0c", ("10.2.0.10/24",))
D = Guest(f"{TAG}-td", "2d2d2d2d-0000-4000-8000-000000000001", "fa:16:3e:00:03:0d", ("10.1.0.10/24",))
HOMES = [(A, NET1), (B, NET1), (C, NET2), (D, NET3)]
GUESTS = [guest for guest, _ in HOMES]
FLOATING = tuple(f"172.24.4.{last}" for last in (20, 21, 22, 23))
TARGETS = (
    "10.1.0.10", "10.1.0.11", "10.2.0.10", "10.1.0.1", "10.2.0.1", "10.1.0.2", "10.1.0.99", "172.24.4.1", "172.24.4.10",
    *FLOATING, OUTSIDE_ADDRESS, NODE_ADDRESS,
)  # fmt: skip
GROUP = "members"


def rule(direction: str, protocol: str | None = None, port: int | None = None, **rest: str) -> FilterRule:
    return FilterRule(direction=direction, ethertype="IPv4", protocol=protocol, port_min=port, port_max=port, **rest)


RULES = (
    rule("ingress", "tcp", OPEN), rule("ingress", "icmp"), rule("ingress", remote_cidr="10.2.0.0/24"),
    rule("ingress", "tcp", remote_group=GROUP), rule("ingress", "icmp", remote_cidr="172.24.4.0/24"),
    rule("ingress", "tcp", SHUT, remote_cidr="10.1.0.0/24"), rule("ingress"),
)  # fmt: skip
EGRESS = (
    [rule("egress")], [rule("egress", "tcp")], [rule("egress", "tcp", OPEN), rule("egress", "icmp")],
    [rule("egress", remote_cidr="10.0.0.0/8")], [],
)  # fmt: skip


class Draw:
    """One random state of the node, and the trace's world of it."""

    def __init__(self, seed: int, version: int) -> None:
        self.random = random.Random(seed)
        ports = [self._port(guest, network_id) for guest, network_id in HOMES]
        addresses = [port.addresses[0].ip_address for port in ports if GROUP in port.groups]
        routers = [each for each in (self._first(), self._second()) if each is not None]
        self.state = NetworkState(
            version=version, networks=[self._network(each) for each in CIDRS], ports=ports, routers=routers,
            groups=[GroupMembers(id=GROUP, addresses=addresses)],
        )  # fmt: skip
        self.world = StateWorld(
            {NODE_ID: NodeFacts(NODE_ID, "node1")}, {NODE_ID: self.state}, gateway=NODE_ID,
            machines=[ipaddress.ip_address(NODE_ADDRESS)],
        )  # fmt: skip

    def _chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def _port(self, guest: Guest, network_id: str) -> PortSpec:
        count = self.random.randrange(len(RULES))
        chosen = self.random.sample(RULES, count) + (self.random.choice(EGRESS) if self._chance(60) else EGRESS[0])
        bad = [rule("ingress", "no-such-protocol")] if self._chance(4) else []
        return PortSpec(
            id=guest.port_id, network_id=network_id, mac_address=guest.mac, instance_id=guest.name, hostname=guest.name,
            rules=chosen + bad, port_security=self._chance(85), stateful=self._chance(80), admin_up=self._chance(93),
            groups=[GROUP] if self._chance(60) else [],
            addresses=[FixedAddress(subnet_id=network_id, ip_address=guest.ipv4)],
        )  # fmt: skip

    def _network(self, network_id: str) -> NetworkSpec:
        start, public = CIDRS[network_id], network_id == PUBLIC
        subnet = SubnetSpec(
            id=network_id, cidr=f"{start}.0/24", ip_version=4, gateway_ip=f"{start}.1", enable_dhcp=not public,
            dhcp_ip=None if public else f"{start}.2",
        )  # fmt: skip
        return NetworkSpec(id=network_id, vni=1, mtu=1400, subnets=[subnet], nat=public)

    def _first(self) -> RouterSpec | None:
        if self._chance(8):
            return None
        inside = [_interface(NET1, 1), _interface(NET2, 1)]
        return self._router("one", [each for each in inside if self._chance(90)], 10, (A, B, C), FLOATING[:2])

    def _second(self) -> RouterSpec | None:
        if self._chance(15):
            return None
        routes = [DhcpRoute(destination="10.2.0.0/24", nexthop="172.24.4.10")] if self._chance(30) else []
        made = self._router("two", [_interface(NET3, 1)], 11, (D,), FLOATING[2:3])
        return msgspec.structs.replace(made, routes=routes)

    def _router(
        self, name: str, inside: list[RouterInterface], last: int, guests: tuple[Guest, ...], own: tuple[str, ...]
    ) -> RouterSpec:
        outside = _interface(PUBLIC, last) if self._chance(88) else None
        there = {each.network_id for each in inside}
        possible = [guest for guest in guests if dict_of_homes()[guest.name] in there]
        floating, forwarded = [], []
        for address in own:
            if outside is None or not possible:
                break
            guest = possible.pop(self.random.randrange(len(possible)))
            if self._chance(70):
                floating.append(FloatingAddress(address=address, fixed_address=guest.ipv4))
            else:
                forwarded.append(
                    ForwardedPort(address=address, protocol="tcp", port=SHUT, fixed_address=guest.ipv4, fixed_port=OPEN)
                )
        return RouterSpec(
            id=ROUTERS[name], interfaces=inside, gateway=outside, gateway_ips=["172.24.4.1"] if outside else [],
            source_nat=self._chance(75), floating=floating, forwarded=forwarded,
        )  # fmt: skip


ROUTERS = {"one": new_id(), "two": new_id()}
PORTS = {(network_id, last): new_id() for network_id in CIDRS for last in (1, 10, 11)}


def _interface(network_id: str, last: int) -> RouterInterface:
    number = list(PORTS).index((network_id, last))
    return RouterInterface(
        port_id=PORTS[network_id, last], network_id=network_id, mac_address=f"fa:16:3e:00:03:{0x80 + number:02x}", mtu=1400,
        addresses=[f"{CIDRS[network_id]}.{last}/24"],
    )  # fmt: skip


def dict_of_homes() -> dict[str, str]:
    return {guest.name: network_id for guest, network_id in HOMES}


@dataclass(frozen=True)
class Question:
    guest: Guest
    target: str
    protocol: int
    port: int | None

    def __str__(self) -> str:
        return f"{self.guest.name} -> {self.target} {'ping' if self.protocol == ICMP else f'tcp {self.port}'}"


QUESTIONS = [
    Question(guest, target, protocol, port)
    for guest in GUESTS for target in TARGETS for protocol, port in ((ICMP, None), (TCP, OPEN), (TCP, SHUT))
]  # fmt: skip


class Answering:
    """Every guest, and the outside, says its name on two ports, whoever asks."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        for name, address in [*((guest.name, guest.ipv4) for guest in GUESTS), (OUTSIDE, OUTSIDE_ADDRESS)]:
            for port in (OPEN, SHUT):
                listening = lab.listen(name, address, port)
                self._sockets.append(listening)
                threading.Thread(target=self._serve, args=(listening, name), daemon=True).start()

    @staticmethod
    def _serve(listening: socket.socket, name: str) -> None:
        while True:
            try:
                made, _ = listening.accept()
            except OSError:
                return
            with made:
                made.sendall(name.encode())

    def close(self) -> None:
        for each in self._sockets:
            each.shutdown(socket.SHUT_RDWR)
            each.close()


def asked(question: Question) -> str:
    """Who answers: a name, "somebody" to a ping, "" for nobody."""
    if question.protocol == ICMP:
        return "somebody" if lab.pings(question.guest.name, question.target) else ""
    assert question.port is not None
    try:
        made = lab.connect(question.guest.name, question.target, question.port, timeout_s=1.5)
    except OSError:
        return ""  # a router that has no way, or no such service, says so
    if made is None:
        return ""
    with made:
        return made.recv(100).decode()


def foretold(draw: Draw, question: Question) -> str:
    starts = draw.world.starts(question.guest.port_id)
    said = trace(draw.world, starts, ipaddress.ip_address(question.target), question.protocol, question.port)
    if said.verdict is Verdict.STOPPED:
        return ""
    if said.verdict is Verdict.LEAVES and question.target != OUTSIDE_ADDRESS:
        return ""  # nobody is out there
    if question.protocol == ICMP:
        return "somebody"
    if said.verdict is Verdict.LEAVES:
        return OUTSIDE
    return next((guest.name for guest in GUESTS if guest.port_id == said.arrived_at), "somebody")


@pytest.fixture(scope="module")
def agent() -> Iterator[LinuxNetworking]:
    folder = Path(tempfile.mkdtemp(prefix="cml-net-"))
    folder.chmod(0o711)  # dnsmasq gives up root
    clock = SystemClock()
    with lab.node_and_outside():
        made = LinuxNetworking(
            state_dir=folder / "state", run_dir=folder / "run", clock=clock, config=NetworkConfig(),
            metadata=lambda network_id, listening: MetadataServer(
                network_id, listening, lambda peer, method, path, body: (200, "text/plain", b"here"), clock
            ),
        )  # fmt: skip
        try:
            made.apply(Draw(0, 1).state)
            for guest, network_id in HOMES:
                guest.plug(names.bridge(network_id))
                guest.route(f"{CIDRS[network_id]}.1")
            answering = Answering()
            yield made
            answering.close()
        finally:
            made.teardown()
            for guest in GUESTS:
                guest.unplug()
    shutil.rmtree(folder)


_version = iter(range(2, 10000))


def differences(agent: LinuxNetworking, seed: int) -> list[str]:
    """What was otherwise than foretold. A difference is asked for once more, by itself: the machine may be busy."""
    draw = Draw(seed, next(_version))
    agent.apply(draw.state)
    with ThreadPoolExecutor(max_workers=24) as pool:
        seen = list(pool.map(asked, QUESTIONS))
    wrong = []
    for question, answer in zip(QUESTIONS, seen, strict=True):
        wanted = foretold(draw, question)
        if wanted != answer and wanted != (again := asked(question)):
            wrong.append(
                f"seed {seed}: {question}: {wanted or 'nobody'!r} was foretold, {again or 'nobody'!r} answered"
            )
    return wrong


@pytest.mark.parametrize("seed", [1, 2])
def test_the_trace_foretells_what_packets_meet(agent: LinuxNetworking, seed: int) -> None:
    assert not (found := differences(agent, seed)), "\n".join(found)


@pytest.mark.full
def test_the_trace_foretells_what_packets_meet_in_many_topologies(agent: LinuxNetworking) -> None:
    found = [each for seed in range(100, 130) for each in differences(agent, seed)]
    assert not found, "\n".join(found)
