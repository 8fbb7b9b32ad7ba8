"""What a security group rule means: checked, put into one normal form, and asked about single flows.

A rule only accepts; what none accepts is dropped. A rule that can't be enforced exactly raises RuleError, and its port
is closed: dropping a rule silently would open or shut more than its owner asked for (NET-03, NET-11). The agent writes
the normal form as nft expressions, the API answers by it whether a packet would pass.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass

from common.rpc.compute_v1 import FilterRule

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
_NUMBERS = {"icmp": ICMP, "tcp": TCP, "udp": UDP, "icmpv6": ICMPV6, "ipv6-icmp": ICMPV6}
WITH_PORTS = {TCP: "tcp", UDP: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}
_VERSIONS = {"ipv4": 4, "ipv6": 6}
_GROUP = re.compile(r"[0-9A-Za-z-]{1,64}")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class RuleError(ValueError):
    """A rule that has no exact meaning here; the text says which and why."""


@dataclass(frozen=True, order=True)
class Accept:
    """A rule in normal form. low and high are ports, or type and code for ICMP (None: any).

    remote is a CIDR in text, group the id of a remote group; both "" for anywhere.
    """

    version: int
    protocol: int | None
    low: int | None
    high: int | None
    remote: str
    group: str


@dataclass(frozen=True)
class Flow:
    """What a rule is asked about: seen from the guest, `remote` is the other end. low, high as in Accept."""

    protocol: int
    remote: ipaddress.IPv4Address | ipaddress.IPv6Address
    low: int | None
    high: int | None


@functools.lru_cache(maxsize=4096)
def normalise(rule: FilterRule) -> Accept:
    """The rule in normal form. Raises RuleError."""
    version = _VERSIONS.get(rule.ethertype.lower())
    if version is None:
        raise RuleError(f"ethertype {rule.ethertype!r} is neither IPv4 nor IPv6")
    if rule.direction not in ("ingress", "egress"):
        raise RuleError(f"direction {rule.direction!r} is neither ingress nor egress")
    if rule.remote_cidr is not None and rule.remote_group is not None:
        raise RuleError("a rule has either a remote CIDR or a remote group, not both")
    protocol = _protocol(rule.protocol, version)
    _check_ports(protocol, rule.port_min, rule.port_max)
    if rule.remote_group is not None:
        _check_group(rule.remote_group)
    return Accept(
        version=version,
        protocol=protocol,
        low=rule.port_min,
        high=rule.port_max,
        remote=_remote(rule.remote_cidr, version),
        group=rule.remote_group or "",
    )


def permits(accept: Accept, flow: Flow, members: dict[str, list[Network]]) -> bool:
    """Whether this rule alone accepts the flow; the same question nft answers for its first packet."""
    if accept.version != flow.remote.version or accept.protocol not in (None, flow.protocol):
        return False
    if accept.remote and flow.remote not in ipaddress.ip_network(accept.remote):
        return False
    if accept.group and not any(flow.remote in network for network in members.get(accept.group, [])):
        return False
    if accept.low is None:
        return True
    if accept.protocol in (ICMP, ICMPV6):
        return flow.low == accept.low and accept.high in (None, flow.high)
    return flow.low is not None and accept.high is not None and accept.low <= flow.low <= accept.high


def _protocol(text: str | None, version: int) -> int | None:
    if text is None or text.lower() in ("", "any"):
        return None
    number = _NUMBERS.get(text.lower())
    if number is None:
        if not (text.isascii() and text.isdigit() and int(text) <= 255):
            raise RuleError(f"protocol {text!r} is neither a known name nor a number up to 255")
        number = int(text)
    if number == ICMP and version == 6:
        return ICMPV6  # Neutron's clients write `icmp` for both
    if number == ICMPV6 and version == 4:
        raise RuleError("ICMPv6 in a rule for IPv4")
    return number


def _check_ports(protocol: int | None, low: int | None, high: int | None) -> None:
    if low is None and high is None:
        return
    if protocol in (ICMP, ICMPV6):
        if low is None or not 0 <= low <= 255 or not 0 <= (high or 0) <= 255:
            raise RuleError(f"ICMP type {low} and code {high}: a type from 0 to 255 is needed, a code may follow")
        return
    if protocol not in WITH_PORTS:
        raise RuleError(f"protocol {protocol} has no ports")
    if low is None or high is None or not 0 <= low <= high <= 65535:
        raise RuleError(f"ports {low} to {high} are not a range within 0 to 65535")


def _remote(cidr: str | None, version: int) -> str:
    if cidr is None:
        return ""
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError as err:
        raise RuleError(f"remote CIDR {cidr!r} is not valid") from err
    if network.version != version:
        raise RuleError(f"remote CIDR {cidr} in a rule for IPv{version}")
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.scope_id is not None:
        raise RuleError(f"remote CIDR {cidr!r} has a scope")
    return "" if network.prefixlen == 0 else str(network)


def _check_group(group_id: str) -> None:
    if not _GROUP.fullmatch(group_id):
        raise RuleError(f"{group_id!r} is no id of a group")
