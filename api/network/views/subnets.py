"""Subnets as JSON."""

from __future__ import annotations

from typing import Any

from api.network.operations.subnets import ShownSubnet
from api.network.views.times import shown


def subnet(item: ShownSubnet) -> dict[str, Any]:
    row = item.subnet
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "network_id": row.network_id,
        "ip_version": row.ip_version,
        "cidr": row.cidr,
        "gateway_ip": row.gateway_ip,
        "enable_dhcp": row.enable_dhcp,
        "allocation_pools": row.allocation_pools,
        "dns_nameservers": row.dns_nameservers,
        "host_routes": row.host_routes,
        "ipv6_ra_mode": row.ipv6_ra_mode,
        "ipv6_address_mode": row.ipv6_address_mode,
        "subnetpool_id": row.subnetpool_id,
        "service_types": row.service_types,
        "shared": item.shared,
        "tags": [],
        "created_at": shown(row.created_at),
        "updated_at": shown(row.updated_at),
        "revision_number": row.revision_number,
    }
