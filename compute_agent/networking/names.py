"""Names of everything a node makes in the network: all begin with `cml`, are derived from ids, and fit 15 characters.

Derived, not stored, so that a restarted agent, a person with `ip link` and the tests all find the same devices. What
does not begin with these prefixes was not made by Cumulet and is never touched.
"""

from __future__ import annotations

import hashlib
import re

from common.errors import NetworkingError

BRIDGE_PREFIX = "cmlbr-"
TAP_PREFIX = "cmltap"
VETH_PREFIX = "cmlve-"
TUNNEL_PREFIX = "cmlvx-"
NAMESPACE_PREFIX = "cmlns-"
INSIDE_PREFIX = "cmlin-"
ROUTER_PREFIX = "cmlrt-"
ROUTER_INSIDE_PREFIX = "cmlqr-"
ROUTER_OUTSIDE_PREFIX = "cmlqg-"
VLAN_PREFIX = "cmlvl-"

ALL_PREFIX = "cml"
ALL_BRIDGES = "cmlbr-*"
ALL_TAPS = "cmltap*"
#: What stands on a bridge of ours. Not `cml*`: the machine's own devices, such as a lab's underlay, may begin so.
ALL_DEVICES = {"set": [ALL_BRIDGES, ALL_TAPS, "cmlve-*", "cmlvx-*"]}

_HEX_START = re.compile(r"^[0-9a-f]{8}")


def bridge(network_id: str) -> str:
    return BRIDGE_PREFIX + short(network_id)


def namespace(network_id: str) -> str:
    return NAMESPACE_PREFIX + short(network_id)


def veth(network_id: str) -> str:
    """The end on the bridge of the pair that joins the network's namespace."""
    return VETH_PREFIX + short(network_id)


def inside(network_id: str) -> str:
    """The end of the same pair that lies in the namespace."""
    return INSIDE_PREFIX + short(network_id)


def tunnel(network_id: str) -> str:
    return TUNNEL_PREFIX + short(network_id)


def tap(port_id: str) -> str:
    return TAP_PREFIX + short(port_id)


def router(router_id: str) -> str:
    """The namespace of a router."""
    return ROUTER_PREFIX + short(router_id)


def router_inside(port_id: str) -> str:
    """A router's device in a tenant network; its other end, on the bridge, is named as every port's: `tap`."""
    return ROUTER_INSIDE_PREFIX + short(port_id)


def router_outside(port_id: str) -> str:
    """A router's device in its external network."""
    return ROUTER_OUTSIDE_PREFIX + short(port_id)


def vlan(network_id: str) -> str:
    """The device that tags a VLAN network's frames on their way to the physical interface."""
    return VLAN_PREFIX + short(network_id)


def group_set(group_id: str, version: int) -> str:
    """The nft set that holds a security group's members of one IP version."""
    return f"group{version}_{_word(group_id)}"


def mac_of(purpose: str, identity: str) -> str:
    """A stable, locally administered unicast MAC address for a device of ours."""
    digest = hashlib.sha256(f"{purpose} {identity}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def bridge_mac(network_id: str, *, is_gateway: bool) -> str:
    """Guests know the gateway's, the same on whichever node it is; on others the bridge must not take their frames."""
    return mac_of("bridge" if is_gateway else "bridge without gateway", network_id)


def short(identity: str) -> str:
    """Eight hexadecimal digits of a UUID: enough within one node, where two that share them are refused."""
    plain = identity.replace("-", "").lower()
    if not _HEX_START.match(plain):
        raise NetworkingError(f"{identity!r} is no id that a device name can be made of")
    return plain[:8]


def _word(identity: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z-]{1,64}", identity):
        raise NetworkingError(f"{identity!r} is no id that a set can be named after")
    return identity.replace("-", "_")
