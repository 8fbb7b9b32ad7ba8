"""What requests about floating IPs mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.network.problems import check_revision, neutron_quota
from api.request import ApiRequest
from common.db import addresses, floating_ips, network_quota, networks, port_forwardings, port_lists, routers
from common.db.addresses import RequestedAddress
from common.db.filters import Filters
from common.db.floating_ips import NewFloatingIp
from common.db.models import FloatingIp, Port, PortForwarding, Subnet
from common.db.paging import Page


@dataclass(frozen=True)
class ShownFloatingIp:
    floating: FloatingIp
    port: Port | None
    forwardings: Sequence[PortForwarding]


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[ShownFloatingIp]:
    """All or none."""
    config, now = request.services.config, request.services.clock.now()
    limits = network_quota.defaults(config.quota)

    def work(session: Session) -> list[ShownFloatingIp]:
        made = []
        for body in bodies:
            _check_fixed(body)
            network = networks.get_visible(session, body["floating_network_id"], request.context)
            new = NewFloatingIp(
                project_id=body["project_id"],
                network_id=network.id,
                wanted=_wanted(body),
                description=body.get("description", ""),
                dns_name=body.get("dns_name", ""),
                dns_domain=body.get("dns_domain", ""),
            )
            floating = floating_ips.create(session, new, now, mac_prefix=config.network.mac_prefix, limits=limits)
            if body.get("port_id"):
                _associate(session, request, floating, body)
            made.append(floating)
        return _shown(session, made)

    with neutron_quota():
        return request.services.db.run(work)


def _check_fixed(body: Mapping[str, Any]) -> None:
    for name in ("fixed_ip_address", "router_id"):
        if body.get(name) and not body.get("port_id"):
            raise floating_ips.bad_request(f"{name} cannot be specified without a port_id")


def _wanted(body: Mapping[str, Any]) -> RequestedAddress | None:
    address, subnet_id = body.get("floating_ip_address"), body.get("subnet_id")
    if address is None and subnet_id is None:
        return None
    return RequestedAddress(subnet_id, addresses.canonical(address) if address else None)


def _associate(session: Session, request: ApiRequest, floating: FloatingIp, body: Mapping[str, Any]) -> None:
    port = held_port(session, request, floating, body["port_id"])
    fixed = body.get("fixed_ip_address")
    now, router_id = request.services.clock.now(), body.get("router_id")
    via = routers.get_visible(session, router_id, request.context, lock=True) if router_id else None
    floating_ips.associate(session, floating, port, addresses.canonical(fixed) if fixed else None, now, via=via)


def held_port(session: Session, request: ApiRequest, floating: FloatingIp, port_id: str) -> Port:
    """The port that the floating IP is to lead to. Raises NotFound, InvalidRequest for one of another project."""
    port = port_lists.get_visible(session, port_id, request.context, lock=True)
    if port.project_id != floating.project_id and not request.context.is_admin:
        raise floating_ips.bad_request(
            f"Cannot process floating IP association with Port {port.id}, since that port is owned by a different tenant"
        )
    return port


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[ShownFloatingIp]:
    with request.services.db.read() as session:
        return _shown(session, floating_ips.list_(session, request.context, filters, page))


def pools(request: ApiRequest) -> Sequence[Subnet]:
    with request.services.db.read() as session:
        return floating_ips.pools(session, request.context)


def show(request: ApiRequest, floating_ip_id: str) -> ShownFloatingIp:
    with request.services.db.read() as session:
        return _shown(session, [floating_ips.get_visible(session, floating_ip_id, request.context)])[0]


def _shown(session: Session, rows: Sequence[FloatingIp]) -> list[ShownFloatingIp]:
    known, forwardings = floating_ips.ports_of(session, rows), port_forwardings.of_floating_ips(session, rows)
    return [ShownFloatingIp(row, known.get(row.port_id or ""), forwardings.get(row.id, [])) for row in rows]


def update(request: ApiRequest, floating_ip_id: str, changes: dict[str, Any]) -> ShownFloatingIp:
    """`port_id` moves it, null takes it away from its port; without a word of it the association stays.

    An update of nothing takes it away, too: it meant that before there was anything else to say.
    """
    now = request.services.clock.now()

    def work(session: Session) -> ShownFloatingIp:
        floating = floating_ips.get_visible(session, floating_ip_id, request.context, lock=True)
        check_revision(request.headers, floating.revision_number)
        _check_fixed(changes)
        if changes.get("port_id"):
            _associate(session, request, floating, changes)
        elif "port_id" in changes or not changes:
            floating_ips.dissociate(session, floating, now)
        if "description" in changes:
            floating_ips.describe(session, floating, changes["description"], now)
        return _shown(session, [floating])[0]

    return request.services.db.run(work)


def delete(request: ApiRequest, floating_ip_id: str) -> None:
    def work(session: Session) -> None:
        floating = floating_ips.get_visible(session, floating_ip_id, request.context, lock=True)
        check_revision(request.headers, floating.revision_number)
        floating_ips.delete(session, floating, request.services.clock.now())

    request.services.db.run(work)
