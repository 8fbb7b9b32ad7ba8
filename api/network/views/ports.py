"""Ports as JSON. Where a port is plugged, and what it asks of its node, is shown to administrators only."""

from __future__ import annotations

from typing import Any

from api.network.operations.ports import ShownPort
from api.network.views.times import shown
from common import guarantees
from common.context import RequestContext
from common.db.trunks import Details
from common.guarantees import Rate


def port(item: ShownPort, context: RequestContext, dns_domain: str) -> dict[str, Any]:
    row = item.port
    body: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "network_id": row.network_id,
        "admin_state_up": row.admin_state_up,
        "status": row.status,
        "mac_address": row.mac_address,
        "fixed_ips": [{"subnet_id": each.subnet_id, "ip_address": each.ip_address} for each in item.addresses],
        "device_id": row.device_id,
        "device_owner": row.device_owner,
        "security_groups": list(item.group_ids),
        "port_security_enabled": row.port_security_enabled,
        "allowed_address_pairs": [
            {"ip_address": pair["ip_address"], "mac_address": pair.get("mac_address") or row.mac_address}
            for pair in row.allowed_address_pairs
        ],
        "binding:vnic_type": row.vnic_type,
        "dns_name": row.dns_name,
        "dns_domain": row.dns_domain,
        "extra_dhcp_opts": row.extra_dhcp_opts,
        "qos_policy_id": row.qos_policy_id,
        "qos_network_policy_id": item.network.qos_policy_id,
        "dns_assignment": [_dns(row.dns_name, each.ip_address, dns_domain) for each in item.addresses],
        "tags": [],
        "created_at": shown(row.created_at),
        "updated_at": shown(row.updated_at),
        "revision_number": row.revision_number,
    }
    if item.trunk is not None:
        body["trunk_details"] = _trunk(item.trunk)
    if context.is_admin:
        body |= {
            "binding:host_id": item.node_name or row.binding_host,
            "binding:vif_type": "bridge" if item.node_name else "unbound",
            "binding:vif_details": {"port_filter": True} if item.node_name else {},
            "binding:profile": row.binding_profile | _given(item),
            "resource_request": _asked(item),
        }
    return body


def _groups(item: ShownPort) -> dict[str, list[Rate]]:
    """What the port's QoS policy asks, by request group: one for each provider that it is asked of."""
    by_network: dict[str, list[Rate]] = {}
    for rate in item.rates:
        by_network.setdefault(rate.physical_network, []).append(rate)
    return {guarantees.group_id(item.port.id, rates): rates for rates in by_network.values()}


def _asked(item: ShownPort) -> dict[str, Any] | None:
    """As the extension port-resource-request-groups has it."""
    groups = [
        {
            "id": group,
            "required": list(guarantees.traits(rates[0].physical_network, item.port.vnic_type)),
            "resources": {rate.resource.value: rate.amount for rate in rates},
        }
        for group, rates in _groups(item).items()
    ]
    return {"request_groups": groups, "same_subtree": [group["id"] for group in groups]} if groups else None


def _given(item: ShownPort) -> dict[str, Any]:
    """The resource provider that each group of a plugged port is claimed from."""
    node_id, groups = item.port.binding_node_id, _groups(item)
    if node_id is None or not groups:
        return {}
    return {
        "allocation": {
            group: guarantees.provider_id(node_id, rates[0].physical_network) for group, rates in groups.items()
        }
    }


def _trunk(details: Details) -> dict[str, Any]:
    return {
        "trunk_id": details.trunk_id,
        "sub_ports": [
            {
                "port_id": each.port_id,
                "segmentation_type": each.segmentation_type,
                "segmentation_id": each.segmentation_id,
                "mac_address": mac,
            }
            for each, mac in details.carried
        ],
    }


def _dns(name: str, address: str, domain: str) -> dict[str, str]:
    hostname = name or "host-" + address.replace(".", "-").replace(":", "-")
    return {"ip_address": address, "hostname": hostname, "fqdn": f"{hostname}.{domain}." if domain else hostname}
