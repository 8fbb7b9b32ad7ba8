"""What a project's servers used of memory, disk and processors over a period, in hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from api.compute.views.fields import Body, micros
from common.db.server_actions import Use
from common.states import VmState


def project(project_id: str, uses: Sequence[Use], start: datetime, stop: datetime, *, detailed: bool) -> Body:
    hours = {use.instance_id: _hours(use, start, stop) for use in uses}
    body: Body = {
        "tenant_id": project_id,
        "start": micros(start),
        "stop": micros(stop),
        "total_hours": sum(hours.values()),
        "total_memory_mb_usage": sum(use.flavor["memory_mib"] * hours[use.instance_id] for use in uses),
        "total_local_gb_usage": sum(_disk(use) * hours[use.instance_id] for use in uses),
        "total_vcpus_usage": sum(use.flavor["vcpus"] * hours[use.instance_id] for use in uses),
    }
    if detailed:
        body["server_usages"] = [_server(use, hours[use.instance_id], stop) for use in uses]
    return body


def _server(use: Use, hours: float, stop: datetime) -> Body:
    gone = use.vm_state == VmState.DELETED
    return {
        "instance_id": use.instance_id,
        "name": use.name,
        "tenant_id": use.project_id,
        "flavor": use.flavor["name"],
        "vcpus": use.flavor["vcpus"],
        "memory_mb": use.flavor["memory_mib"],
        "local_gb": _disk(use),
        "hours": hours,
        "uptime": max(0, int(((use.ended_at or stop) - use.started_at).total_seconds())),
        "started_at": micros(use.started_at),
        "ended_at": micros(use.ended_at),
        "state": "terminated" if gone else use.vm_state,
    }


def _disk(use: Use) -> int:
    return int(use.flavor["root_gib"]) + int(use.flavor["ephemeral_gib"])


def _hours(use: Use, start: datetime, stop: datetime) -> float:
    first, last = max(use.started_at, start), min(use.ended_at or stop, stop)
    return max(0.0, (last - first).total_seconds() / 3600)
