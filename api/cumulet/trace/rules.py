"""Whether a port's security groups let a packet pass, and by which rule; as the agent's tables decide it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from api.cumulet.trace.model import Address, Packet
from common.filter_rules import ICMP, ICMPV6, TCP, UDP, Accept, Flow, Network, RuleError, normalise, permits
from common.rpc.compute_v1 import NetworkState, PortSpec

_NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}
_ROUTER_TYPES = (134, 137)  # advertisements and redirects, which no guest may send


@dataclass(frozen=True)
class Decision:
    passes: bool
    why: str


def decide(port: PortSpec, state: NetworkState, direction: str, packet: Packet, *, established: bool) -> Decision:
    """direction: "egress" or "ingress", seen from the guest. established: the port's node has seen the flow begin."""
    try:
        accepts = [normalise(rule) for rule in port.rules]
    except RuleError as err:
        return Decision(False, f"the port is closed, since one of its rules can't be enforced: {err}")
    if not port.port_security:
        return Decision(True, "port security is off: no group is asked")
    if established and port.stateful:
        return Decision(True, "belongs to a connection that was let through")
    remote = packet.target if direction == "egress" else packet.source
    flow = Flow(protocol=packet.protocol, remote=remote, low=packet.low, high=packet.high)
    members = {group.id: _ranges(group.addresses) for group in state.groups}
    asked = [
        accept for accept, rule in zip(accepts, port.rules, strict=True)
        if rule.direction == direction and accept.version == packet.version
    ]  # fmt: skip
    for accept in asked:
        if permits(accept, flow, members):
            return Decision(True, f"by the {direction} rule {describe(accept)}")
    stateless = " (the groups are stateless, so that answers need a rule of their own)" if packet.reply else ""
    groups = ", ".join(port.groups) or "it is in no group"
    return Decision(
        False,
        f"none of its {len(asked)} {direction} rules for IPv{packet.version} accepts {spell(flow)}"
        f" {'to' if direction == 'egress' else 'from'} {remote}{stateless}; groups: {groups}",
    )


def describe(accept: Accept) -> str:
    flow = Flow(protocol=accept.protocol or 0, remote=ipaddress.ip_address("::"), low=accept.low, high=accept.high)
    what = spell(flow) if accept.protocol is not None else "any protocol"
    where = accept.remote or (f"group {accept.group}" if accept.group else "anywhere")
    return f"{what}, {where}"


def spell(flow: Flow) -> str:
    name = _NAMES.get(flow.protocol, f"protocol {flow.protocol}")
    if flow.low is None:
        return name
    if flow.protocol in (ICMP, ICMPV6):
        return f"{name} type {flow.low}" + (f" code {flow.high}" if flow.high is not None else "")
    return f"{name} {flow.low}" if flow.low == flow.high else f"{name} {flow.low}-{flow.high}"


def _ranges(texts: list[str]) -> list[Network]:
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            continue  # what is no address is in nobody's group, as in the agent's plan
    return found


def holds(port: PortSpec, address: Address) -> bool:
    """Whether an address is one of the port's own, or of its allowed pairs."""
    own = [ipaddress.ip_address(each.ip_address) for each in port.addresses]
    pairs = [ipaddress.ip_network(each.ip_address, strict=False) for each in port.address_pairs]
    return address in own or any(address in each for each in pairs)
