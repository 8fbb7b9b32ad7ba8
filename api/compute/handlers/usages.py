"""os-simple-tenant-usage."""

from __future__ import annotations

from typing import Any

from api.compute import query
from api.compute.operations import quota_sets, usages
from api.compute.operations.usages import Period
from api.compute.views import links
from api.compute.views import usages as views
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from common.db.paging import Page


def list_all(request: ApiRequest) -> Reply:
    when, page = _period(request), _page(request)
    found = usages.by_project(request.services, when, page.limit, page.marker)
    detailed = (request.arg("detailed") or "").lower() in ("1", "true")
    bodies = [views.project(key, uses, when.start, when.stop, detailed=detailed) for key, uses in found.items()]
    body: dict[str, Any] = {"tenant_usages": bodies}
    seen = [use.instance_id for uses in found.values() for use in uses]
    return Reply(_linked(request, body, "tenant_usages_links", "os-simple-tenant-usage", seen))


def show(request: ApiRequest, project_id: str) -> Reply:
    quota_sets.check_own(request.context, project_id, "os-simple-tenant-usage:show")
    when, page = _period(request), _page(request)
    found = usages.of_project(request.services, project_id, when, page.limit, page.marker)
    usage = views.project(project_id, found, when.start, when.stop, detailed=True)
    seen = [use.instance_id for use in found]
    noun = f"os-simple-tenant-usage/{project_id}"
    return Reply(_linked(request, {"tenant_usage": usage}, "tenant_usage_links", noun, seen))


def _period(request: ApiRequest) -> Period:
    return usages.period(query.time(request, "start"), query.time(request, "end"), request.services.clock.now())


def _page(request: ApiRequest) -> Page:
    if request.version < Microversion(2, 40):
        return Page(limit=request.services.config.api.max_limit)
    return query.page(request)


def _linked(request: ApiRequest, body: dict[str, Any], key: str, noun: str, seen: list[str]) -> dict[str, Any]:
    more = links.next_page(request, noun, seen) if request.version >= Microversion(2, 40) else []
    return {**body, key: more} if more else body
