"""Kernel switches that the filters rely on, in the network namespace of the calling thread."""

from __future__ import annotations

from pathlib import Path

from common.errors import NetworkingError

ROOT = Path("/proc/sys/net")

BRIDGED_PACKETS_ARE_FILTERED = ("bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables")


def ensure(name: str, value: int) -> bool:
    """Set net.<name>; True when it had another value. Raises NetworkingError when the kernel has no such switch."""
    path = ROOT / name
    try:
        if path.read_text().strip() == str(value):
            return False
        path.write_text(f"{value}\n")
    except OSError as err:
        raise NetworkingError(f"kernel switch net/{name} can't be set to {value}", detail=str(err)) from err
    return True


def ensure_filtering() -> list[str]:
    """Hand bridged packets to the inet tables: without it security groups would be passed by. Returns what changed."""
    return [name for name in BRIDGED_PACKETS_ARE_FILTERED if ensure(name, 1)]


def ensure_forwarding() -> list[str]:
    return ["ipv4/ip_forward"] if ensure("ipv4/ip_forward", 1) else []


def without_ipv6(device: str) -> None:
    """No IPv6 address on a host-side device (NET-06). A kernel without IPv6 has nothing to switch off."""
    if (ROOT / "ipv6/conf" / device).exists():
        ensure(f"ipv6/conf/{device}/disable_ipv6", 1)


def quiet_bridge(device: str) -> None:
    """The node answers ARP only for the bridge's own address, and tells guests of no shorter way."""
    ensure(f"ipv4/conf/{device}/arp_ignore", 1)
    ensure(f"ipv4/conf/{device}/send_redirects", 0)


def end_host(device: str) -> None:
    """Inside a network's namespace: no router, and no one to take routes from.

    A new namespace copies ip_forward from the machine's first one.
    """
    ensure("ipv4/ip_forward", 0)
    if (ROOT / "ipv6/conf" / device).exists():
        ensure("ipv6/conf/all/forwarding", 0)
        ensure(f"ipv6/conf/{device}/accept_ra", 0)


def route(device: str) -> None:
    """Inside a router's namespace: forwards both families, answers ARP for a device's own addresses only, takes no routes."""
    ensure("ipv4/ip_forward", 1)
    for name, value in (("arp_ignore", 1), ("arp_announce", 2), ("rp_filter", 0), ("send_redirects", 0)):
        ensure(f"ipv4/conf/{device}/{name}", value)
    ensure("ipv4/conf/all/rp_filter", 0)  # the stricter of the two holds
    if (ROOT / "ipv6/conf" / device).exists():
        ensure("ipv6/conf/all/forwarding", 1)
        for name, value in (("accept_ra", 0), ("accept_dad", 0), ("ndisc_notify", 1)):
            ensure(f"ipv6/conf/{device}/{name}", value)
