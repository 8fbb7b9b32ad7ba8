"""Services, hypervisors and availability zones."""

from __future__ import annotations

from api.compute import query
from api.compute.operations import hosts
from api.compute.schemas import services as schemas
from api.compute.views import hosts as views
from api.compute.views import links
from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import as_boolean, validate
from common.db.paging import Page
from common.db.services import ServiceChange
from common.errors import InvalidRequest
from common.ids import is_uuid

BY_UUID = Microversion(2, 53)
_LONGEST_NUMBER = 10  # what is shorter is below 2**31


def list_services(request: ApiRequest) -> Reply:
    found = hosts.list_services(request.services, query.text(request, "host"), query.text(request, "binary"))
    audience = reader(request)
    return Reply({"services": [views.service(row, audience) for row in found]})


def update_service(request: ApiRequest, service_id: str) -> Reply:
    """PUT /os-services/{uuid} since 2.53; before, the last word is what to do and the body names the service."""
    if request.version < BY_UUID:
        return _old_update(request, service_id)
    validate(request.body, schemas.UPDATE_253)
    status, reason = request.body.get("status"), request.body.get("disabled_reason")
    forced = request.body.get("forced_down")
    if status is None and forced is None:
        raise InvalidRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    if reason is not None and status != "disabled":
        raise InvalidRequest("Specifying 'disabled_reason' requires that status is set to 'disabled'.")
    wanted = ServiceChange(
        disabled=None if status is None else status == "disabled", disabled_reason=reason,
        forced_down=None if forced is None else as_boolean(forced),
    )  # fmt: skip
    row = hosts.change_service(request.services, service_id, wanted)
    return Reply({"service": views.service(row, reader(request))})


def delete_service(request: ApiRequest, service_id: str) -> Reply:
    """Named by its UUID since 2.53, before by a number."""
    by_number = request.version < BY_UUID
    if by_number and not (service_id.isascii() and service_id.isdecimal() and len(service_id) < _LONGEST_NUMBER):
        raise InvalidRequest(f"Invalid service id {service_id[:64]!r}: before 2.53 services are named by numbers.")
    if not by_number and not is_uuid(service_id):
        raise InvalidRequest(f"Invalid uuid {service_id[:64]!r}: since 2.53 services are named by UUIDs.")
    hosts.delete_service(request.services, service_id, by_number=by_number)
    return Reply(status=204)


def _old_update(request: ApiRequest, what: str) -> Reply:
    body = request.body
    if what == "enable":
        validate(body, schemas.ENABLE)
        wanted, told = ServiceChange(disabled=False), {"status": "enabled"}
    elif what == "disable":
        validate(body, schemas.DISABLE)
        wanted, told = ServiceChange(disabled=True), {"status": "disabled"}
    elif what == "disable-log-reason":
        validate(body, schemas.DISABLE_WITH_REASON)
        reason = body["disabled_reason"]
        wanted = ServiceChange(disabled=True, disabled_reason=reason)
        told = {"status": "disabled", "disabled_reason": reason}
    elif what == "force-down" and request.version >= Microversion(2, 11):
        validate(body, schemas.FORCE_DOWN)
        forced = as_boolean(body["forced_down"])
        row = hosts.change_service_of(request.services, body["host"], body["binary"], ServiceChange(forced_down=forced))
        return Reply({"service": {"host": row.host, "binary": row.binary, "forced_down": forced}})
    else:
        raise InvalidRequest(f"Unknown action {what[:40]!r} for a service.")
    row = hosts.change_service_of(request.services, body["host"], body["binary"], wanted)
    return Reply({"service": {"host": row.host, "binary": row.binary, **told}})


def list_hypervisors(request: ApiRequest) -> Reply:
    return _hypervisors(request, detail=False, noun="os-hypervisors")


def list_hypervisors_detail(request: ApiRequest) -> Reply:
    return _hypervisors(request, detail=True, noun="os-hypervisors/detail")


def _hypervisors(request: ApiRequest, *, detail: bool, noun: str) -> Reply:
    name, with_servers = None, False
    if request.version >= BY_UUID:
        name = query.text(request, "hypervisor_hostname_pattern")
        with_servers = query.boolean(request, "with_servers", False)
    if name is not None and ("limit" in request.query or "marker" in request.query):
        raise InvalidRequest(
            "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported."
        )
    paged = request.version >= Microversion(2, 33)
    page = query.page(request) if paged else Page(limit=request.services.config.api.max_limit)
    found = hosts.list_hypervisors(
        request.services, Page(page.limit, page.marker), name=name, with_servers=with_servers
    )
    body = {"hypervisors": views.hypervisor_list(found, reader(request), detail=detail)}
    more = links.next_page(request, noun, [node.id for node, _ in found.nodes]) if paged else []
    return Reply({**body, "hypervisors_links": more} if more else body)


def show_hypervisor(request: ApiRequest, hypervisor_id: str) -> Reply:
    with_servers = request.version >= BY_UUID and query.boolean(request, "with_servers", False)
    found = hosts.show_hypervisor(request.services, hypervisor_id, with_servers=with_servers)
    return Reply({"hypervisor": views.hypervisor_list(found, reader(request), detail=True)[0]})


def hypervisor_statistics(request: ApiRequest) -> Reply:
    everything = Page(limit=request.services.config.api.max_limit)
    found = hosts.list_hypervisors(request.services, everything)
    return Reply({"hypervisor_statistics": views.statistics(found)})


def hypervisor_uptime(request: ApiRequest, hypervisor_id: str) -> Reply:
    found = hosts.show_hypervisor(request.services, hypervisor_id)
    node, _ = found.nodes[0]
    body = views.hypervisor_list(found, reader(request), detail=False)[0]
    if body["state"] != "up":
        raise InvalidRequest(f"Compute service of {node.name} is unavailable at this time.")
    uptime = views.uptime(node)
    if uptime is None:  # an agent of an earlier release; clients know 501 for that
        raise InvalidRequest(f"Node {node.name} does not report its uptime: update its agent.", http_status=501)
    return Reply({"hypervisor": {**body, "uptime": uptime}})


def search_hypervisors(request: ApiRequest, name: str) -> Reply:
    return _named(request, name, with_servers=False)


def servers_of_hypervisors(request: ApiRequest, name: str) -> Reply:
    return _named(request, name, with_servers=True)


def _named(request: ApiRequest, name: str, *, with_servers: bool) -> Reply:
    everything = Page(limit=request.services.config.api.max_limit)
    found = hosts.list_hypervisors(request.services, everything, name=name, with_servers=with_servers)
    return Reply({"hypervisors": views.hypervisor_list(found, reader(request), detail=False)})


def list_zones(request: ApiRequest) -> Reply:
    rows = hosts.list_services(request.services, None, None)
    return Reply({"availabilityZoneInfo": views.zones(rows, reader(request), detail=False)})


def list_zones_detail(request: ApiRequest) -> Reply:
    rows = hosts.list_services(request.services, None, None)
    return Reply({"availabilityZoneInfo": views.zones(rows, reader(request), detail=True)})
