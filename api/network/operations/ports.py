"""What requests about ports mean, and who may say which thing about one (Neutron's policy)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations.common import check_owner
from api.network.problems import check_revision, invalid, neutron_quota, not_allowed
from api.network.schemas.ports import MAX_ADDRESSES, MAX_PAIRS
from api.request import ApiRequest
from common import dhcp_options
from common.context import RequestContext
from common.db import (
    addresses,
    local_ips,
    network_quota,
    network_rates,
    network_state,
    network_tags,
    networks,
    port_lists,
    ports,
    qos,
    security_groups,
    trunks,
)
from common.db.filters import Filters
from common.db.models import IpAllocation, Network, Port
from common.db.paging import Page
from common.db.ports import NewPort, RequestedAddress
from common.db.router_state import FLOATING_OWNER, GATEWAY_OWNER, INTERFACE_OWNER
from common.errors import Conflict, InvalidRequest
from common.guarantees import Rate
from common.ids import new_id

#: what only the network's owner may say about a port in it
_NETWORK_OWNERS = ("mac_address", "port_security_enabled", "allowed_address_pairs")
_ROUTED_OWNERS = (INTERFACE_OWNER, GATEWAY_OWNER, FLOATING_OWNER, local_ips.OWNER)
_COLUMNS = {
    "binding:vnic_type": "vnic_type",
    "binding:profile": "binding_profile",
    "binding:host_id": "binding_host",
}


@dataclass(frozen=True)
class ShownPort:
    port: Port
    addresses: Sequence[IpAllocation]
    group_ids: Sequence[str]
    node_name: str
    network: Network
    trunk: trunks.Details | None = None
    rates: Sequence[Rate] = ()  # what its QoS policy asks of its node


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[ShownPort]:
    """All or none."""
    config, now = request.services.config, request.services.clock.now()
    limits = network_quota.defaults(config.quota)
    wanted = [(body, new_id()) for body in bodies]

    def work(session: Session) -> list[ShownPort]:
        made = []
        for body, port_id in wanted:
            new = _new(session, request.context, body, port_id)
            made.append(ports.create(session, new, now, mac_prefix=config.network.mac_prefix, quota=limits))
            network_tags.add(session, port_id, body.get("tags", []))
        return _shown(session, made)

    with neutron_quota():
        return request.services.db.run(work)


def _new(session: Session, context: RequestContext, body: Mapping[str, Any], port_id: str) -> NewPort:
    """The port a body describes; all it refers to is looked up under the caller's rights (RBAC-03)."""
    network = networks.get_usable(session, body["network_id"], context)
    _check_policy(context, network, body, "create_port")
    port_lists.check_device(session, body.get("device_id", ""), context)
    qos.check_change(session, context, None, body.get("qos_policy_id"))
    groups = body.get("security_groups", ...)
    mac = body.get("mac_address")
    return NewPort(
        id=port_id,
        network_id=network.id,
        project_id=body["project_id"],
        name=body.get("name", ""),
        description=body.get("description", ""),
        admin_state_up=body.get("admin_state_up", True),
        device_id=body.get("device_id", ""),
        device_owner=body.get("device_owner", ""),
        mac_address=_mac(mac) if mac else None,
        fixed_ips=_requested(body.get("fixed_ips")),
        security_groups=None if groups is ... else security_groups.check_usable(session, groups or [], context),
        port_security_enabled=body.get("port_security_enabled"),
        allowed_address_pairs=tuple(_pairs(body.get("allowed_address_pairs") or [])),
        dns_name=body.get("dns_name", ""),
        dns_domain=body.get("dns_domain", ""),
        extra_dhcp_opts=tuple(dhcp_options.merged([], body.get("extra_dhcp_opts") or [])),
        qos_policy_id=body.get("qos_policy_id"),
        binding_host=body.get("binding:host_id") or "",
    )


def _check_policy(context: RequestContext, network: Network, body: Mapping[str, Any], verb: str) -> None:
    """Raises Forbidden for what only the owner of the port's network may say (RBAC-09)."""
    if str(body.get("device_owner", "")).lower() == network_state.DHCP_OWNER and not context.is_admin:
        raise not_allowed(f"{verb}:device_owner")
    if context.owns(network.project_id):
        return
    for name in _NETWORK_OWNERS:
        if body.get(name) is not None:
            raise not_allowed(f"{verb}:{name}")
    if str(body.get("device_owner", "")).lower().startswith("network:"):
        raise not_allowed(f"{verb}:device_owner")
    if any("ip_address" in wish for wish in body.get("fixed_ips") or []):
        raise not_allowed(f"{verb}:fixed_ips:ip_address")


def _requested(fixed_ips: Sequence[Mapping[str, str]] | None) -> tuple[RequestedAddress, ...] | None:
    if fixed_ips is None:
        return None
    if len(fixed_ips) > MAX_ADDRESSES:
        raise invalid("Exceeded maximum amount of fixed ips per port.")
    wishes = tuple(
        RequestedAddress(
            wish.get("subnet_id"), addresses.canonical(wish["ip_address"]) if "ip_address" in wish else None
        )
        for wish in fixed_ips
    )
    named = [(wish.subnet_id, wish.ip_address) for wish in wishes if wish.ip_address]
    if len(set(named)) < len(named):
        raise invalid("Duplicate IP address in fixed_ips.")
    return wishes


def _mac(text: str) -> str:
    mac = text.lower().replace("-", ":")
    if int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        raise InvalidRequest(f"Invalid input for mac_address. Reason: '{text}' is not a valid MAC address of one host.")
    return mac


def _pairs(asked: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Allowed address pairs in one spelling; without mac_address they mean the port's own MAC, whatever it is."""
    if len(asked) > MAX_PAIRS:
        raise InvalidRequest(
            f"The number of allowed address pair exceeds the maximum {MAX_PAIRS}.",
            neutron_type="AllowedAddressPairExhausted",
        )
    found: list[dict[str, str]] = []
    for pair in asked:
        text = pair["ip_address"]
        try:
            address = str(ipaddress.ip_network(text, strict=False)) if "/" in text else str(ipaddress.ip_address(text))
        except ValueError as err:
            raise InvalidRequest(
                f"Invalid input for allowed_address_pairs. Reason: '{text}' is not a valid IP address or subnet."
            ) from err
        clean = {"ip_address": address} | ({"mac_address": _mac(pair["mac_address"])} if "mac_address" in pair else {})
        if clean in found:
            raise InvalidRequest(
                f"Request contains duplicate address pair: mac_address {pair.get('mac_address')} ip_address {text}.",
                neutron_type="DuplicateAddressPairInRequest",
            )
        found.append(clean)
    return found


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[ShownPort]:
    with request.services.db.read() as session:
        return _shown(session, port_lists.list_(session, request.context, filters, page))


def show(request: ApiRequest, port_id: str) -> ShownPort:
    with request.services.db.read() as session:
        return _shown(session, [port_lists.get_visible(session, port_id, request.context)])[0]


def _shown(session: Session, rows: Sequence[Port]) -> list[ShownPort]:
    ids = [row.id for row in rows]
    given, groups = ports.addresses_for(session, ids), ports.groups_for(session, ids)
    nodes, trunked = port_lists.node_names(session, rows), trunks.details(session, ids)
    of = networks.by_ids(session, {row.network_id for row in rows})
    bound = [row.id for row in rows if row.qos_policy_id or of[row.network_id].qos_policy_id]
    rates = network_rates.wanted_of_ports(session, bound) if bound else {}
    return [
        ShownPort(
            row,
            given.get(row.id, []),
            groups.get(row.id, []),
            nodes.get(row.binding_node_id or "", ""),
            of[row.network_id],
            trunked.get(row.id),
            rates.get(row.id, ()),
        )
        for row in rows
    ]


def update(request: ApiRequest, port_id: str, changes: dict[str, Any]) -> ShownPort:
    now = request.services.clock.now()

    def work(session: Session) -> ShownPort:
        port = port_lists.get_visible(session, port_id, request.context, lock=True)
        check_owner(request.context, port.project_id, "update_port")
        check_revision(request.headers, port.revision_number)
        network = networks.hold(session, port.network_id)
        _check_policy(request.context, network, changes, "update_port")
        _check_service_port(port, changes)
        port_lists.check_device(session, changes.get("device_id", ""), request.context)
        after = changes.get("qos_policy_id", port.qos_policy_id)
        qos.check_change(session, request.context, port.qos_policy_id, after)
        groups = _groups_after(session, request.context, port, changes)
        values = _values(port, changes, request.services.config.network.mac_prefix)
        before = port.qos_policy_id or network.qos_policy_id
        port_lists.update(session, port, values, now)
        qos.claim_for_port(session, port_id, before, after or network.qos_policy_id)
        if groups is not None:
            ports.set_groups(session, port, groups, now)
        wanted = _requested(changes.get("fixed_ips"))
        if wanted is not None:
            port_lists.set_addresses(session, port, wanted, now)
        return _shown(session, [ports.get(session, port_id)])[0]

    with neutron_quota():
        return request.services.db.run(work)


def _check_service_port(port: Port, changes: Mapping[str, Any]) -> None:
    """The DHCP port and held ones are the cloud's: tenants may rename them, and switch off DHCP and interfaces."""
    free = {"name", "description"}
    if port.device_owner in (network_state.DHCP_OWNER, INTERFACE_OWNER):
        free.add("admin_state_up")
    if port.device_owner == INTERFACE_OWNER:
        free.add("fixed_ips")
    if not set(changes) - free:
        return
    if port.device_owner == network_state.DHCP_OWNER:
        raise service_port(port.id)
    if port.device_owner == ports.HELD_OWNER:
        raise held_port(port.id)
    if port.device_owner in _ROUTED_OWNERS:
        raise service_port(port.id, port.device_owner)


def service_port(port_id: str, owner: str = network_state.DHCP_OWNER) -> Conflict:
    return Conflict(
        f"Port {port_id} cannot be changed or deleted directly via the port API: has device owner {owner}.",
        neutron_type="ServicePortInUse",
    )


def held_port(port_id: str) -> Conflict:
    """The address must not be given to another server while one that was deleted might still answer for it."""
    return Conflict(
        f"Port {port_id} is held until the node of a deleted server has confirmed that nothing of it is left.",
        neutron_type="ServicePortInUse",
    )


def _groups_after(
    session: Session,
    context: RequestContext,
    port: Port,
    changes: Mapping[str, Any],
) -> tuple[str, ...] | None:
    """The groups the port shall be in; None leaves them as they are."""
    filtered = changes.get("port_security_enabled", port.port_security_enabled)
    asked = changes.get("security_groups", ...)
    if asked is ...:
        if not filtered and ports.groups_for(session, [port.id]).get(port.id):
            raise Conflict(
                "Port has security group associated. Cannot disable port security or IP address until "
                "security group is removed.",
                neutron_type="PortSecurityPortHasSecurityGroup",
            )
        return None
    if asked and not filtered:
        raise ports.no_security_on_port(asked)
    return security_groups.check_usable(session, asked or [], context)


def _values(port: Port, changes: Mapping[str, Any], mac_prefix: str) -> dict[str, Any]:
    """The columns that change. mac_address None: a new one of the cloud's own."""
    values = {
        _COLUMNS.get(name, name): value
        for name, value in changes.items()
        if name not in ("security_groups", "fixed_ips")
    }
    if "mac_address" in values:
        asked = values["mac_address"]
        values["mac_address"] = _mac(asked) if asked is not None else ports.random_mac(mac_prefix)
        if values["mac_address"] != port.mac_address and port.binding_node_id is not None:
            raise Conflict(
                f"Unable to complete operation on port {port.id}, port is already bound, port type: bridge, "
                f"old_mac {port.mac_address}, new_mac {values['mac_address']}.",
                neutron_type="PortBound",
            )
    if "extra_dhcp_opts" in values:
        values["extra_dhcp_opts"] = dhcp_options.merged(port.extra_dhcp_opts, values["extra_dhcp_opts"] or [])
    if "binding_profile" in values:
        values["binding_profile"] = values["binding_profile"] or {}
    if "binding_host" in values:
        values["binding_host"] = values["binding_host"] or ""
    if "allowed_address_pairs" in values:
        values["allowed_address_pairs"] = _pairs(values["allowed_address_pairs"] or [])
    pairs = values.get("allowed_address_pairs", port.allowed_address_pairs)
    if pairs and not values.get("port_security_enabled", port.port_security_enabled):
        raise ports.no_security_on_port(None)
    return values


def delete(request: ApiRequest, port_id: str) -> None:
    """A port that a server uses may be deleted, as with Neutron: its node unplugs it."""
    now = request.services.clock.now()

    def work(session: Session) -> None:
        port = port_lists.get_visible(session, port_id, request.context)
        check_revision(request.headers, port.revision_number)
        if port.device_owner == network_state.DHCP_OWNER:
            raise service_port(port.id)
        if port.device_owner == ports.HELD_OWNER:
            raise held_port(port.id)
        if port.device_owner in _ROUTED_OWNERS:
            raise service_port(port.id, port.device_owner)
        trunks.check_free(session, [port_id])
        local_ips.check_port_unused(session, port_id)
        ports.delete(session, port_id, now)

    request.services.db.run(work)
