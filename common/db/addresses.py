"""Addresses: chosen, given and taken back by INSERT … ON CONFLICT DO NOTHING; the primary key decides every race.

A port gets what its owner asked for, or one address per IP version (and one in every subnet where hosts make their
own address from their MAC), as Neutron gives them. Callers hold the network's row against deletion.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import IpAllocation, Subnet
from common.db.upsert import insert_ignore
from common.errors import Conflict, InvalidRequest, NoAddressLeft

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
RANDOM_TRIES = 6
ROUNDS = 20
CANDIDATES = 32
AUTO_MODES = ("slaac", "dhcpv6-stateless")


@dataclass(frozen=True)
class RequestedAddress:
    """What a port's owner asks for: an address, an address in a subnet, or any address of a subnet."""

    subnet_id: str | None = None
    ip_address: str | None = None


@dataclass(frozen=True)
class Holder:
    """The port that addresses are for.

    is_router: it may have any address, also where hosts make their own from their MAC.
    """

    port_id: str
    network_id: str
    mac_address: str
    is_router: bool = False


def eui64(cidr: str, mac: str) -> str:
    """The address a host makes of its MAC in an IPv6 /64 (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    interface = bytes((octets[0] ^ 2, octets[1], octets[2], 0xFF, 0xFE, octets[3], octets[4], octets[5]))
    return str(ipaddress.IPv6Address(int(ipaddress.IPv6Network(cidr).network_address) + int.from_bytes(interface)))


def is_auto(subnet: Subnet) -> bool:
    """True where hosts make their own address: the control plane only writes down which one."""
    return subnet.ip_version == 6 and subnet.ipv6_address_mode in AUTO_MODES


def canonical(text: str) -> str:
    """The one spelling of an address that is stored. Raises InvalidRequest."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as err:
        raise InvalidRequest(f"{text[:64]!r} is not a valid IP address.", neutron_type="InvalidInput") from err


def assign(
    session: Session, holder: Holder, subnets: Sequence[Subnet], requested: Sequence[RequestedAddress] | None
) -> None:
    """Give addresses to a port: those requested, else one per IP version; a host's always one in every auto subnet, too.

    An empty request means none at all. Raises NoAddressLeft, Conflict (address in use), InvalidRequest.
    """
    if requested is not None and not requested:
        return
    if requested is not None:
        chosen = [_requested(session, holder, subnets, wish) for wish in requested]
    else:
        chosen = _one_per_version(session, holder, subnets)
    if requested is not None and holder.is_router:
        _number(session, chosen)
        return
    taken = {subnet_id for subnet_id, _ in chosen}
    for subnet in subnets:
        if is_auto(subnet) and subnet.id not in taken:
            chosen.append((subnet.id, _claim_fixed(session, holder, subnet, eui64(subnet.cidr, holder.mac_address))))
    _number(session, chosen)


def replace(
    session: Session,
    holder: Holder,
    subnets: Sequence[Subnet],
    requested: Sequence[RequestedAddress],
) -> None:
    """Make a port's addresses what is requested, keeping those that it has and still wants."""
    have = list(session.scalars(sa.select(IpAllocation).where(IpAllocation.port_id == holder.port_id)))
    kept: list[tuple[str, str]] = []
    wanted: list[RequestedAddress] = []
    for wish in requested:
        match = next((row for row in have if _matches(row, wish)), None)
        if match is None:
            wanted.append(wish)
        else:
            have.remove(match)
            kept.append((match.subnet_id, match.ip_address))
    if have:
        gone = [row.ip_address for row in have]
        session.execute(
            sa.delete(IpAllocation)
            .where(IpAllocation.port_id == holder.port_id, IpAllocation.ip_address.in_(gone))
            .execution_options(synchronize_session=False)
        )
    kept += [_requested(session, holder, subnets, wish) for wish in wanted]
    _number(session, kept)


def take_first(session: Session, holder: Holder, subnet: Subnet) -> str:
    """The lowest free address of a subnet's pools; what the DHCP port takes. Raises NoAddressLeft."""
    if is_auto(subnet):
        return _claim_fixed(session, holder, subnet, eui64(subnet.cidr, holder.mac_address))
    for _ in range(ROUNDS):
        address = next(_free(subnet, _used(session, subnet.id)), None)
        if address is None:
            break
        if _insert(session, holder, subnet.id, address):
            return address
    raise no_address_left(holder.network_id)


def no_address_left(network_id: str) -> NoAddressLeft:
    return NoAddressLeft(
        f"No more IP addresses available on network {network_id}.",
        network_id=network_id,
        neutron_type="IpAddressGenerationFailure",
    )


def _one_per_version(session: Session, holder: Holder, subnets: Sequence[Subnet]) -> list[tuple[str, str]]:
    chosen = []
    for version in (4, 6):
        pools = [subnet for subnet in subnets if subnet.ip_version == version and not is_auto(subnet)]
        if pools:
            chosen.append(_from_any(session, holder, pools))
    return chosen


def _from_any(session: Session, holder: Holder, subnets: Sequence[Subnet]) -> tuple[str, str]:
    for subnet in subnets:
        address = _claim_any(session, holder, subnet)
        if address is not None:
            return subnet.id, address
    raise no_address_left(holder.network_id)


def _requested(session: Session, holder: Holder, subnets: Sequence[Subnet], wish: RequestedAddress) -> tuple[str, str]:
    subnet = _subnet_of(holder, subnets, wish)
    if wish.ip_address is not None:
        return subnet.id, _claim_fixed(session, holder, subnet, canonical(wish.ip_address), asked=True)
    if is_auto(subnet):
        return subnet.id, _claim_fixed(session, holder, subnet, eui64(subnet.cidr, holder.mac_address))
    return _from_any(session, holder, [subnet])


def _subnet_of(holder: Holder, subnets: Sequence[Subnet], wish: RequestedAddress) -> Subnet:
    if wish.subnet_id is not None:
        found = next((subnet for subnet in subnets if subnet.id == wish.subnet_id), None)
        if found is None:
            raise InvalidRequest(
                f"Failed to create port on network {holder.network_id}, because fixed_ips included invalid subnet "
                f"{wish.subnet_id}.",
                neutron_type="InvalidInput",
            )
        return found
    if wish.ip_address is None:
        raise InvalidRequest("IP allocation requires subnet_id or ip_address.", neutron_type="InvalidInput")
    address = ipaddress.ip_address(canonical(wish.ip_address))
    for subnet in subnets:
        if address in ipaddress.ip_network(subnet.cidr):
            return subnet
    raise InvalidRequest(
        f"IP address {address} is not a valid IP for any of the subnets on the specified network.",
        neutron_type="InvalidIpForNetwork",
    )


def _claim_fixed(session: Session, holder: Holder, subnet: Subnet, address: str, *, asked: bool = False) -> str:
    if asked:
        _check_usable(holder, subnet, address)
    if not _insert(session, holder, subnet.id, address):
        raise Conflict(
            f"IP address {address} already allocated in subnet {subnet.id}",
            ip_address=address,
            neutron_type="IpAddressAlreadyAllocated",
        )
    return address


def _check_usable(holder: Holder, subnet: Subnet, address: str) -> None:
    network = ipaddress.ip_network(subnet.cidr)
    parsed = ipaddress.ip_address(address)
    ends = {network.network_address} if network.prefixlen < network.max_prefixlen - 1 else set()
    if network.version == 4 and network.prefixlen < 31:
        ends.add(network.broadcast_address)
    if parsed not in network or parsed in ends:
        raise InvalidRequest(
            f"IP address {address} is not a valid IP for the specified subnet.", neutron_type="InvalidIpForSubnet"
        )
    if is_auto(subnet) and not holder.is_router and address != eui64(subnet.cidr, holder.mac_address):
        raise InvalidRequest(
            f"IPv6 address {address} can not be directly assigned to a port on subnet {subnet.id} as the subnet is "
            f"configured for automatic addresses",
            neutron_type="AllocationOnAutoAddressSubnet",
        )


def _claim_any(session: Session, holder: Holder, subnet: Subnet) -> str | None:
    """Any free address; None when the pools are exhausted. Random first: it costs one statement while there is room."""
    for _ in range(RANDOM_TRIES):
        address = _random(subnet)
        if address is not None and _insert(session, holder, subnet.id, address):
            return address
    for _ in range(ROUNDS):
        free = _free(subnet, _used(session, subnet.id))
        candidates = [address for address, _ in zip(free, range(CANDIDATES), strict=False)]
        if not candidates:
            return None
        random.shuffle(candidates)
        for address in candidates:
            if _insert(session, holder, subnet.id, address):
                return address
    return None


def _insert(session: Session, holder: Holder, subnet_id: str, address: str) -> bool:
    return (
        insert_ignore(
            session,
            IpAllocation,
            [
                {
                    "subnet_id": subnet_id,
                    "ip_address": address,
                    "network_id": holder.network_id,
                    "port_id": holder.port_id,
                    "position": 0,
                }
            ],
        )
        == 1
    )


def _used(session: Session, subnet_id: str) -> set[str]:
    return set(session.scalars(sa.select(IpAllocation.ip_address).where(IpAllocation.subnet_id == subnet_id)))


def _ranges(subnet: Subnet) -> list[tuple[int, int]]:
    return [
        (int(ipaddress.ip_address(pool["start"])), int(ipaddress.ip_address(pool["end"])))
        for pool in subnet.allocation_pools
    ]


def _text(subnet: Subnet, number: int) -> str:
    return str(ipaddress.IPv4Address(number) if subnet.ip_version == 4 else ipaddress.IPv6Address(number))


def _random(subnet: Subnet) -> str | None:
    ranges = _ranges(subnet)
    total = sum(end - start + 1 for start, end in ranges)
    if total <= 0:
        return None
    offset = random.randrange(total)
    for start, end in ranges:
        if offset <= end - start:
            return _text(subnet, start + offset)
        offset -= end - start + 1
    return None


def _free(subnet: Subnet, used: set[str]) -> Iterator[str]:
    """Free addresses in order; stops early, so that a /64 costs no more than what is used of it."""
    for start, end in _ranges(subnet):
        for number in range(start, end + 1):
            address = _text(subnet, number)
            if address not in used:
                yield address


def _matches(row: IpAllocation, wish: RequestedAddress) -> bool:
    if wish.subnet_id is not None and wish.subnet_id != row.subnet_id:
        return False
    return wish.ip_address is None or canonical(wish.ip_address) == row.ip_address


def _number(session: Session, chosen: Sequence[tuple[str, str]]) -> None:
    """Keep the order in which addresses were asked for; rows start at 0, so one address needs no statement."""
    for position, (subnet_id, address) in enumerate(chosen):
        if position or len(chosen) > 1:
            session.execute(
                sa.update(IpAllocation)
                .where(IpAllocation.subnet_id == subnet_id, IpAllocation.ip_address == address)
                .values(position=position)
                .execution_options(synchronize_session=False)
            )


def for_ports(session: Session, port_ids: Sequence[str]) -> dict[str, list[IpAllocation]]:
    """Addresses by port, in the order in which they were asked for; one statement."""
    found: dict[str, list[IpAllocation]] = {}
    if not port_ids:
        return found
    rows = session.scalars(
        sa.select(IpAllocation)
        .where(IpAllocation.port_id.in_(port_ids))
        .order_by(IpAllocation.port_id, IpAllocation.position, IpAllocation.ip_address)
        .execution_options(populate_existing=True)
    )
    for row in rows:
        found.setdefault(row.port_id, []).append(row)
    return found


def release(session: Session, port_id: str, subnet_id: str | None = None) -> None:
    """Take back a port's addresses, all or those of one subnet."""
    condition: list[sa.ColumnElement[bool]] = [IpAllocation.port_id == port_id]
    if subnet_id is not None:
        condition.append(IpAllocation.subnet_id == subnet_id)
    session.execute(sa.delete(IpAllocation).where(*condition).execution_options(synchronize_session=False))


def used_by_network(session: Session, network_ids: Sequence[str]) -> dict[str, int]:
    """How many addresses are given, by subnet id; one statement."""
    rows = session.execute(
        sa.select(IpAllocation.subnet_id, sa.func.count())
        .where(IpAllocation.network_id.in_(network_ids))
        .group_by(IpAllocation.subnet_id)
    )
    return dict(rows.all())
