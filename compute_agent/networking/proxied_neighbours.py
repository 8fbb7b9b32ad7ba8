"""IPv6 neighbours that a router answers for on its outside device: the kernel's own proxy, by netlink.

Works in the namespace of the calling thread, idempotent, and touches only the device it is given.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from common.errors import NetworkingError
from compute_agent.networking import sysctl

_PROXY = 0x08  # NTF_PROXY


def sync(device: str, addresses: Collection[str], *, on: bool) -> None:
    """Answer for exactly these addresses, or, when not `on`, for none. Raises NetworkingError."""
    if not (sysctl.ROOT / "ipv6/conf" / device).exists():
        return
    sysctl.ensure(f"ipv6/conf/{device}/proxy_ndp", int(on))
    wanted = {str(ipaddress.ip_address(each)) for each in addresses} if on else set()
    try:
        with IPRoute() as ip:
            (index,) = ip.link_lookup(ifname=device)
            has = set(_proxied(ip, index))
            for address in has - wanted:
                ip.neigh("del", dst=address, ifindex=index, family=socket.AF_INET6, flags=_PROXY)
            for address in wanted - has:
                ip.neigh("add", dst=address, ifindex=index, family=socket.AF_INET6, flags=_PROXY)
    except (NetlinkError, OSError, ValueError) as err:
        raise NetworkingError(f"device {device} can't answer for its neighbours", detail=str(err)) from err


def _proxied(ip: Any, index: int) -> list[str]:
    listed = ip.neigh("dump", family=socket.AF_INET6, flags=_PROXY)
    return [each.get_attr("NDA_DST") for each in listed if each["ifindex"] == index and each["flags"] & _PROXY]
