"""What requests about routers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations import route_plan
from api.network.problems import check_revision, invalid, neutron_quota, not_allowed
from api.request import ApiRequest
from common.context import RequestContext
from common.db import (
    addresses,
    conntrack_helpers,
    ndp_proxies,
    network_quota,
    networks,
    port_lists,
    ports,
    qos,
    router_flavors,
    routers,
    subnets,
)
from common.db.addresses import RequestedAddress
from common.db.filters import Filters
from common.db.models import ConntrackHelper, IpAllocation, Port, Router
from common.db.paging import Page
from common.db.router_flavors import Flags
from common.db.routers import Gateway, NewRouter, PortAsk
from common.errors import Conflict

#: what of the gateway only administrators may say
_ADMIN_GATEWAY = ("enable_snat", "external_fixed_ips")
#: kept and shown to administrators: any router is on one gateway node, and another takes it when that one fails
_FLAGS = ("ha", "distributed")


@dataclass(frozen=True)
class ShownRouter:
    router: Router
    outside: Sequence[IpAllocation]
    helpers: Sequence[ConntrackHelper] = ()


@dataclass(frozen=True)
class ShownInterface:
    """The answer to adding or removing one."""

    router: Router
    port: Port
    subnet_ids: Sequence[str]


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[ShownRouter]:
    """All or none."""
    config, now = request.services.config, request.services.clock.now()
    limits = network_quota.defaults(config.quota)

    def work(session: Session) -> list[ShownRouter]:
        made = []
        for body in bodies:
            new = NewRouter(
                project_id=body["project_id"],
                name=body.get("name", ""),
                description=body.get("description", ""),
                admin_state_up=body.get("admin_state_up", True),
                flavor_id=body.get("flavor_id"),
                flags=_flags(session, body),
            )
            router = routers.create(session, new, now, limits)
            gateway = _gateway(session, request.context, body.get("external_gateway_info"), "create_router")
            if gateway is not None:
                routers.set_gateway(session, router, gateway, now, mac_prefix=config.network.mac_prefix)
            if body.get("enable_ndp_proxy"):
                ndp_proxies.enable(session, router, now)
            made.append(router)
        return _shown(session, made)

    with neutron_quota():
        return request.services.db.run(work)


def _flags(session: Session, body: Mapping[str, Any]) -> Flags:
    """What the body or the flavor that it names says of the router."""
    flavor_id = body.get("flavor_id")
    said = {name: body[name] for name in _FLAGS if name in body}
    if flavor_id is None:
        return Flags(**said)
    if said:
        raise invalid(f"A router with a flavor can't be given {', '.join(sorted(said))}, too: the flavor says it.")
    return router_flavors.flags_of(session, flavor_id)


def _gateway(session: Session, context: RequestContext, info: Mapping[str, Any] | None, verb: str) -> Gateway | None:
    """What a body says of the gateway; None: there shall be none. Raises Forbidden, NotFound."""
    if not info:
        return None
    for name in _ADMIN_GATEWAY:
        if name in info and not context.is_admin:
            raise not_allowed(f"{verb}:external_gateway_info:{name}")
    if not info.get("network_id"):
        raise routers.bad_request("external_gateway_info needs a network_id")
    network = networks.get_visible(session, info["network_id"], context)
    fixed = info.get("external_fixed_ips")
    wishes = [
        RequestedAddress(
            wish.get("subnet_id"), addresses.canonical(wish["ip_address"]) if "ip_address" in wish else None
        )
        for wish in fixed or []
    ]
    snat = info.get("enable_snat", True)
    policy_id = info.get("qos_policy_id")
    qos.check_change(session, context, None, policy_id)
    return Gateway(
        network.id,
        enable_snat=snat in (True, 1, "true", "True"),
        addresses=tuple(wishes) or None,
        qos_policy_id=policy_id,
    )


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[ShownRouter]:
    with request.services.db.read() as session:
        return _shown(session, routers.list_(session, request.context, filters, page))


def show(request: ApiRequest, router_id: str) -> ShownRouter:
    with request.services.db.read() as session:
        return _shown(session, [routers.get_visible(session, router_id, request.context)])[0]


def shown(request: ApiRequest, rows: Sequence[Router]) -> list[ShownRouter]:
    """Rows that another request's question has found."""
    with request.services.db.read() as session:
        return _shown(session, rows)


def _shown(session: Session, rows: Sequence[Router]) -> list[ShownRouter]:
    outside = routers.gateway_addresses(session, rows)
    helpers = conntrack_helpers.of_routers(session, [row.id for row in rows])
    return [ShownRouter(row, outside.get(row.id, []), helpers.get(row.id, [])) for row in rows]


def update(request: ApiRequest, router_id: str, changes: dict[str, Any]) -> ShownRouter:
    def change(session: Session, router: Router) -> None:
        now = request.services.clock.now()
        said = [name for name in _FLAGS if name in changes]
        if router.flavor_id is not None and said:
            raise invalid(f"Router {router_id} has a flavor, which says {' and '.join(said)}.")
        if "external_gateway_info" in changes:
            _update_gateway(session, request, router, changes["external_gateway_info"])
        if "enable_ndp_proxy" in changes:
            (ndp_proxies.enable if changes["enable_ndp_proxy"] else ndp_proxies.disable)(session, router, now)
        values: dict[str, Any] = {
            key: changes[key] for key in ("name", "description", "admin_state_up", *_FLAGS) if key in changes
        }
        if "routes" in changes:
            values["routes"] = _checked(session, router, route_plan.parse(changes["routes"]))
        routers.update(session, router, values, now)

    return _changed(request, router_id, change)


def _update_gateway(session: Session, request: ApiRequest, router: Router, info: Mapping[str, Any] | None) -> None:
    now, prefix = request.services.clock.now(), request.services.config.network.mac_prefix
    if info and not info.get("network_id") and router.gateway_network_id:
        info = {**info, "network_id": router.gateway_network_id}
    if info and "qos_policy_id" not in info and info["network_id"] == router.gateway_network_id:
        info = {**info, "qos_policy_id": router.gateway_qos_policy_id}
    wanted = _gateway(session, request.context, info, "update_router")
    if wanted is None:
        routers.clear_gateway(session, router, now)
        router.enable_snat = True
        return
    routers.set_gateway(session, router, wanted, now, mac_prefix=prefix)


def change_routes(
    request: ApiRequest,
    router_id: str,
    asked: Sequence[Mapping[str, str]] | None,
    how: Callable[[Sequence[route_plan.Route], Sequence[route_plan.Route]], list[route_plan.Route]],
) -> ShownRouter:
    """Add or take routes without a word about the others."""
    parsed = route_plan.parse(asked)

    def change(session: Session, router: Router) -> None:
        routes = _checked(session, router, how(router.routes, parsed))
        routers.update(session, router, {"routes": routes}, request.services.clock.now())

    return _changed(request, router_id, change)


def _checked(session: Session, router: Router, routes: list[route_plan.Route]) -> list[route_plan.Route]:
    attached = routers.attached(session, router.id)
    route_plan.check(router.id, routes, [each.subnet.cidr for each in attached], [each.ip_address for each in attached])
    return routes


def _changed(request: ApiRequest, router_id: str, change: Callable[[Session, Router], None]) -> ShownRouter:
    def work(session: Session) -> ShownRouter:
        router = _held(session, request, router_id)
        check_revision(request.headers, router.revision_number)
        change(session, router)
        return _shown(session, [router])[0]

    return request.services.db.run(work)


def _held(session: Session, request: ApiRequest, router_id: str) -> Router:
    return routers.get_visible(session, router_id, request.context, lock=True)


def delete(request: ApiRequest, router_id: str) -> None:
    def work(session: Session) -> None:
        router = _held(session, request, router_id)
        check_revision(request.headers, router.revision_number)
        routers.delete(session, router, request.services.clock.now())

    request.services.db.run(work)


def add_interface(request: ApiRequest, router_id: str, body: Mapping[str, str]) -> ShownInterface:
    if len(body) != 1:
        said = "Cannot specify both subnet-id and port-id" if body else "Either subnet_id or port_id must be specified"
        raise routers.bad_request(said)
    config, now = request.services.config, request.services.clock.now()
    ask = PortAsk(config.network.mac_prefix, network_quota.defaults(config.quota))

    def work(session: Session) -> ShownInterface:
        router = _held(session, request, router_id)
        if "subnet_id" in body:
            subnet = subnets.get_visible(session, body["subnet_id"], request.context)
            port = routers.add_by_subnet(session, router, subnet, now, ask=ask)
            return ShownInterface(router, ports.get(session, port.id), [subnet.id])
        port = port_lists.get_visible(session, body["port_id"], request.context, lock=True)
        routers.add_port(session, router, port, now)
        return _interface(session, router, ports.get(session, port.id))

    with neutron_quota():
        return request.services.db.run(work)


def remove_interface(request: ApiRequest, router_id: str, body: Mapping[str, str]) -> ShownInterface:
    if not body:
        raise routers.bad_request("Either subnet_id or port_id must be specified")
    now = request.services.clock.now()

    def work(session: Session) -> ShownInterface:
        router = _held(session, request, router_id)
        if "port_id" in body:
            port = routers.interface_port(session, router_id, body["port_id"])
        else:
            subnets.get_visible(session, body["subnet_id"], request.context)
            port = routers.interface_in(session, router_id, body["subnet_id"])
        shown = _interface(session, router, port)
        if body.get("subnet_id", shown.subnet_ids[0]) not in shown.subnet_ids:
            raise Conflict(
                f"Subnet on port {port.id} does not match the requested subnet {body['subnet_id']}.",
                neutron_type="SubnetMismatchForPort",
            )
        session.expunge(port)  # shown after it is gone
        routers.remove_interface(session, router, port, now, subnet_id=body.get("subnet_id"))
        return shown if "subnet_id" not in body else ShownInterface(router, port, [body["subnet_id"]])

    return request.services.db.run(work)


def _interface(session: Session, router: Router, port: Port) -> ShownInterface:
    given = ports.addresses_for(session, [port.id]).get(port.id, [])
    return ShownInterface(router, port, list(dict.fromkeys(each.subnet_id for each in given)))
