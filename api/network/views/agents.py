"""Nodes as the network API's agents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from common.db.network_agents import NetworkAgent, dhcp_agent_id, l3_agent_id

# what Neutron's L3 agents are extended by and gateway nodes do: clients look here before they use it
_L3_EXTENSIONS = ["conntrack_helper", "fip_qos", "gateway_ip_qos", "ndp_proxy", "port_forwarding"]


def agent(row: NetworkAgent, now: datetime, down_after_s: float) -> dict[str, Any]:
    seen = row.last_heartbeat_at
    return {
        "id": row.id,
        "agent_type": "Linux bridge agent",
        "binary": "neutron-linuxbridge-agent",
        "topic": "N/A",
        "host": row.host,
        "admin_state_up": True,
        "alive": seen is not None and (now - seen).total_seconds() <= down_after_s,
        "availability_zone": None,
        "description": row.description or None,
        "created_at": _agent_time(row.created_at),
        "started_at": _agent_time(row.created_at),
        "heartbeat_timestamp": _agent_time(seen or row.created_at),
        "resources_synced": row.network_applied >= row.network_wanted,
        "configurations": {
            "network_wanted": row.network_wanted,
            "network_applied": row.network_applied,
            "gateway": row.is_gateway,
        },
    }


def l3_agent(row: NetworkAgent, now: datetime, down_after_s: float) -> dict[str, Any]:
    """A gateway node, as what has routers."""
    body = agent(row, now, down_after_s)
    return body | {
        "id": l3_agent_id(row.id),
        "agent_type": "L3 agent",
        "binary": "neutron-l3-agent",
        "topic": "l3_agent",
        "availability_zone": "nova",
        "configurations": {"agent_mode": "legacy", "extensions": _L3_EXTENSIONS, **body["configurations"]},
    }


def dhcp_agent(row: NetworkAgent, now: datetime, down_after_s: float) -> dict[str, Any]:
    """A node, as what answers DHCP in its networks."""
    return agent(row, now, down_after_s) | {
        "id": dhcp_agent_id(row.id),
        "agent_type": "DHCP agent",
        "binary": "neutron-dhcp-agent",
        "topic": "dhcp_agent",
        "availability_zone": "nova",
    }


def _agent_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
