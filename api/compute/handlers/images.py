"""Images through compute's API, until 2.35."""

from __future__ import annotations

from api.compute import query
from api.compute.operations import images
from api.compute.views import images as views
from api.compute.views import links
from api.compute.views.fields import reader
from api.request import ApiRequest, Reply
from common.db.models import Image
from common.db.paging import Page


def list_summary(request: ApiRequest) -> Reply:
    found, audience = _found(request), reader(request)
    more = links.next_page(request, "images", [row.id for row in found])
    return Reply(
        {"images": [views.summary(row, audience) for row in found], **({"images_links": more} if more else {})}
    )


def list_detail(request: ApiRequest) -> Reply:
    found, audience = _found(request), reader(request)
    more = links.next_page(request, "images/detail", [row.id for row in found])
    return Reply({"images": [views.detail(row, audience) for row in found], **({"images_links": more} if more else {})})


def show(request: ApiRequest, image_id: str) -> Reply:
    return Reply({"image": views.detail(images.show(request.services, request.context, image_id), reader(request))})


def show_metadata(request: ApiRequest, image_id: str) -> Reply:
    row = images.show(request.services, request.context, image_id)
    return Reply({"metadata": views.detail(row, reader(request))["metadata"]})


def _found(request: ApiRequest) -> list[Image]:
    page = query.page(request)
    return images.list_page(
        request.services, request.context, Page(page.limit, page.marker), query.text(request, "name")
    )
