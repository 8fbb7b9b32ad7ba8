"""Networks and floating IPs as compute's own API had them (until 2.35). What nova-network knew and Neutron not is null."""

from __future__ import annotations

from api.compute.operations.floating_ip_proxies import WithPool
from api.compute.views.fields import Body
from common.db.models import Network

_UNKNOWN = (
    "bridge", "bridge_interface", "broadcast", "cidr", "cidr_v6", "created_at", "deleted", "deleted_at", "dhcp_server",
    "dhcp_start", "dns1", "dns2", "enable_dhcp", "gateway", "gateway_v6", "host", "injected", "multi_host", "netmask",
    "netmask_v6", "priority", "project_id", "rxtx_base", "share_address", "updated_at", "vlan", "vpn_private_address",
    "vpn_public_address", "vpn_public_port",
)  # fmt: skip


def network(row: Network) -> Body:
    return {**dict.fromkeys(_UNKNOWN), "id": row.id, "label": row.name, "mtu": row.mtu}


def tenant_network(row: Network) -> Body:
    return {"id": row.id, "label": row.name, "cidr": "None"}


def floating_ip(found: WithPool) -> Body:
    floating, port = found.shown.floating, found.shown.port
    of_server = port is not None and port.device_owner.startswith("compute:")
    return {
        "id": floating.id, "ip": floating.address, "fixed_ip": floating.fixed_ip_address, "pool": found.pool,
        "instance_id": port.device_id if port is not None and of_server else None,
    }  # fmt: skip
