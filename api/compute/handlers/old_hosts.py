"""os-hosts (until 2.42) and os-instance_usage_audit_log: older words for services and nodes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from api.compute import query
from api.compute.operations import hosts
from api.compute.schemas import services as schemas
from api.compute.views import hosts as views
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import InvalidRequest


def list_hosts(request: ApiRequest) -> Reply:
    zone = query.text(request, "zone")
    rows = hosts.list_services(request.services, None, None)
    return Reply({"hosts": [views.old_host(row) for row in rows if not zone or row.availability_zone == zone]})


def show_host(request: ApiRequest, host: str) -> Reply:
    return Reply({"host": views.old_resources(hosts.of_host(request.services, host))})


def update_host(request: ApiRequest, host: str) -> Reply:
    """status enables and disables the node's service; maintenance is what KVM's driver has not."""
    validate(request.body, schemas.UPDATE_HOST)
    asked: dict[str, Any] = request.body
    hosts.of_host(request.services, host)
    if "maintenance_mode" in asked:
        raise InvalidRequest("Virt driver does not implement host maintenance mode.", http_status=501)
    wanted = asked["status"].strip().lower() == "enable"
    hosts.enable_host(request.services, host, enabled=wanted)
    return Reply({"host": host, "status": "enabled" if wanted else "disabled"})


def power_host(request: ApiRequest, host: str) -> Reply:
    """startup, shutdown, reboot: no driver of ours switches machines."""
    hosts.of_host(request.services, host)
    raise InvalidRequest("Virt driver does not implement host power management.", http_status=501)


def list_audit_logs(request: ApiRequest) -> Reply:
    return Reply({"instance_usage_audit_logs": _audit(request, request.services.clock.now())})


def show_audit_log(request: ApiRequest, before: str) -> Reply:
    try:
        at = datetime.fromisoformat(before).replace(tzinfo=UTC)
    except ValueError as err:
        raise InvalidRequest(f"Invalid timestamp for date {before[:40]}") from err
    return Reply({"instance_usage_audit_log": _audit(request, at)})


def _audit(request: ApiRequest, before: datetime) -> dict[str, Any]:
    """Nodes send no periodic usage records here, so that none has: usage is os-simple-tenant-usage's to tell."""
    names = hosts.compute_hosts(request.services)
    return views.audit_log(names, before)
