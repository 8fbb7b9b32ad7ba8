"""Networks and address use as JSON."""

from __future__ import annotations

from typing import Any

from api.network.operations.availability import NetworkUse
from api.network.operations.networks import ShownNetwork
from api.network.views.times import shown
from common.context import RequestContext


def network(item: ShownNetwork, context: RequestContext) -> dict[str, Any]:
    row = item.network
    body: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "admin_state_up": row.admin_state_up,
        "status": row.status,
        "shared": item.shared,
        "router:external": row.external,
        "is_default": row.is_default,
        "mtu": row.mtu,
        "port_security_enabled": row.port_security_enabled,
        "dns_domain": row.dns_domain,
        "vlan_transparent": row.vlan_transparent,
        "qos_policy_id": row.qos_policy_id,
        "subnets": list(item.subnet_ids),
        "availability_zone_hints": [],
        "availability_zones": ["nova"],
        "tags": [],
        "created_at": shown(row.created_at),
        "updated_at": shown(row.updated_at),
        "revision_number": row.revision_number,
    }
    if context.is_admin:
        body |= {
            "provider:network_type": row.network_type,
            "provider:physical_network": row.physical_network,
            "provider:segmentation_id": row.segmentation_id if row.network_type == "vxlan" else row.vlan_id or None,
            "cumulet:nat": row.nat,
        }
    return body


def availability(use: NetworkUse) -> dict[str, Any]:
    return {
        "network_id": use.network.id,
        "network_name": use.network.name,
        "tenant_id": use.network.project_id,
        "project_id": use.network.project_id,
        "used_ips": sum(subnet.used for subnet in use.subnets),
        "total_ips": sum(subnet.total for subnet in use.subnets),
        "subnet_ip_availability": [
            {
                "subnet_id": each.subnet.id,
                "subnet_name": each.subnet.name,
                "cidr": each.subnet.cidr,
                "ip_version": each.subnet.ip_version,
                "used_ips": each.used,
                "total_ips": each.total,
            }
            for each in use.subnets
        ],
    }
