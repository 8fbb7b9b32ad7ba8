"""Routers and floating IPs as JSON."""

from __future__ import annotations

from typing import Any

from api.network.operations.floating_ips import ShownFloatingIp
from api.network.operations.routers import ShownInterface, ShownRouter
from api.network.views.times import shown
from common.context import RequestContext
from common.db.models import Port, PortForwarding


def router(item: ShownRouter, context: RequestContext) -> dict[str, Any]:
    row = item.router
    body: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "admin_state_up": row.admin_state_up,
        "status": row.status,
        "external_gateway_info": _gateway(item),
        "routes": list(row.routes),
        "flavor_id": row.flavor_id,
        "availability_zone_hints": [],
        "availability_zones": ["nova"] if row.node_id else [],
        "tags": [],
        "created_at": shown(row.created_at),
        "updated_at": shown(row.updated_at),
        "revision_number": row.revision_number,
    }
    if context.is_admin:
        body |= {"ha": row.ha, "distributed": row.distributed}
    return body


def _gateway(item: ShownRouter) -> dict[str, Any] | None:
    if item.router.gateway_network_id is None:
        return None
    return {
        "network_id": item.router.gateway_network_id,
        "enable_snat": item.router.enable_snat,
        "external_fixed_ips": [{"subnet_id": each.subnet_id, "ip_address": each.ip_address} for each in item.outside],
    }


def interface(item: ShownInterface) -> dict[str, Any]:
    return {
        "id": item.router.id,
        "tenant_id": item.router.project_id,
        "project_id": item.router.project_id,
        "port_id": item.port.id,
        "network_id": item.port.network_id,
        "subnet_id": item.subnet_ids[0],
        "subnet_ids": list(item.subnet_ids),
        "tags": [],
    }


def floating_ip(item: ShownFloatingIp) -> dict[str, Any]:
    row = item.floating
    return {
        "id": row.id,
        "description": row.description,
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "floating_network_id": row.network_id,
        "floating_ip_address": row.address,
        "fixed_ip_address": row.fixed_ip_address,
        "port_id": row.port_id,
        "port_details": _port_details(item.port) if item.port else None,
        "port_forwardings": [_forwarding(each) for each in item.forwardings],
        "router_id": row.router_id,
        "status": row.status,
        "dns_name": row.dns_name,
        "dns_domain": row.dns_domain,
        "tags": [],
        "created_at": shown(row.created_at),
        "updated_at": shown(row.updated_at),
        "revision_number": row.revision_number,
    }


def port_forwarding(row: PortForwarding) -> dict[str, Any]:
    return {
        "id": row.id,
        "internal_port_id": row.internal_port_id,
        "description": row.description,
        **_forwarding(row),
    }


def _forwarding(row: PortForwarding) -> dict[str, Any]:
    return {
        "protocol": row.protocol,
        "external_port": row.external_port,
        "internal_port": row.internal_port,
        "internal_ip_address": row.internal_ip_address,
    }


def _port_details(port: Port) -> dict[str, Any]:
    return {
        "name": port.name,
        "network_id": port.network_id,
        "mac_address": port.mac_address,
        "admin_state_up": port.admin_state_up,
        "status": port.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
    }
