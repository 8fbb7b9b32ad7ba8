"""A project's ready-made network with a router to the outside: made when it is first asked for, and always the same then."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.network.operations import subnets as subnet_operations
from api.network.problems import neutron_quota
from api.request import ApiRequest, Services
from common.db import (
    auto_topologies,
    network_quota,
    networks,
    routers,
    security_groups,
    subnet_pools,
    subnets,
)
from common.db.models import Network, SubnetPool
from common.db.networks import NewNetwork
from common.db.routers import Gateway, NewRouter, PortAsk
from common.errors import Conflict, NotFound

NETWORK, ROUTER = "auto_allocated_network", "auto_allocated_router"
_TRIES = 3  # another request may be making the same one; each try sees what that has committed


@dataclass(frozen=True)
class _Needs:
    outside: Network
    pools: list[SubnetPool]


class _Overtaken(Conflict):
    """Another request has made the topology meanwhile."""


def ensure(services: Services, project_id: str) -> str:
    """The id of the project's network. Raises Conflict when an administrator has not prepared what it needs."""

    def work(session: Session) -> str:
        known = auto_topologies.of_project(session, project_id)
        if known is not None:
            return known.network_id
        network_id, router_id = _make(session, services, project_id)
        if not auto_topologies.remember(session, project_id, network_id, router_id):
            raise _Overtaken(
                f"Another request is making the topology of project {project_id}; ask again.",
                neutron_type="AutoAllocationFailure",
            )
        return network_id

    with neutron_quota():
        for _ in range(_TRIES - 1):
            try:
                return services.db.run(work)
            except _Overtaken:
                continue
        return services.db.run(work)


def check(request: ApiRequest, project_id: str) -> None:
    """As `ensure`, without making anything."""

    def work(session: Session) -> None:
        if auto_topologies.of_project(session, project_id) is None:
            _needs(session)

    request.services.db.run(work)


def _needs(session: Session) -> _Needs:
    outside = auto_topologies.default_outside(session)
    if outside is None:
        raise _unprepared("No default router:external network")
    pools = auto_topologies.default_pools(session)
    if not pools:
        raise _unprepared("No default subnetpools defined")
    return _Needs(outside, pools)


def _unprepared(reason: str) -> Conflict:
    return Conflict(f"Deployment error: {reason}.", neutron_type="AutoAllocationFailure")


def _make(session: Session, services: Services, project_id: str) -> tuple[str, str]:
    """Network and router, by id."""
    config, now, needs = services.config, services.clock.now(), _needs(session)
    limits, prefix = network_quota.defaults(config.quota), config.network.mac_prefix
    network = networks.create(session, NewNetwork(project_id, config.network.mtu, name=NETWORK), now, limits)
    security_groups.ensure_default(session, project_id, now)
    router = routers.create(session, NewRouter(project_id, name=ROUTER), now, limits)
    routers.set_gateway(session, router, Gateway(needs.outside.id), now, mac_prefix=prefix)
    for pool in needs.pools:
        body = {
            "network_id": network.id,
            "project_id": project_id,
            "name": f"auto_allocated_subnet_v{pool.ip_version}",
            "ip_version": pool.ip_version,
            "cidr": subnet_pools.carve(session, pool, project_id, cidr=None, prefixlen=None),
            "subnetpool_id": pool.id,
        }
        if pool.ip_version == 6:
            body |= {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
        subnet = subnets.create(session, subnet_operations.plan(body), now, mac_prefix=prefix, limits=limits)
        routers.add_by_subnet(session, router, subnet, now, ask=PortAsk(prefix, limits))
    return network.id, router.id


def delete(request: ApiRequest, project_id: str) -> None:
    """Raises NotFound when the project has none, Conflict while something else is in the network or on the router."""
    now = request.services.clock.now()

    def work(session: Session) -> None:
        known = auto_topologies.of_project(session, project_id, lock=True)
        if known is None:
            raise NotFound(
                f"No auto allocated topology for project {project_id}.", neutron_type="AutoAllocatedTopologyNotFound"
            )
        network_id, router_id = known.network_id, known.router_id
        session.delete(known)
        session.flush()
        if router_id is not None:
            router = routers.get_visible(session, router_id, request.context, lock=True)
            for attached in routers.attached(session, router_id, ("network:router_interface",)):
                if attached.subnet.network_id == network_id:
                    routers.remove_interface(session, router, attached.port, now)
            routers.delete(session, router, now)
        networks.delete(session, network_id)

    request.services.db.run(work)
