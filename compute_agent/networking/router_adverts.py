"""IPv6 router advertisements: one dnsmasq in a router's namespace that says "here", and nothing else.

Prefixes are as in the networks' own advertisements (dnsmasq.py), whose router lifetime is 0: a guest learns its next hop
from here alone. No DNS, and DHCPv6 answers are dropped by the router's own table.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path

from common.rpc.routers_v1 import RouterInterface, RouterSpec
from compute_agent.networking import dnsmasq, names

LIFETIME_S, INTERVAL_S = 1800, 60
_MODES = {"slaac": "ra-only", "dhcpv6-stateless": "ra-stateless", "dhcpv6-stateful": "static"}


def daemon(run_dir: Path, namespace: str) -> dnsmasq.Daemon:
    """`namespace`: of the router."""
    tail = namespace.removeprefix(names.ROUTER_PREFIX)
    return dnsmasq.Daemon(folder=run_dir / f"cmlra-{tail}", namespace=namespace, device="")


def render(where: dnsmasq.Daemon, router: RouterSpec) -> dnsmasq.Files | None:
    """None when nothing is to be advertised. Raises ValueError for a prefix that is none."""
    telling = [each for each in router.interfaces if each.advertised]
    if not telling:
        return None
    lines = [*dnsmasq.process(where), "port=0", "leasefile-ro", "bind-interfaces", "except-interface=lo", "enable-ra"]
    for interface in telling:
        lines += _interface(interface)
    return dnsmasq.Files(config="\n".join(lines) + "\n", dhcp_hosts="", names="")


def _interface(interface: RouterInterface) -> Sequence[str]:
    device = names.router_inside(interface.port_id)
    lines = [f"interface={device}", f"ra-param={device},mtu:{int(interface.mtu)},{INTERVAL_S},{LIFETIME_S}"]
    for each in interface.advertised:
        cidr = ipaddress.IPv6Network(each.cidr)
        lines.append(f"dhcp-range={cidr.network_address},{_MODES[each.mode]},{cidr.prefixlen},{dnsmasq.LEASE_S}")
    return lines


def ensure(run_dir: Path, router: RouterSpec) -> None:
    """Have it run, or not run. Raises NetworkingError, ValueError."""
    where = daemon(run_dir, names.router(router.id))
    files = render(where, router)
    if files is None:
        dnsmasq.stop(where)
    else:
        dnsmasq.ensure(where, files)


def is_missing(run_dir: Path, router: RouterSpec) -> bool:
    where = daemon(run_dir, names.router(router.id))
    return any(each.advertised for each in router.interfaces) and dnsmasq.pid(where) is None


def stop(run_dir: Path, namespace: str) -> None:
    dnsmasq.stop(daemon(run_dir, namespace))
