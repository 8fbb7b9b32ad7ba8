"""Nodes as an operator wants to see them: what they have, what is claimed, what is used, and whether they live."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from api.cumulet.operations.joining import Joined
from common.config import Config
from common.db import services
from common.db.models import Node, Service
from common.db.node_tokens import NewToken


def node_body(node: Node, service: Service, now: datetime, down_after_s: float) -> dict[str, Any]:
    """Units are in the keys. claimable: what claims may add up to; used: what the node itself measured."""
    inventory = node.inventory or {}
    age_s = (now - node.last_heartbeat_at).total_seconds() if node.last_heartbeat_at else None
    return {
        "id": node.id,
        "name": node.name,
        "address": node.address,
        "roles": [role for role, has in (("compute", node.is_compute), ("gateway", node.is_gateway)) if has],
        "state": "up" if services.is_up(service, now, down_after_s) else "down",
        "status": "disabled" if service.disabled else "enabled",
        "disabled_reason": service.disabled_reason,
        "forced_down": service.forced_down,
        "availability_zone": service.availability_zone,
        "heartbeat_age_s": None if age_s is None else round(age_s, 1),
        "cut_off_at": _time(node.cut_off_at),
        "powered_off_at": _time(node.powered_off_at),
        "instances": node.domains_seen,
        "capacity": {"vcpus": node.vcpus, "memory_mib": node.memory_mib, "disk_gib": node.disk_gib},
        "claimable": {
            "vcpus": int(node.vcpus * node.cpu_ratio),
            "memory_mib": max(int((node.memory_mib - node.reserved_memory_mib) * node.memory_ratio), 0),
            "disk_gib": max(int((node.disk_gib - node.reserved_disk_gib) * node.disk_ratio), 0),
        },
        "claimed": {"vcpus": node.used_vcpus, "memory_mib": node.used_memory_mib, "disk_gib": node.used_disk_gib},
        "used": {
            "load_1m": inventory.get("load_1m"),
            "memory_mib": inventory.get("memory_used_mib"),
            "disk_free_gib": inventory.get("disk_free_gib"),
        },
        "hypervisor": {
            "type": inventory.get("hypervisor_type"),
            "version": inventory.get("hypervisor_version"),
            "virt_type": inventory.get("virt_type"),
            "cpu_arch": inventory.get("cpu_arch"),
            "cpu_model": inventory.get("cpu_model"),
        },
        "network": {"wanted": node.network_wanted, "applied": node.network_applied},
        "boot_id": node.boot_id,
    }


def token_body(token: NewToken) -> dict[str, Any]:
    """Shown once: nothing but a hash of it is kept."""
    return {
        "id": token.id,
        "node": token.node_name,
        "token": token.text.reveal(),
        "expires_at": token.expires_at.isoformat(timespec="seconds"),
    }


def joined_body(joined: Joined, config: Config) -> dict[str, Any]:
    """The node's credentials, and what its configuration must have in common with this cloud's."""
    return {
        "name": joined.name,
        "cloud_uuid": config.cloud.uuid,
        "region": config.cloud.region,
        "image_secret": joined.image_secret.reveal(),
        "bus_url": joined.bus_url.reveal(),
        "bus_ca": joined.bus_ca,
        "api_url": config.api.public_url,
        "is_compute": joined.is_compute,
        "is_gateway": joined.is_gateway,
        "network": {
            "mtu": config.network.mtu,
            "dns_domain": config.network.dns_domain,
            "dns_upstreams": config.network.dns_upstreams,
        },
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
