"""IP protocols by the names that OpenStack's security group rules use for them (IANA's numbers)."""

from __future__ import annotations

NUMBERS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": 1,
    "icmpv6": 58,
    "igmp": 2,
    "ip": 0,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
#: protocols whose packets carry ports
WITH_PORTS = frozenset({6, 17, 33, 132, 136})
ICMP, ICMPV6 = 1, 58
#: protocols that exist under IPv6 only
IPV6_ONLY = frozenset({"icmpv6", "ipv6-encap", "ipv6-frag", "ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route"})


def number(protocol: str | None) -> int | None:
    """The number of a name or of a number in text; None for any protocol. Raises ValueError."""
    if protocol is None:
        return None
    found = NUMBERS.get(protocol.lower())
    if found is None:
        if not (protocol.isascii() and protocol.isdigit()) or int(protocol) > 255:
            raise ValueError(f"{protocol!r} is not an IP protocol")
        found = int(protocol)
    return found
