"""What requests about subnet pools mean: prefixes, bounds and defaults, checked as Neutron checks them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations import shareable
from api.network.operations.shareable import Shown
from api.network.problems import invalid, neutron_quota
from api.request import ApiRequest
from common.db import network_quota, quotas, sharing, subnet_pools
from common.db.models import Subnet, SubnetPool
from common.db.rbac_policies import ADDRESS_SCOPE, SUBNET_POOL
from common.db.subnet_pools import Prefix
from common.db.upsert import insert
from common.errors import InvalidRequest
from common.ids import new_id

COLUMNS: shareable.Columns = {
    "id": SubnetPool.id,
    "project_id": SubnetPool.project_id,
    "name": SubnetPool.name,
    "description": SubnetPool.description,
    "ip_version": SubnetPool.ip_version,
    "default_prefixlen": SubnetPool.default_prefixlen,
    "min_prefixlen": SubnetPool.min_prefixlen,
    "max_prefixlen": SubnetPool.max_prefixlen,
    "default_quota": SubnetPool.default_quota,
    "address_scope_id": SubnetPool.address_scope_id,
    "revision_number": SubnetPool.revision_number,
    "created_at": SubnetPool.created_at,
    "updated_at": SubnetPool.updated_at,
}
_LOWEST, _WIDTH = {4: 8, 6: 64}, {4: 32, 6: 128}


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[Shown]:
    """All or none."""
    limits = network_quota.defaults(request.services.config.quota)

    def work(session: Session) -> list[Shown]:
        rows = [_create(session, request, body, limits) for body in bodies]
        return shareable.shown(session, request, rows)

    with neutron_quota():
        return request.services.db.run(work)


def _create(session: Session, request: ApiRequest, body: dict[str, Any], limits: Mapping[str, int]) -> SubnetPool:
    quotas.take(session, body["project_id"], {"subnetpool": 1}, limits)
    now, prefixes = request.services.clock.now(), _prefixes(body["prefixes"])
    version = prefixes[0].version
    pool = SubnetPool(
        id=new_id(),
        project_id=body["project_id"],
        name=body["name"],
        description=body.get("description", ""),
        ip_version=version,
        prefixes=[str(each) for each in prefixes],
        **_lengths(version, body, {}),
        default_quota=body.get("default_quota"),
        address_scope_id=body.get("address_scope_id"),
        revision_number=0,
        created_at=now,
        updated_at=now,
    )
    _check_scope(session, request, pool, None)
    _set_default(session, pool, wanted=body.get("is_default", False))
    insert(session, pool)
    if body.get("shared"):
        shareable.share(session, SUBNET_POOL, pool, body)
    return pool


def _prefixes(asked: Sequence[str]) -> list[Prefix]:
    """Merged and sorted. Raises InvalidRequest."""
    try:
        found = [ipaddress.ip_network(text, strict=False) for text in asked if "/" in text or _bad(text)]
    except ValueError as err:
        raise invalid(f"prefixes: {err}") from err
    if not found:
        raise InvalidRequest("Empty subnet pool prefix list.", neutron_type="EmptySubnetPoolPrefixList")
    if len({each.version for each in found}) > 1:
        raise InvalidRequest(
            "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", neutron_type="PrefixVersionMismatch"
        )
    return list(ipaddress.collapse_addresses(found))  # type: ignore[type-var]


def _bad(text: str) -> bool:
    raise ValueError(f"{text[:64]!r} is not a CIDR")


def _lengths(version: int, body: Mapping[str, Any], present: Mapping[str, int]) -> dict[str, int]:
    """The three lengths, with defaults, in order. Raises InvalidRequest."""
    low = int(body.get("min_prefixlen", present.get("min_prefixlen", _LOWEST[version])))
    high = int(body.get("max_prefixlen", present.get("max_prefixlen", _WIDTH[version])))
    default = int(body.get("default_prefixlen", present.get("default_prefixlen", low)))
    for name, value, other, bound, wrong in (
        ("max_prefixlen", high, "the widest possible", _WIDTH[version], high > _WIDTH[version]),
        ("min_prefixlen", low, "max_prefixlen", high, low > high),
        ("default_prefixlen", default, "min_prefixlen", low, default < low),
        ("default_prefixlen", default, "max_prefixlen", high, default > high),
    ):
        if wrong:
            raise InvalidRequest(
                f"Illegal prefix bounds: {name}={value}, {other}={bound}.", neutron_type="IllegalSubnetPoolPrefixBounds"
            )
    return {"min_prefixlen": low, "max_prefixlen": high, "default_prefixlen": default}


def _check_scope(session: Session, request: ApiRequest, pool: SubnetPool, before: str | None) -> None:
    """The pool's scope is one that the caller sees, of its version, where nobody else has these prefixes."""
    if pool.address_scope_id is None:
        return
    scope = sharing.get_visible(session, ADDRESS_SCOPE, pool.address_scope_id, request.context)
    if pool.address_scope_id == before and not request.context.owns(scope.project_id):
        raise _illegal_scope(pool, "whose owner alone may change the prefixes in it")
    if scope.ip_version != pool.ip_version:
        raise _illegal_scope(pool, f"because its ip_version {scope.ip_version} differs")
    prefixes = [ipaddress.ip_network(text) for text in pool.prefixes]
    subnet_pools.check_scope(session, scope.id, pool.id, prefixes)


def _illegal_scope(pool: SubnetPool, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"Illegal subnetpool association: subnetpool {pool.id} cannot be associated with address scope "
        f"{pool.address_scope_id} {why}.",
        neutron_type="IllegalSubnetPoolAssociationToAddressScope",
    )


def _set_default(session: Session, pool: SubnetPool, *, wanted: bool) -> None:
    holder = subnet_pools.default_id(session, pool.ip_version) if wanted else None
    if holder not in (None, pool.id):
        raise invalid(
            "A default subnetpool for this IP family has already been set. Only one default may exist per IP family"
        )
    pool.default_version = pool.ip_version if wanted else None


def update(request: ApiRequest, pool_id: str, changes: dict[str, Any]) -> Shown:
    def work(session: Session) -> Shown:
        pool: SubnetPool = shareable.held(session, request, SUBNET_POOL, pool_id, "update")
        before = pool.address_scope_id
        values: dict[str, Any] = {name: changes[name] for name in _PLAIN if name in changes}
        if "prefixes" in changes:
            values["prefixes"] = _grown(pool, changes["prefixes"])
        values |= _lengths(pool.ip_version, changes, {name: getattr(pool, name) for name in _LENGTHS})
        pool.address_scope_id = changes.get("address_scope_id", before)
        pool.prefixes = values.get("prefixes", pool.prefixes)
        if {"prefixes", "address_scope_id"} & set(changes):
            _check_scope(session, request, pool, before if "prefixes" in changes else None)
        if "is_default" in changes:
            _set_default(session, pool, wanted=changes["is_default"])
        shareable.change(session, request, pool, values)
        return shareable.shown(session, request, [pool])[0]

    return request.services.db.run(work)


_PLAIN = ("name", "description", "default_quota")
_LENGTHS = ("min_prefixlen", "max_prefixlen", "default_prefixlen")


def _grown(pool: SubnetPool, asked: Sequence[str]) -> list[str]:
    """Raises InvalidRequest when an address would leave the pool: add_prefixes and remove_prefixes are for that."""
    new = _prefixes(asked)
    for text in pool.prefixes:
        old = ipaddress.ip_network(text)
        if not any(each.version == old.version and old.subnet_of(each) for each in new):  # type: ignore[arg-type]
            raise _shrunk(f"Existing prefixes must be a subset of the new prefixes; {text} is missing")
    return [str(each) for each in new]


def _shrunk(reason: str) -> InvalidRequest:
    return InvalidRequest(f"Illegal update to prefixes: {reason}.", neutron_type="IllegalSubnetPoolPrefixUpdate")


def add_prefixes(request: ApiRequest, pool_id: str, asked: Sequence[str]) -> list[str]:
    """The pool's prefixes after it. Raises Conflict when another pool of its scope has one."""

    def work(session: Session) -> list[str]:
        pool: SubnetPool = shareable.held(session, request, SUBNET_POOL, pool_id, "update")
        pool.prefixes = [str(each) for each in _prefixes([*pool.prefixes, *asked])]
        _check_scope(session, request, pool, pool.address_scope_id)
        shareable.change(session, request, pool, {})
        return list(pool.prefixes)

    return request.services.db.run(work)


def remove_prefixes(request: ApiRequest, pool_id: str, asked: Sequence[str]) -> list[str]:
    """The pool's prefixes after it. Raises InvalidRequest while a subnet has one of the addresses."""

    def work(session: Session) -> list[str]:
        pool: SubnetPool = shareable.held(session, request, SUBNET_POOL, pool_id, "update")
        gone = _prefixes(asked)
        for subnet in subnet_pools.allocated(session, pool_id):
            if any(each.version == subnet.version and each.overlaps(subnet) for each in gone):
                raise _shrunk(f"subnet {subnet} is allocated from it")
        left = subnet_pools.without([ipaddress.ip_network(text) for text in pool.prefixes], gone)
        if not left:
            raise InvalidRequest("Empty subnet pool prefix list.", neutron_type="EmptySubnetPoolPrefixList")
        merged = ipaddress.collapse_addresses(left)  # type: ignore[type-var]
        shareable.change(session, request, pool, {"prefixes": [str(each) for each in merged]})
        return list(pool.prefixes)

    return request.services.db.run(work)


def delete(request: ApiRequest, pool_id: str) -> None:
    """Raises InvalidRequest while a subnet is allocated from it."""

    def work(session: Session) -> None:
        pool: SubnetPool = shareable.held(session, request, SUBNET_POOL, pool_id, "delete")
        if sharing.is_named(session, Subnet.subnetpool_id, pool_id):
            raise InvalidRequest(
                "Unable to delete subnet pool: Subnet pool has existing allocations.",
                neutron_type="SubnetPoolDeleteError",
            )
        sharing.forget(session, pool_id)
        quotas.release(session, pool.project_id, {"subnetpool": 1})
        session.delete(pool)

    request.services.db.run(work)
