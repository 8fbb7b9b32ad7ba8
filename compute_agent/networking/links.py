"""Bridges, the pair of devices that joins a network's namespace, tunnels, addresses and routes, by netlink.

Every function works in the network namespace of the calling thread, is idempotent, and touches only the devices it is
given. Host-side devices get no IPv6 address.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from common.errors import NetworkingError
from common.log import event
from compute_agent.networking import names, namespaces, sysctl

logger = logging.getLogger(__name__)

TUNNEL_PORT = 4789
_NO_DAD = 0x02  # IFA_F_NODAD: our own addresses are assigned by the control plane, which knows that they are free
_PROBE = "cmlprobe"
_MADE_BY_THE_KERNEL = ipaddress.IPv6Network("fe80::/10")
_EVERY_MAC = "00:00:00:00:00:00"
_SELF, _TOLD, _REACHABLE = 0x02, 0x10, 0x02  # NTF_SELF, NTF_EXT_LEARNED (does not age), NUD_REACHABLE


@dataclass(frozen=True)
class InsideEnd:
    """What a network's namespace has: addresses with prefix length, and a default route when there is a gateway."""

    device: str
    mac: str
    mtu: int
    addresses: tuple[str, ...]
    gateway: str | None


def existing() -> dict[str, int]:
    """Name and index of every device whose name begins with `cml`."""
    with _netlink() as ip:
        named = {link.get_attr("IFLA_IFNAME"): link["index"] for link in ip.get_links()}
    return {name: index for name, index in named.items() if name.startswith(names.ALL_PREFIX)}


def range_of(address: str) -> str:
    """The range ("10.0.0.0/24") of an IPv4 address that a device of the machine has; the address alone otherwise."""
    with _netlink() as ip:
        found = [each for each in ip.get_addr(family=2) if each.get_attr("IFA_ADDRESS") == address]
    length = found[0]["prefixlen"] if found else 32
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False))


def ensure_bridge(name: str, *, mac: str, mtu: int, addresses: Sequence[str]) -> list[str]:
    """A bridge with these IPv4 addresses ("10.0.0.1/24") and no others, that forwards as soon as a port is up.

    Returns the addresses that were added.
    """
    with _netlink() as ip:
        if _index(ip, name) is None:
            ip.link(
                "add", ifname=name, kind="bridge", address=mac,
                br_stp_state=0, br_forward_delay=0, br_mcast_snooping=0,
            )  # fmt: skip
        sysctl.without_ipv6(name)
        sysctl.quiet_bridge(name)
        _set(ip, name, address=mac, mtu=mtu, state="up")
        return _sync_addresses(ip, name, addresses)


def ensure_joined(veth: str, *, bridge: str, namespace: str, inside: str, mtu: int) -> None:
    """The pair of devices between a bridge and a namespace."""
    with _netlink() as ip:
        if _index(ip, veth) is None:
            handle = os.open(namespaces.FOLDER / namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                ip.link("add", ifname=veth, kind="veth", peer={"ifname": inside, "net_ns_fd": handle})
            finally:
                os.close(handle)
        sysctl.without_ipv6(veth)
        _set(ip, veth, master=_index(ip, bridge), mtu=mtu, state="up")


def ensure_inside(namespace: str, end: InsideEnd) -> None:
    """Addresses and routes inside the namespace."""
    namespaces.call_in(namespace, lambda: _ensure_inside(end))


def ensure_behind(name: str, places: Mapping[str, str]) -> None:
    """Tell a tunnel behind which node each of these MAC addresses is, so that their frames go there and nowhere else.

    Such an entry does not age. Where a guest is heard from another node, which its move shows before the control plane
    says so, the kernel corrects it, and the next call puts it back unless that has been told meanwhile.
    """
    with _netlink() as ip:
        index = _index(ip, name)
        if index is None:
            return
        entries = [entry for entry in ip.fdb("dump") if entry["ifindex"] == index and entry["flags"] & _TOLD]
        has = {entry.get_attr("NDA_LLADDR"): entry.get_attr("NDA_DST") for entry in entries}
        for mac in has.keys() - places.keys():
            _forget(ip, index, mac, has[mac])
        for mac, node in places.items():
            if has.get(mac) != node:
                ip.fdb("replace", ifindex=index, lladdr=mac, dst=node, state=_REACHABLE, flags=_SELF | _TOLD)


def ensure_tunnel(name: str, *, bridge: str, vni: int, local: str, peers: Sequence[str], mtu: int) -> None:
    """A VXLAN device that floods to exactly these nodes; without peers there is none.

    Behind which node a MAC address is it is told (`ensure_behind`) or learns, from those alone whom the filters let
    through.
    """
    with _netlink() as ip:
        if not peers or not _is_tunnel(ip, name, vni, local):
            _delete(ip, name)
        if not peers:
            return
        if _index(ip, name) is None:
            ip.link("add", ifname=name, kind="vxlan", vxlan_id=vni, vxlan_local=local, vxlan_port=TUNNEL_PORT)
        sysctl.without_ipv6(name)
        _set(ip, name, master=_index(ip, bridge), mtu=mtu, state="up")
        _sync_flooding(ip, name, set(peers))


def ensure_uplink(device: str, *, bridge: str) -> None:
    """A physical interface, or a device on one, as part of a bridge. Raises NetworkingError when there is none."""
    with _netlink() as ip:
        if _index(ip, device) is None:
            raise NetworkingError(f"the machine has no device {device}, which [network] physical_networks names")
        _set(ip, device, master=_index(ip, bridge), state="up")


def ensure_vlan(name: str, *, device: str, tag: int) -> None:
    """A device for the frames of one VLAN of a physical interface."""
    with _netlink() as ip:
        if _index(ip, name) is not None:
            return
        lower = _index(ip, device)
        if lower is None:
            raise NetworkingError(f"the machine has no device {device}, which [network] physical_networks names")
        ip.link("add", ifname=name, **vlan_facts(lower, tag))
    sysctl.without_ipv6(name)


def vlan_facts(lower: int, tag: int) -> dict[str, Any]:
    """What the kernel is asked for: a tagging device above the one with this index."""
    return {"kind": "vlan", "link": lower, "vlan_id": tag}


def tagging_taps() -> set[str]:
    """Names of the devices of subports."""
    with _netlink() as ip:
        return {name for name, _, _ in _tagging(ip).values() if name.startswith(names.TAP_PREFIX)}


def ensure_subport(name: str, *, tap: str, tag: int, bridge: str, mtu: int) -> None:
    """A device for the frames of one VLAN of a tap, on a bridge. Nothing is made when there is no tap."""
    with _netlink() as ip:
        lower = _index(ip, tap)
        if lower is None:
            return
        has = _tagging(ip).get(_index(ip, name) or 0)
        if has is not None and has != (name, lower, tag):
            _delete(ip, name)
            has = None
        if has is None:
            ip.link("add", ifname=name, **vlan_facts(lower, tag))
        sysctl.without_ipv6(name)
        _set(ip, name, master=_index(ip, bridge), mtu=mtu, state="up")


def can_tag() -> bool:
    """Whether the kernel has devices for VLANs (802.1q): it is asked for one, above a bridge that is there for that."""
    with _netlink() as ip:
        _delete(ip, _PROBE)
        ip.link("add", ifname=_PROBE, kind="bridge")
        try:
            ip.link("add", ifname=f"{_PROBE}-1", **vlan_facts(_index(ip, _PROBE) or 0, 1))
        except NetlinkError as err:
            if err.code != errno.EOPNOTSUPP:
                raise
            return False
        finally:
            _delete(ip, _PROBE)  # and what is above it
        return True


def _tagging(ip: Any) -> dict[int, tuple[str, int, int]]:
    """Of every device for a VLAN: name, the index of the one below, and the VLAN; by index."""
    found = {}
    for link in ip.get_links():
        if link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") == "vlan":
            facts = link.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA")
            found[link["index"]] = (
                link.get_attr("IFLA_IFNAME"), link.get_attr("IFLA_LINK"), facts.get_attr("IFLA_VLAN_ID")
            )  # fmt: skip
    return found


def ensure_router_device(name: str, *, mac: str, mtu: int, addresses: Sequence[str]) -> list[str]:
    """A router's device, in its namespace, with these addresses and no others; returns those that were added."""
    with _netlink() as ip:
        sysctl.route(name)
        _set(ip, "lo", state="up")
        _set(ip, name, address=mac, mtu=mtu)
        _set(ip, name, state="up")
        return _sync_addresses(ip, name, addresses)


def devices_here() -> list[str]:
    """Names of all devices in the namespace of the calling thread."""
    with _netlink() as ip:
        return [link.get_attr("IFLA_IFNAME") for link in ip.get_links()]


def sync_routes(wanted: Iterable[tuple[str, str]]) -> None:
    """Have exactly these routes (range, next hop), beside those that come with addresses; next hops must be reachable.

    One that the kernel refuses, because its next hop is on no device, is left out: the others must not suffer for it.
    """
    with _netlink() as ip:
        has = {pair for family in (2, 10) for pair in _gateway_routes(ip, family)}
        keep = {(str(ipaddress.ip_network(target)), str(ipaddress.ip_address(hop))) for target, hop in wanted}
        for target, hop in sorted(has - keep):
            ip.route("del", dst=target, gateway=hop)
        for target, hop in sorted(keep - has):
            try:
                ip.route("add", dst=target, gateway=hop)
            except NetlinkError as err:
                if err.code not in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.EEXIST):
                    raise
                event(logger, "networking.route_refused", logging.WARNING, target=target, hop=hop, reason=str(err))


def _gateway_routes(ip: Any, family: int) -> Iterator[tuple[str, str]]:
    for route in ip.get_routes(family=family, table=254):
        hop = route.get_attr("RTA_GATEWAY")
        if hop is None:
            continue
        anywhere = "0.0.0.0" if family == 2 else "::"
        yield f"{route.get_attr('RTA_DST') or anywhere}/{route['dst_len']}", hop


def settle_tap(tap: str, bridge: str) -> bool:
    """Keep an existing tap, which QEMU made, on its bridge and without IPv6; True when it had to be put back."""
    with _netlink() as ip:
        index, master = _index(ip, tap), _index(ip, bridge)
        if index is None or master is None:
            return False
        sysctl.without_ipv6(tap)
        if ip.get_links(index)[0].get_attr("IFLA_MASTER") == master:
            return False
        ip.link("set", index=index, master=master)
        return True


def remove(device: str) -> None:
    """Delete a device of ours, there or not."""
    if not device.startswith(names.ALL_PREFIX):
        raise NetworkingError(f"{device} is not a device of Cumulet's and stays")
    with _netlink() as ip:
        _delete(ip, device)


def _ensure_inside(end: InsideEnd) -> None:
    with _netlink() as ip:
        sysctl.end_host(end.device)
        _set(ip, "lo", state="up")
        _set(ip, end.device, address=end.mac, mtu=end.mtu, state="up")
        _sync_addresses(ip, end.device, end.addresses)
        routes = [route.get_attr("RTA_GATEWAY") for route in ip.get_default_routes(family=2)]
        if end.gateway is None:
            for gateway in routes:
                ip.route("del", dst="default", gateway=gateway)
        elif routes != [end.gateway]:
            ip.route("replace", dst="default", gateway=end.gateway, oif=_index(ip, end.device))


@contextmanager
def _netlink() -> Iterator[Any]:
    try:
        with IPRoute() as ip:
            yield ip
    except (NetlinkError, OSError) as err:
        raise NetworkingError("a change of the node's network devices was refused", detail=str(err)) from err


def _index(ip: Any, name: str) -> int | None:
    found = ip.link_lookup(ifname=name)
    return found[0] if found else None


def _set(ip: Any, name: str, **wanted: Any) -> None:
    """Set only what differs: setting an MTU or address again makes the kernel tell everyone of it."""
    index = _index(ip, name)
    if index is None:
        raise NetworkingError(f"device {name} is missing")
    link = ip.get_links(index)[0]
    has = {
        "address": link.get_attr("IFLA_ADDRESS"),
        "mtu": link.get_attr("IFLA_MTU"),
        "master": link.get_attr("IFLA_MASTER"),
        "state": "up" if link["flags"] & 1 else "down",
    }
    changed = {key: value for key, value in wanted.items() if has[key] != value}
    if changed:
        ip.link("set", index=index, **changed)


def _sync_addresses(ip: Any, name: str, wanted: Sequence[str]) -> list[str]:
    index = _index(ip, name)
    has = {f"{address.get_attr('IFA_ADDRESS')}/{address['prefixlen']}" for address in ip.get_addr(index=index)}
    has -= {text for text in has - set(wanted) if ipaddress.ip_interface(text) in _MADE_BY_THE_KERNEL}
    for text in has - set(wanted):
        address, _, length = text.partition("/")
        ip.addr("del", index=index, address=address, prefixlen=int(length))
    added = [text for text in wanted if text not in has]
    for text in added:
        address, _, length = text.partition("/")
        flags = {"flags": _NO_DAD} if ":" in address else {}
        ip.addr("add", index=index, address=address, prefixlen=int(length), **flags)
    return added


def _is_tunnel(ip: Any, name: str, vni: int, local: str) -> bool:
    """Whether an existing device is this tunnel, as these facts of one can't be changed; True where there is none."""
    index = _index(ip, name)
    if index is None:
        return True
    facts = ip.get_links(index)[0].get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA")
    has = (facts.get_attr("IFLA_VXLAN_ID"), facts.get_attr("IFLA_VXLAN_LOCAL"), facts.get_attr("IFLA_VXLAN_PORT"))
    return has == (vni, local, TUNNEL_PORT)


def _sync_flooding(ip: Any, name: str, peers: set[str]) -> None:
    index = _index(ip, name)
    entries = [entry for entry in ip.fdb("dump") if entry["ifindex"] == index]
    for entry in entries:
        learned, behind = entry.get_attr("NDA_LLADDR"), entry.get_attr("NDA_DST")
        if learned != _EVERY_MAC and behind is not None and behind not in peers:
            _forget(ip, index, learned, behind)
    has = {entry.get_attr("NDA_DST") for entry in entries if entry.get_attr("NDA_LLADDR") == _EVERY_MAC}
    for peer in has - peers - {None}:
        ip.fdb("del", ifindex=index, lladdr=_EVERY_MAC, dst=peer)
    for peer in sorted(peers - has):
        ip.fdb("append", ifindex=index, lladdr=_EVERY_MAC, dst=peer)


def _forget(ip: Any, index: int | None, mac: str, behind: str) -> None:
    """A guest that was behind a node that left is looked for everywhere from now on."""
    try:
        ip.fdb("del", ifindex=index, lladdr=mac, dst=behind)
    except NetlinkError as err:
        if err.code != errno.ENOENT:  # it aged out in this moment
            raise


def _delete(ip: Any, name: str) -> None:
    index = _index(ip, name)
    if index is None:
        return
    try:
        ip.link("del", index=index)
    except NetlinkError as err:
        if err.code != errno.ENODEV:  # gone in this moment with the namespace that its other end was in
            raise
