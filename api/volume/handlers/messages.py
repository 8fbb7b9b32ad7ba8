"""/messages (3.3): why something asynchronous has failed; filters and pages since 3.5."""

from __future__ import annotations

from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.volume import query
from api.volume.operations import messages as operations
from api.volume.views import records as views
from common.db.paging import Page
from common.db.volume_messages import FILTERS


def list_all(request: ApiRequest) -> Reply:
    audience, context = reader(request), request.context
    paged = request.version >= Microversion(3, 5)
    page = query.page(request) if paged else Page(request.services.config.api.max_limit)
    equals = {name: query.text(request, name) or "" for name in FILTERS if paged and name in request.query}
    everybody = context.is_admin and query.boolean(request, "all_tenants")
    found = operations.list_page(request.services, None if everybody else context.project_id or "", equals, page)
    more = query.next_link(request, "messages", [row.id for row in found]) if paged else {}
    return Reply({"messages": [views.message(row, audience) for row in found], **more})


def show(request: ApiRequest, message_id: str) -> Reply:
    found = operations.show(request.services, request.context, message_id)
    return Reply({"message": views.message(found, reader(request))})


def delete(request: ApiRequest, message_id: str) -> Reply:
    operations.delete(request.services, request.context, message_id)
    return Reply(status=204)
