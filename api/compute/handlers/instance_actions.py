"""The history of a server."""

from __future__ import annotations

from api.compute import query
from api.compute.operations import instance_actions
from api.compute.views import instance_actions as views
from api.compute.views import links
from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from common.db.paging import Page
from common.errors import InvalidRequest


def list_all(request: ApiRequest, server_id: str) -> Reply:
    paged = request.version >= Microversion(2, 58)
    page = query.page(request) if paged else Page(limit=request.services.config.api.max_limit)
    since = query.time(request, "changes-since") if paged else None
    before = query.time(request, "changes-before") if request.version >= Microversion(2, 66) else None
    if since and before and since > before:
        raise InvalidRequest("The value of changes-since must be less than or equal to changes-before.")
    found = instance_actions.list_page(
        request.services, request.context, server_id, Page(page.limit, page.marker), deleted=_deleted(request),
        since=since, before=before,
    )  # fmt: skip
    more = links.next_page(request, f"servers/{server_id}/os-instance-actions", [row.request_id for row in found])
    audience = reader(request)
    body = {"instanceActions": [views.action(row, audience) for row in found]}
    return Reply({**body, "links": more} if paged and more else body)


def show(request: ApiRequest, server_id: str, request_id: str) -> Reply:
    found = instance_actions.show(request.services, request.context, server_id, request_id, deleted=_deleted(request))
    return Reply({"instanceAction": views.with_events(found, reader(request))})


def _deleted(request: ApiRequest) -> bool:
    return request.version >= Microversion(2, 21)
