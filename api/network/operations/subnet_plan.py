"""The arithmetic of a subnet: CIDR, gateway, pools and routes, checked and put into one spelling. Pure."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping, Sequence

from api.network.problems import invalid
from common.errors import Conflict, InvalidRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_NAMESERVERS = 5
MAX_ROUTES = 20
AUTO_MODES = ("slaac", "dhcpv6-stateless")


def network_of(cidr: str, ip_version: int) -> Network:
    """Raises InvalidRequest for what isn't a CIDR of this version that hosts can use."""
    network = _cidr("cidr", cidr)
    if network.version != ip_version:
        raise invalid(f"cidr '{cidr}' does not match the ip_version '{ip_version}'.")
    if network.is_multicast or network.is_loopback or network.prefixlen == 0 or network.is_reserved:
        raise invalid(f"The subnet {network} can't hold hosts: it is multicast, loopback, reserved or everything.")
    if network.overlaps(ipaddress.ip_network("169.254.0.0/16" if ip_version == 4 else "fe80::/10")):
        raise invalid(f"The subnet {network} overlaps the link-local range.")
    return network


def check_modes(network: Network, enable_dhcp: bool, ra_mode: str | None, address_mode: str | None) -> None:
    """Raises InvalidRequest for IPv6 modes that don't fit each other or the subnet."""
    asked = [mode for mode in (ra_mode, address_mode) if mode]
    if not asked:
        return
    if network.version == 4:
        raise invalid("ipv6_ra_mode and ipv6_address_mode are not valid when ip_version is 4.")
    if not enable_dhcp:
        raise invalid("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.")
    if len(set(asked)) > 1:
        raise invalid(
            f"ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode set to '{address_mode}' is not valid. If both "
            f"attributes are set, they must be the same value."
        )
    if asked[0] in AUTO_MODES and network.prefixlen != 64:
        raise invalid(
            f"Invalid CIDR {network} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires "
            f"the prefix to be /64."
        )


def check_dhcp(network: Network, enable_dhcp: bool) -> None:
    if enable_dhcp and network.prefixlen > network.max_prefixlen - 2:
        raise invalid("Subnet has a prefix length that is incompatible with DHCP service enabled.")


def gateway_of(network: Network, asked: str | None) -> str:
    """The gateway: the one asked for, else the first address. Raises InvalidRequest."""
    if asked is None:
        return str(network.network_address + (1 if network.num_addresses > 1 else 0))
    gateway = address("gateway_ip", asked)
    if gateway.version != network.version:
        raise invalid(f"gateway_ip '{asked}' does not match the ip_version '{network.version}'.")
    if gateway.is_link_local and network.version == 6:
        return str(gateway)
    ends = {network.network_address} | ({network.broadcast_address} if network.version == 4 else set())
    if gateway not in network or (gateway in ends and network.prefixlen < network.max_prefixlen - 1):
        raise invalid("Gateway is not valid on subnet.")
    return str(gateway)


def pools_of(network: Network, gateway: str | None, asked: Sequence[Mapping[str, str]] | None) -> list[dict[str, str]]:
    """The ranges that addresses are given from: those asked for, else everything but the gateway and the ends."""
    if asked is None:
        return _default_pools(network, gateway)
    ranges = sorted((_pool(network, pool) for pool in asked), key=lambda pair: int(pair[0]))
    for (start, end), (later, last) in itertools.pairwise(ranges):
        if int(later) <= int(end):
            raise Conflict(
                f"Found overlapping allocation pools: {start}-{end} {later}-{last} for subnet {network}.",
                neutron_type="OverlappingAllocationPools",
            )
    for start, end in ranges:
        if gateway is not None and int(start) <= int(ipaddress.ip_address(gateway)) <= int(end):
            raise Conflict(
                f"Gateway ip {gateway} conflicts with allocation pool {start}-{end}.",
                neutron_type="GatewayConflictWithAllocationPools",
            )
    return [{"start": str(start), "end": str(end)} for start, end in ranges]


def check_gateway_outside(gateway: str, pools: Sequence[Mapping[str, str]]) -> None:
    """Raises Conflict when a gateway lies in a range that ports get addresses from."""
    number = int(ipaddress.ip_address(gateway))
    for pool in pools:
        if int(ipaddress.ip_address(pool["start"])) <= number <= int(ipaddress.ip_address(pool["end"])):
            raise Conflict(
                f"Gateway ip {gateway} conflicts with allocation pool {pool['start']}-{pool['end']}.",
                neutron_type="GatewayConflictWithAllocationPools",
            )


def nameservers(asked: Sequence[str]) -> tuple[str, ...]:
    if len(asked) > MAX_NAMESERVERS:
        raise InvalidRequest(
            f"Unable to complete operation for new subnet. The number of DNS nameservers exceeds the limit "
            f"{MAX_NAMESERVERS}.",
            neutron_type="DNSNameServersExhausted",
        )
    found = tuple(str(address("dns_nameservers", text)) for text in asked)
    if len(set(found)) < len(found):
        raise invalid("dns_nameservers holds an address twice.")
    return found


def routes(asked: Sequence[Mapping[str, str]], ip_version: int) -> tuple[dict[str, str], ...]:
    if len(asked) > MAX_ROUTES:
        raise InvalidRequest(
            f"Unable to complete operation for new subnet. The number of host routes exceeds the limit {MAX_ROUTES}.",
            neutron_type="HostRoutesExhausted",
        )
    found = []
    for route in asked:
        destination, nexthop = _cidr("destination", route["destination"]), address("nexthop", route["nexthop"])
        if destination.version != ip_version or nexthop.version != ip_version:
            raise invalid(f"Host route {destination} by {nexthop} does not match the ip_version '{ip_version}'.")
        found.append({"destination": str(destination), "nexthop": str(nexthop)})
    return tuple(found)


def address(name: str, text: str) -> Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as err:
        raise InvalidRequest(f"Invalid input for {name}. Reason: '{text[:64]}' is not a valid IP address.") from err


def _cidr(name: str, text: str) -> Network:
    try:
        if "/" not in text:
            raise ValueError(text)
        return ipaddress.ip_network(text, strict=False)
    except ValueError as err:
        raise InvalidRequest(f"Invalid input for {name}. Reason: '{text[:64]}' is not a valid IP subnet.") from err


def _usable(network: Network) -> tuple[int, int]:
    """The first and last number a host may have."""
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.prefixlen >= network.max_prefixlen - 1:
        return first, last
    return first + 1, last - (1 if network.version == 4 else 0)


def _default_pools(network: Network, gateway: str | None) -> list[dict[str, str]]:
    kind = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
    first, last = _usable(network)
    ranges = [(first, last)]
    if gateway is not None and first <= int(ipaddress.ip_address(gateway)) <= last:
        middle = int(ipaddress.ip_address(gateway))
        ranges = [(first, middle - 1), (middle + 1, last)]
    return [{"start": str(kind(start)), "end": str(kind(end))} for start, end in ranges if start <= end]


def _pool(network: Network, pool: Mapping[str, str]) -> tuple[Address, Address]:
    start, end = address("allocation_pools", pool["start"]), address("allocation_pools", pool["end"])
    if start.version != end.version or start.version != network.version or int(start) > int(end):
        raise InvalidRequest(f"The allocation pool {start}-{end} is not valid.", neutron_type="InvalidAllocationPool")
    first, last = _usable(network)
    if int(start) < first or int(end) > last:
        raise InvalidRequest(
            f"The allocation pool {start}-{end} spans beyond the subnet cidr {network}.",
            neutron_type="OutOfBoundsAllocationPool",
        )
    return start, end
