"""What requests about networks mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations import provider
from api.network.operations.common import check_owner
from api.network.problems import check_revision, invalid, neutron_quota
from api.request import ApiRequest
from common import physical_networks
from common.context import RequestContext
from common.db import floating_ips, network_quota, networks, qos, routers, security_groups, sharing
from common.db.filters import Filters
from common.db.models import Network
from common.db.networks import NewNetwork
from common.db.paging import Page
from common.errors import Conflict

#: attributes whose column has another name
_COLUMNS = {"router:external": "external", "cumulet:nat": "nat"}


@dataclass(frozen=True)
class ShownNetwork:
    network: Network
    subnet_ids: Sequence[str]
    shared: bool  # with the caller's project


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[ShownNetwork]:
    """All or none."""
    config, now = request.services.config, request.services.clock.now()
    limits = network_quota.defaults(config.quota)
    devices = physical_networks.devices(config.network.physical_networks)
    wanted = [
        provider.applied(_new(body, provider.largest_mtu(body, devices, config.network.mtu)), body, devices)
        for body in bodies
    ]

    def work(session: Session) -> list[ShownNetwork]:
        made: list[Network] = []
        for new in wanted:
            qos.check_change(session, request.context, None, new.qos_policy_id)
            policy = new.qos_policy_id or qos.default_of(session, new.project_id)
            made.append(networks.create(session, replace(new, qos_policy_id=policy), now, limits))
            security_groups.ensure_default(session, new.project_id, now)
        return shown(session, made, request.context)

    with neutron_quota():
        return request.services.db.run(work)


def _new(body: Mapping[str, Any], highest_mtu: int) -> NewNetwork:
    mtu = _mtu(body.get("mtu"), highest_mtu)
    return NewNetwork(
        project_id=body["project_id"],
        mtu=mtu,
        name=body.get("name", ""),
        description=body.get("description", ""),
        admin_state_up=body.get("admin_state_up", True),
        shared=body.get("shared", False),
        external=body.get("router:external", False),
        is_default=body.get("is_default", False),
        nat=body.get("cumulet:nat", False),
        port_security_enabled=body.get("port_security_enabled", True),
        dns_domain=body.get("dns_domain", ""),
        vlan_transparent=body.get("vlan_transparent", False),
        qos_policy_id=body.get("qos_policy_id"),
    )


def _mtu(asked: int | None, highest: int) -> int:
    if not asked:
        return highest
    if not 68 <= asked <= highest:
        raise invalid(f"MTU {asked} is not from 68 to {highest}, the largest the underlying network carries.")
    return asked


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[ShownNetwork]:
    with request.services.db.read() as session:
        return shown(session, networks.list_(session, request.context, filters, page), request.context)


def show(request: ApiRequest, network_id: str) -> ShownNetwork:
    with request.services.db.read() as session:
        return shown(session, [networks.get_visible(session, network_id, request.context)], request.context)[0]


def shown(session: Session, rows: Sequence[Network], context: RequestContext) -> list[ShownNetwork]:
    subnets = networks.subnet_ids(session, [row.id for row in rows], context)
    shared = sharing.shared_among(session, [row.id for row in rows], context)
    return [ShownNetwork(row, subnets[row.id], row.id in shared) for row in rows]


def update(request: ApiRequest, network_id: str, changes: dict[str, Any]) -> ShownNetwork:
    now = request.services.clock.now()
    values = {_COLUMNS.get(name, name): value for name, value in changes.items()}

    def work(session: Session) -> ShownNetwork:
        network = networks.get_visible(session, network_id, request.context, lock=True)
        check_owner(request.context, network.project_id, "update_network")
        check_revision(request.headers, network.revision_number)
        if network.shared and values.get("shared") is False and networks.foreign_ports(session, network):
            raise Conflict(
                f"Unable to reconfigure sharing settings for network {network_id}. Multiple tenants are using it.",
                neutron_type="InvalidSharedSetting",
            )
        if network.external and values.get("external") is False and routers.has_gateway_ports(session, network_id):
            raise Conflict(
                f"External network {network_id} cannot be updated to be made non-external, since it has existing "
                f"gateway ports.",
                neutron_type="ExternalNetworkInUse",
            )
        if "mtu" in values:
            on_wire = {"provider:physical_network": network.physical_network, "cumulet:nat": network.nat}
            most = provider.largest_mtu(on_wire, {}, request.services.config.network.mtu)
            values["mtu"] = _mtu(values["mtu"], most)
        after = values.get("qos_policy_id", network.qos_policy_id)
        qos.check_change(session, request.context, network.qos_policy_id, after)
        before = network.qos_policy_id
        networks.update(session, network, values, now)
        qos.claim_for_network(session, network.id, before, after)
        return shown(session, [network], request.context)[0]

    return request.services.db.run(work)


def delete(request: ApiRequest, network_id: str) -> None:
    def work(session: Session) -> None:
        network = networks.get_visible(session, network_id, request.context)
        check_owner(request.context, network.project_id, "delete_network")
        check_revision(request.headers, network.revision_number)
        floating_ips.delete_loose(session, network_id, request.services.clock.now())
        networks.delete(session, network_id)

    request.services.db.run(work)
