"""What requests about subnets mean."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations import subnet_plan
from api.network.operations.common import check_owner
from api.network.problems import check_revision, neutron_quota
from api.request import ApiRequest
from common.context import RequestContext
from common.db import network_quota, networks, sharing, subnet_pools, subnets
from common.db.filters import Filters
from common.db.models import Subnet
from common.db.paging import Page
from common.db.rbac_policies import SUBNET_POOL
from common.db.subnets import NewSubnet
from common.errors import InvalidRequest, NotFound


@dataclass(frozen=True)
class ShownSubnet:
    subnet: Subnet
    shared: bool


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[ShownSubnet]:
    """All or none."""
    config, now = request.services.config, request.services.clock.now()
    limits = network_quota.defaults(config.quota)

    def work(session: Session) -> list[ShownSubnet]:
        made = []
        for body in bodies:
            new = plan(_placed(session, request, body))
            network = networks.get_visible(session, new.network_id, request.context)
            if not request.context.owns(network.project_id):
                raise networks.not_found(new.network_id)
            subnet = subnets.create(session, new, now, mac_prefix=config.network.mac_prefix, limits=limits)
            made.append(_shown(session, [subnet], request.context)[0])
        return made

    with neutron_quota():
        return request.services.db.run(work)


def _placed(session: Session, request: ApiRequest, body: dict[str, Any]) -> dict[str, Any]:
    """The body with a CIDR: its own, or one carved from the pool that it names or the cloud's default one."""
    pool_id, version = body.get("subnetpool_id"), int(body["ip_version"])
    if body.get("use_default_subnetpool") and not pool_id:
        pool_id = subnet_pools.default_id(session, version)
        if pool_id is None:
            raise InvalidRequest(
                f"Bad subnets request: No default subnetpool found for IPv{version}.", neutron_type="BadRequest"
            )
    if pool_id is None:
        if body.get("cidr") is None:
            raise InvalidRequest(
                "Bad subnets request: a subnetpool must be specified in the absence of a cidr.",
                neutron_type="BadRequest",
            )
        subnet_pools.check_affinity(session, body["network_id"], version, None)
        return body
    sharing.get_visible(session, SUBNET_POOL, pool_id, request.context)
    pool = subnet_pools.hold(session, pool_id)
    if pool.ip_version != version:
        raise InvalidRequest(
            f"Cannot allocate IPv{version} subnet from IPv{pool.ip_version} subnet pool", neutron_type="BadRequest"
        )
    subnet_pools.check_affinity(session, body["network_id"], version, pool_id)
    asked = body.get("cidr")
    if asked is not None:
        asked = str(subnet_plan.network_of(asked, version))
    cidr = subnet_pools.carve(session, pool, body["project_id"], cidr=asked, prefixlen=body.get("prefixlen"))
    return {**body, "cidr": cidr, "subnetpool_id": pool_id}


def plan(body: dict[str, Any]) -> NewSubnet:
    """The subnet a body describes, all computed. Raises InvalidRequest, Conflict."""
    ip_version = int(body["ip_version"])
    network = subnet_plan.network_of(body["cidr"], ip_version)
    enable_dhcp = body.get("enable_dhcp", True)
    subnet_plan.check_dhcp(network, enable_dhcp)
    subnet_plan.check_modes(network, enable_dhcp, body.get("ipv6_ra_mode"), body.get("ipv6_address_mode"))
    no_gateway = "gateway_ip" in body and body["gateway_ip"] is None
    gateway = None if no_gateway else subnet_plan.gateway_of(network, body.get("gateway_ip"))
    return NewSubnet(
        network_id=body["network_id"],
        project_id=body["project_id"],
        ip_version=ip_version,
        cidr=str(network),
        gateway_ip=gateway,
        allocation_pools=tuple(subnet_plan.pools_of(network, gateway, body.get("allocation_pools"))),
        name=body.get("name", ""),
        description=body.get("description", ""),
        enable_dhcp=enable_dhcp,
        ipv6_ra_mode=body.get("ipv6_ra_mode"),
        ipv6_address_mode=body.get("ipv6_address_mode"),
        dns_nameservers=subnet_plan.nameservers(body.get("dns_nameservers", [])),
        host_routes=subnet_plan.routes(body.get("host_routes", []), ip_version),
        subnetpool_id=body.get("subnetpool_id"),
        service_types=tuple(body.get("service_types", [])),
    )


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[ShownSubnet]:
    with request.services.db.read() as session:
        return _shown(session, subnets.list_(session, request.context, filters, page), request.context)


def show(request: ApiRequest, subnet_id: str) -> ShownSubnet:
    with request.services.db.read() as session:
        return _shown(session, [subnets.get_visible(session, subnet_id, request.context)], request.context)[0]


def _shown(session: Session, rows: Sequence[Subnet], context: RequestContext) -> list[ShownSubnet]:
    shared = sharing.shared_among(session, {row.network_id for row in rows}, context)
    return [ShownSubnet(row, row.network_id in shared) for row in rows]


def update(request: ApiRequest, subnet_id: str, changes: dict[str, Any]) -> ShownSubnet:
    now, prefix = request.services.clock.now(), request.services.config.network.mac_prefix

    def work(session: Session) -> ShownSubnet:
        subnet = _changeable(session, request, subnet_id, "update_subnet")
        subnets.update(session, subnet, _values(subnet, changes), now, mac_prefix=prefix)
        return _shown(session, [subnet], request.context)[0]

    return request.services.db.run(work)


def _changeable(session: Session, request: ApiRequest, subnet_id: str, policy: str) -> Subnet:
    """A subnet that the caller may change: its own, or one in its own network."""
    subnet = subnets.get_visible(session, subnet_id, request.context)
    try:
        network_owner = networks.get_visible(session, subnet.network_id, request.context).project_id
    except NotFound:
        network_owner = subnet.project_id
    if not request.context.owns(network_owner):
        check_owner(request.context, subnet.project_id, policy)
    check_revision(request.headers, subnet.revision_number)
    return subnet


def _values(subnet: Subnet, changes: dict[str, Any]) -> dict[str, Any]:
    values = dict(changes)
    network = ipaddress.ip_network(subnet.cidr)
    subnet_plan.check_dhcp(network, values.get("enable_dhcp", subnet.enable_dhcp))
    subnet_plan.check_modes(
        network, values.get("enable_dhcp", subnet.enable_dhcp), subnet.ipv6_ra_mode, subnet.ipv6_address_mode
    )
    if values.get("gateway_ip") is not None:
        values["gateway_ip"] = subnet_plan.gateway_of(network, values["gateway_ip"])
    gateway = values.get("gateway_ip", subnet.gateway_ip)
    if "allocation_pools" in values:
        values["allocation_pools"] = subnet_plan.pools_of(network, gateway, values["allocation_pools"])
    elif values.get("gateway_ip") is not None:
        subnet_plan.check_gateway_outside(values["gateway_ip"], subnet.allocation_pools)
    if "dns_nameservers" in values:
        values["dns_nameservers"] = list(subnet_plan.nameservers(values["dns_nameservers"]))
    if "host_routes" in values:
        values["host_routes"] = list(subnet_plan.routes(values["host_routes"], subnet.ip_version))
    return values


def delete(request: ApiRequest, subnet_id: str) -> None:
    now, prefix = request.services.clock.now(), request.services.config.network.mac_prefix

    def work(session: Session) -> None:
        subnet = _changeable(session, request, subnet_id, "delete_subnet")
        subnets.delete(session, subnet, now, mac_prefix=prefix)

    request.services.db.run(work)
