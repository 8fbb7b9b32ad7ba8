"""Subnet pools and address scopes: prefixes that don't overlap within a scope, and CIDRs carved from a pool once each.

Every change of a pool, and every subnet made from it, holds the pool's row; every change of a scope's pools holds the
scope's. Lock order: quota, scope, pool, network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import AddressScope, Subnet, SubnetPool
from common.errors import Conflict, InvalidRequest, NotFound, QuotaExceeded

Prefix = ipaddress.IPv4Network | ipaddress.IPv6Network


def hold(session: Session, pool_id: str) -> SubnetPool:
    """Raises NotFound."""
    pool = session.scalar(
        sa.select(SubnetPool)
        .where(SubnetPool.id == pool_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if pool is None:
        raise NotFound(f"Subnet pool {pool_id} could not be found.", neutron_type="SubnetPoolNotFound")
    return pool


def default_id(session: Session, ip_version: int) -> str | None:
    """The pool that subnets of this version come from when nobody names one."""
    return session.scalar(sa.select(SubnetPool.id).where(SubnetPool.default_version == ip_version))


def allocated(session: Session, pool_id: str) -> list[Prefix]:
    return [ipaddress.ip_network(cidr) for cidr in session.scalars(_cidrs(pool_id))]


def _cidrs(pool_id: str) -> sa.Select[str]:
    return sa.select(Subnet.cidr).where(Subnet.subnetpool_id == pool_id)


def check_scope(session: Session, scope_id: str, pool_id: str, prefixes: Sequence[Prefix]) -> None:
    """Hold the scope. Raises Conflict when another pool in it has any of the addresses."""
    session.scalar(sa.select(AddressScope.id).where(AddressScope.id == scope_id).with_for_update(key_share=True))
    others = session.scalars(
        sa.select(SubnetPool.prefixes).where(SubnetPool.address_scope_id == scope_id, SubnetPool.id != pool_id)
    )
    taken = [ipaddress.ip_network(text) for prefixes_ in others for text in prefixes_]
    if any(mine.overlaps(theirs) for mine in prefixes for theirs in taken if mine.version == theirs.version):
        raise Conflict(
            "Failed to associate address scope: subnetpools within an address scope must have unique prefixes.",
            neutron_type="AddressScopePrefixConflict",
        )


def carve(session: Session, pool: SubnetPool, project_id: str, *, cidr: str | None, prefixlen: int | None) -> str:
    """A CIDR of the pool that no subnet has; the one asked for, or any of this length. The caller holds the pool.

    Raises InvalidRequest (length out of bounds), Conflict (no room), QuotaExceeded (the project's part of the pool).
    """
    asked = ipaddress.ip_network(cidr, strict=False) if cidr else None
    length = asked.prefixlen if asked is not None else (prefixlen or pool.default_prefixlen)
    _check_length(pool, length)
    _check_quota(session, pool, project_id, length)
    free = without([ipaddress.ip_network(text) for text in pool.prefixes], allocated(session, pool.id))
    if asked is not None:
        if not any(asked.version == each.version and _inside(asked, each) for each in free):
            raise _no_room("Cannot allocate requested subnet from the available set of prefixes")
        return str(asked)
    for each in sorted(free, key=lambda prefix: (-prefix.prefixlen, int(prefix.network_address))):
        if each.prefixlen <= length:
            return str(next(each.subnets(new_prefix=length)))
    raise _no_room(f"Insufficient prefix space to allocate subnet size /{length}")


def _inside(inner: Prefix, outer: Prefix) -> bool:
    return inner.subnet_of(outer)  # type: ignore[arg-type]


def _check_length(pool: SubnetPool, length: int) -> None:
    for limit, word, low in ((pool.min_prefixlen, "minimum", True), (pool.max_prefixlen, "maximum", False)):
        if length < limit if low else length > limit:
            raise InvalidRequest(
                f"Unable to allocate subnet with prefix length {length}, {word} allowed prefix is {limit}.",
                neutron_type="MinPrefixSubnetAllocationError" if low else "MaxPrefixSubnetAllocationError",
            )


def _check_quota(session: Session, pool: SubnetPool, project_id: str, length: int) -> None:
    """default_quota counts addresses of IPv4 and /64s of IPv6."""
    if pool.default_quota is None:
        return
    theirs = session.scalars(_cidrs(pool.id).where(Subnet.project_id == project_id))
    used = sum(_units(pool.ip_version, ipaddress.ip_network(cidr).prefixlen) for cidr in theirs)
    if used + _units(pool.ip_version, length) > pool.default_quota:
        raise QuotaExceeded(
            "Per-tenant subnet pool prefix quota exceeded.", neutron_type="SubnetPoolQuotaExceeded", http_status=409
        )


def _units(ip_version: int, length: int) -> int:
    width = 32 if ip_version == 4 else 64
    return 1 << max(width - length, 0)


def without(prefixes: Sequence[Prefix], taken: Iterable[Prefix]) -> list[Prefix]:
    """The prefixes less what is taken, as prefixes."""
    free = list(prefixes)
    for each in taken:
        left: list[Prefix] = []
        for prefix in free:
            if prefix.version != each.version or not prefix.overlaps(each):
                left.append(prefix)
            elif _inside(each, prefix) and each != prefix:
                left.extend(prefix.address_exclude(each))  # type: ignore[arg-type]
        free = left
    return free


def _no_room(reason: str) -> Conflict:
    return Conflict(f"Failed to allocate subnet: {reason}.", neutron_type="SubnetAllocationError")


def check_affinity(session: Session, network_id: str, ip_version: int, pool_id: str | None) -> None:
    """Raises InvalidRequest unless the network's other subnets of this version come from the same pool, or none."""
    pools = session.scalars(
        sa.select(Subnet.subnetpool_id)
        .where(Subnet.network_id == network_id, Subnet.ip_version == ip_version)
        .distinct()
    ).all()
    if any(other != pool_id for other in pools):
        raise InvalidRequest(
            "Subnets hosted on the same network must be allocated from the same subnet pool.",
            neutron_type="NetworkSubnetPoolAffinityError",
        )
