"""/os-services, /os-hosts, /scheduler-stats/get_pools, /capabilities and /os-availability-zone."""

from __future__ import annotations

from typing import Any

from api.compute.views.fields import reader
from api.request import ApiRequest, Reply
from api.schema import validate
from api.volume import query
from api.volume.operations import services as operations
from api.volume.schemas import records as schemas
from api.volume.views import services as views
from common.errors import InvalidRequest


def list_services(request: ApiRequest) -> Reply:
    audience = reader(request)
    found = operations.list_all(
        request.services, host=query.text(request, "host"),
        binary=query.text(request, "binary") or query.text(request, "service"),
    )  # fmt: skip
    return Reply({"services": [views.service(row, audience) for row in found]})


def enable(request: ApiRequest) -> Reply:
    validate(request.body, schemas.SERVICE)
    changed = operations.set_disabled(request.services, *_named(request.body), None, disabled=False)
    return Reply(views.changed(changed, request.body["host"], with_reason=True))


def disable(request: ApiRequest) -> Reply:
    validate(request.body, schemas.SERVICE)
    changed = operations.set_disabled(request.services, *_named(request.body), None, disabled=True)
    return Reply(views.changed(changed, request.body["host"], with_reason=False))


def disable_with_reason(request: ApiRequest) -> Reply:
    validate(request.body, schemas.SERVICE_WITH_REASON)
    reason = request.body["disabled_reason"].strip()
    changed = operations.set_disabled(request.services, *_named(request.body), reason, disabled=True)
    return Reply(views.changed(changed, request.body["host"], with_reason=True))


def _named(body: dict[str, Any]) -> tuple[str, str]:
    binary = body.get("binary") or body.get("service")
    if not binary:
        raise InvalidRequest("Missing required element 'binary' in request body.")
    return body["host"], binary


def freeze(request: ApiRequest) -> Reply:
    validate(request.body, schemas.SERVICE)
    operations.set_frozen(request.services, request.body["host"], frozen=True)
    return Reply()


def thaw(request: ApiRequest) -> Reply:
    validate(request.body, schemas.SERVICE)
    operations.set_frozen(request.services, request.body["host"], frozen=False)
    return Reply()


def list_hosts(request: ApiRequest) -> Reply:
    audience, zone = reader(request), query.text(request, "zone")
    found = operations.list_all(request.services)
    return Reply({"hosts": [views.host(row, audience) for row in found if zone in (None, row.zone)]})


def show_host(request: ApiRequest, host: str) -> Reply:
    found = operations.use_of(request.services, host)
    return Reply({"host": [views.host_use(host, each) for each in found]})


def list_pools(request: ApiRequest) -> Reply:
    detail = query.boolean(request, "detail")
    found = [views.pool(row, detail=detail) for row in operations.pools(request.services)]
    name = query.text(request, "name")
    return Reply({"pools": [each for each in found if name in (None, each["name"])]})


def show_capabilities(request: ApiRequest, host: str) -> Reply:
    return Reply(views.capabilities(operations.pool(request.services, host)))


def list_zones(request: ApiRequest) -> Reply:
    found = operations.zones(request.services)
    return Reply({"availabilityZoneInfo": [{"zoneName": name, "zoneState": {"available": True}} for name in found]})
