"""Where a packet of a server would go: the trace, on the states that the nodes' agents get."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.cumulet.trace.model import Address, NodeFacts, Owner, OwnerKind, Start, Trace, Verdict
from api.cumulet.trace.path import trace
from api.cumulet.views.trace import trace_body
from api.request import Services
from common.clock import Clock
from common.context import RequestContext
from common.db import instances, network_state, packet_ends
from common.db.models import Node
from common.deadlines import NODE_DOWN_S
from common.errors import NotFound
from common.ids import is_uuid
from common.rpc.compute_v1 import NetworkState
from common.states import VmState

#: an address that nobody has (RFC 5737): whatever it meets, any address outside does
OUTSIDE = ipaddress.ip_address("198.51.100.1")


@dataclass(frozen=True)
class Asked:
    """target: a server's id, an address, or None for the outside. port: of the target, None for ICMP."""

    server_id: str
    target: str | Address | None
    protocol: int
    port: int | None


def check(services: Services, context: RequestContext, server_id: str) -> None:
    """Raises NotFound for a server that is not the caller's."""
    with services.db.read() as session:
        _owned(session, context, server_id)


def find(services: Services, context: RequestContext, asked: Asked) -> dict[str, Any]:
    """Raises NotFound for a server that is not the caller's."""
    with services.db.read() as session:
        _owned(session, context, asked.server_id)
        world = TablesWorld(session, services.clock)
        starts = world.starts(asked.server_id)
        if isinstance(asked.target, str):
            _owned(session, context, asked.target)
            made = _to_server(session, world, starts, asked)
        else:
            made = trace(world, starts, asked.target or OUTSIDE, asked.protocol, asked.port)
        ids = {hop.id for hop in made.hops if hop.id}
        seen = ids if context.is_admin else packet_ends.visible(session, ids, context.project_id or "")
        nodes = {hop.node_id: world.node(hop.node_id).name for hop in made.hops if hop.node_id}
    return trace_body(asked.server_id, made, seen, nodes, is_admin=context.is_admin)


def _owned(session: Session, context: RequestContext, server_id: str) -> None:
    instance = instances.get(session, server_id) if is_uuid(server_id) else None
    if instance is None or not context.owns(instance.project_id):
        raise NotFound(f"Instance {server_id[:64]} could not be found.")


def _to_server(session: Session, world: TablesWorld, starts: Sequence[Start], asked: Asked) -> Trace:
    """By the first of its addresses by which it is reached; else what happens with the likeliest."""
    near = {start.port.network_id for start in starts}
    ends = packet_ends.addresses_of(session, str(asked.target))
    if not ends:
        raise NotFound(f"Server {asked.target} has no address.")
    ends.sort(key=lambda each: (each.network_id not in near, each.floating))
    own = {each.port_id for each in ends}
    tries = []
    for end in ends:
        made = trace(world, starts, ipaddress.ip_address(end.address), asked.protocol, asked.port)
        if made.verdict is Verdict.PASSES and (made.arrived_at in own):
            return made
        tries.append(made)
    return next((made for made in tries if made.verdict is Verdict.STOPPED), None) or _elsewhere(tries[0])


def _elsewhere(made: Trace) -> Trace:
    """It goes somewhere, but not to the server that was meant: addresses are no one's alone."""
    return Trace(Verdict.STOPPED, "what has this address on the way is not the server meant", made.hops, made.packet)


class TablesWorld:
    """The cloud as the tables have it; every node's state is built once."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session, self._now = session, clock.now()
        self._states: dict[str, NetworkState] = {}
        self._nodes: dict[str, NodeFacts] = {}

    def starts(self, server_id: str) -> list[Start]:
        found = []
        for row in packet_ends.plugged_ports(self._session, server_id):
            assert row.binding_node_id is not None
            known = next((each for each in self.state(row.binding_node_id).ports if each.id == row.id), None)
            if known is not None:
                found.append(Start(known, row.binding_node_id))
        return found

    def owner(self, network_id: str, address: Address) -> Owner | None:
        found = packet_ends.holder(self._session, network_id, str(address))
        if found is None:
            return None
        kind = OwnerKind.PORT
        if found.owner == packet_ends.DHCP_OWNER:
            kind = OwnerKind.DHCP
        elif found.owner == packet_ends.FLOATING_OWNER:
            kind = OwnerKind.FLOATING
        elif found.router_id:
            kind = OwnerKind.ROUTER
        return Owner(kind, found.port_id, found.node_id, found.router_id)

    def node(self, node_id: str) -> NodeFacts:
        if node_id not in self._nodes:
            row = self._session.get(Node, node_id)
            self._nodes[node_id] = NodeFacts(node_id, node_id) if row is None else self._facts(row)
        return self._nodes[node_id]

    def _facts(self, row: Node) -> NodeFacts:
        trouble = ""
        if row.cut_off_at is not None:
            trouble = "it is cut off from the others until it has shown that nothing old is left on it"
        elif row.last_heartbeat_at is None:
            trouble = "nothing has been heard of it yet"
        elif (silent_s := (self._now - row.last_heartbeat_at).total_seconds()) > NODE_DOWN_S:
            trouble = f"nothing has been heard of it for {silent_s:.0f} s"
        behind = row.network_applied < row.network_wanted
        note = "the node has not confirmed the newest state of its networks yet" if behind else ""
        return NodeFacts(row.id, row.name, row.address, trouble, note)

    def state(self, node_id: str) -> NetworkState:
        if node_id not in self._states:
            self._states[node_id] = network_state.for_node(self._session, node_id)
        return self._states[node_id]

    def nat_node(self) -> str | None:
        return packet_ends.gateway_node(self._session)

    def node_addresses(self) -> Sequence[Address]:
        return [ipaddress.ip_address(each) for each in packet_ends.node_addresses(self._session)]

    def idle(self, port_id: str) -> str:
        instance = packet_ends.instance_of_port(self._session, port_id)
        if instance is None or instance.vm_state == VmState.ACTIVE:
            if packet_ends.is_without_device(self._session, port_id):
                return "the node has no device for the subport's VLAN: its kernel has no 802.1q, or it is not up yet"
            return ""
        return f"the server does not run: it is {instance.vm_state}"
