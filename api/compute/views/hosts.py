"""Services, hypervisors and zones, in the newest form; the tables say what came when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from api.compute.operations.hosts import HostUse, HypervisorPage
from api.compute.views.fields import Body, Field, Reader, micros, prune
from common.db.models import Node, Service
from common.db.nodes import COMPUTE_BINARY
from common.db.services import Load, is_up

SERVICE_FIELDS = (Field("forced_down", since="2.11"),)
_GONE = (
    "cpu_info", "current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb", "local_gb", "local_gb_used",
    "memory_mb", "memory_mb_used", "running_vms", "vcpus", "vcpus_used",
)  # fmt: skip
#: since 2.88 amounts are placement's to tell
HYPERVISOR_FIELDS = (*(Field(name, until="2.87") for name in _GONE), Field("uptime", since="2.88"))
INTERNAL_ZONE = "internal"


def service(row: Service, audience: Reader) -> Body:
    body: Body = {
        "id": row.id if audience.at_least("2.53") else row.number,
        "binary": row.binary,
        "host": row.host,
        "zone": row.availability_zone,
        "status": "disabled" if row.disabled else "enabled",
        "state": "up" if is_up(row, audience.now, audience.node_down_after_s) else "down",
        "updated_at": micros(row.last_seen_at or row.updated_at),
        "disabled_reason": row.disabled_reason,
        "forced_down": row.forced_down,
    }
    return prune(body, SERVICE_FIELDS, audience)


def old_host(row: Service) -> Body:
    return {"host_name": row.host, "service": row.binary.removeprefix("nova-"), "zone": row.availability_zone}


def old_resources(use: HostUse) -> list[Body]:
    """Rows of one node: all it has, all that is used, and what each project's servers use."""
    node, claims = use.node, use.projects

    def row(project: str, vcpus: int, memory_mib: int, disk_gib: int) -> Body:
        amounts = {"cpu": vcpus, "memory_mb": memory_mib, "disk_gb": disk_gib}
        return {"resource": {"host": node.name, "project": project, **amounts}}

    taken = [sum(amounts) for amounts in zip(*claims.values(), strict=True)] or [0, 0, 0]
    return [
        row("(total)", node.vcpus, node.memory_mib, node.disk_gib),
        row("(used_now)", node.used_vcpus, node.used_memory_mib + node.reserved_memory_mib, node.used_disk_gib),
        row("(used_max)", taken[0], taken[1], taken[2]),
        *(row(project_id, *amounts) for project_id, amounts in claims.items()),
    ]


def audit_log(names: Sequence[str], before: datetime) -> Body:
    """The month before a time, of which no node has sent records."""
    ending = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    beginning = (ending - timedelta(days=1)).replace(day=1)
    return {
        "period_beginning": _old_time(beginning), "period_ending": _old_time(ending), "num_hosts": len(names),
        "num_hosts_done": 0, "num_hosts_running": 0, "num_hosts_not_run": len(names), "hosts_not_run": list(names),
        "total_instances": 0, "total_errors": 0, "overall_status": f"0 of {len(names)} hosts done. 0 errors.", "log": {},
    }  # fmt: skip


def _old_time(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat(sep=" ")


def hypervisor_list(page: HypervisorPage, audience: Reader, *, detail: bool) -> list[Body]:
    return [hypervisor(node, row, page, audience, detail=detail) for node, row in page.nodes]


def hypervisor(node: Node, row: Service, page: HypervisorPage, audience: Reader, *, detail: bool) -> Body:
    by_uuid = audience.at_least("2.53")
    body: Body = {
        "id": node.id if by_uuid else node.service_number,
        "hypervisor_hostname": node.name,
        "state": "up" if is_up(row, audience.now, audience.node_down_after_s) else "down",
        "status": "disabled" if row.disabled else "enabled",
    }
    if detail:
        body |= _facts(node, page.loads.get(node.id, Load()), audience)
        body["service"] = {
            "id": row.id if by_uuid else row.number, "host": row.host, "disabled_reason": row.disabled_reason,
        }  # fmt: skip
        body["uptime"] = uptime(node) if body["state"] == "up" else None
        body = prune(body, HYPERVISOR_FIELDS, audience)
    on_it = page.servers.get(node.id, ()) if page.servers is not None else ()
    if on_it or (page.servers is not None and audience.at_least("2.75")):
        body["servers"] = [{"uuid": instance_id, "name": name} for instance_id, name in on_it]
    return body


def uptime(node: Node) -> str | None:
    """As the command `uptime` said it on the node at its last heartbeat, which clients take apart; in UTC.

    None: its agent does not say.
    """
    inventory = node.inventory
    seconds, users = inventory.get("uptime_s", 0), inventory.get("users", 0)
    if not seconds or node.last_heartbeat_at is None:
        return None
    days, minutes = divmod(seconds // 60, 24 * 60)
    since = f"{days} day{'s' if days > 1 else ''}, " if days else ""
    since += f"{minutes // 60:2}:{minutes % 60:02}" if minutes >= 60 else f"{minutes} min"
    load = ", ".join(f"{inventory.get(key, 0):.2f}" for key in ("load_1m", "load_5m", "load_15m"))
    at = f"{node.last_heartbeat_at:%H:%M:%S}"
    return f" {at} up {since}, {users:2} user{'s' if users > 1 else ''},  load average: {load}"


def _facts(node: Node, load: Load, audience: Reader) -> Body:
    inventory = node.inventory
    free_disk = node.disk_gib - node.used_disk_gib
    return {
        "hypervisor_type": inventory.get("hypervisor_type", "QEMU"),
        "hypervisor_version": inventory.get("hypervisor_version", 0),
        "host_ip": node.address or None,
        "vcpus": node.vcpus,
        "vcpus_used": node.used_vcpus,
        "memory_mb": node.memory_mib,
        "memory_mb_used": node.used_memory_mib + node.reserved_memory_mib,
        "free_ram_mb": node.memory_mib - node.used_memory_mib - node.reserved_memory_mib,
        "local_gb": node.disk_gib,
        "local_gb_used": node.used_disk_gib,
        "free_disk_gb": free_disk,
        "disk_available_least": inventory.get("disk_free_gib", free_disk),
        "current_workload": load.busy,
        "running_vms": load.instances,
        "cpu_info": _cpu(node, audience),
    }


def _cpu(node: Node, audience: Reader) -> Body | str:
    inventory = node.inventory
    info: Body = {
        "arch": inventory.get("cpu_arch", ""),
        "model": inventory.get("cpu_model", ""),
        "vendor": "",
        "features": inventory.get("cpu_features", []),
        "topology": {"sockets": 1, "cores": node.vcpus, "threads": 1},
    }
    return info if audience.at_least("2.28") else json.dumps(info)


def statistics(page: HypervisorPage) -> Body:
    """The sum over all nodes."""
    nodes = [node for node, _ in page.nodes]
    return {
        "count": len(nodes),
        "vcpus": sum(node.vcpus for node in nodes),
        "vcpus_used": sum(node.used_vcpus for node in nodes),
        "memory_mb": sum(node.memory_mib for node in nodes),
        "memory_mb_used": sum(node.used_memory_mib + node.reserved_memory_mib for node in nodes),
        "free_ram_mb": sum(node.memory_mib - node.used_memory_mib - node.reserved_memory_mib for node in nodes),
        "local_gb": sum(node.disk_gib for node in nodes),
        "local_gb_used": sum(node.used_disk_gib for node in nodes),
        "free_disk_gb": sum(node.disk_gib - node.used_disk_gib for node in nodes),
        "disk_available_least": sum(node.inventory.get("disk_free_gib", node.disk_gib) for node in nodes),
        "current_workload": sum(load.busy for load in page.loads.values()),
        "running_vms": sum(load.instances for load in page.loads.values()),
    }


def zones(rows: Sequence[Service], audience: Reader, *, detail: bool) -> list[Body]:
    """A zone is available while one of its compute services is enabled; hosts are for administrators (detail)."""
    names = sorted({row.availability_zone for row in rows if row.binary == COMPUTE_BINARY} or {"nova"})
    shown = [*([INTERNAL_ZONE] if detail else []), *names]
    return [_zone(name, [row for row in rows if row.availability_zone == name], audience, detail) for name in shown]


def _zone(name: str, rows: Sequence[Service], audience: Reader, detail: bool) -> Body:
    enabled = name == INTERNAL_ZONE or any(not row.disabled for row in rows)
    hosts: Body = {}
    for row in rows if detail else ():
        hosts.setdefault(row.host, {})[row.binary] = {
            "available": is_up(row, audience.now, audience.node_down_after_s),
            "active": not row.disabled,
            "updated_at": micros(row.last_seen_at),
        }
    return {"zoneName": name, "zoneState": {"available": enabled}, "hosts": hosts if detail else None}
