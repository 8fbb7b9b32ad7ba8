"""Nodes as the network API's agents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from common.db.network_agents import NetworkAgent


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


def _agent_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
