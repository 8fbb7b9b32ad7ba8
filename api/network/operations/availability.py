"""How many addresses networks have and have given away; for administrators."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.request import ApiRequest
from common.db import addresses, networks, subnets
from common.db.filters import Filters
from common.db.models import Network, Subnet
from common.db.paging import Page


@dataclass(frozen=True)
class SubnetUse:
    subnet: Subnet
    used: int
    total: int


@dataclass(frozen=True)
class NetworkUse:
    network: Network
    subnets: Sequence[SubnetUse]


def list_(request: ApiRequest, filters: Filters, page: Page, ip_version: int | None) -> list[NetworkUse]:
    with request.services.db.read() as session:
        return _use(session, networks.list_(session, request.context, filters, page), ip_version)


def show(request: ApiRequest, network_id: str) -> NetworkUse:
    with request.services.db.read() as session:
        return _use(session, [networks.get_visible(session, network_id, request.context)], None)[0]


def _use(session: Session, rows: Sequence[Network], ip_version: int | None) -> list[NetworkUse]:
    ids = [row.id for row in rows]
    by_network, used = subnets.of_networks(session, ids), addresses.used_by_network(session, ids)
    return [
        NetworkUse(
            row,
            [
                SubnetUse(subnet, used.get(subnet.id, 0), _size(subnet))
                for subnet in by_network[row.id]
                if ip_version in (None, subnet.ip_version)
            ],
        )
        for row in rows
    ]


def _size(subnet: Subnet) -> int:
    return sum(
        int(ipaddress.ip_address(pool["end"])) - int(ipaddress.ip_address(pool["start"])) + 1
        for pool in subnet.allocation_pools
    )
