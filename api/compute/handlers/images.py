"""Images through compute's API, until 2.35."""

from __future__ import annotations

from api.compute import query
from api.compute.operations import images
from api.compute.schemas import servers as schemas
from api.compute.views import images as views
from api.compute.views import links
from api.compute.views.fields import reader
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.images import ImageFilter
from common.db.models import Image
from common.db.paging import Page
from common.errors import InvalidRequest


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
    return Reply({"metadata": views.metadata(images.show(request.services, request.context, image_id))})


def delete(request: ApiRequest, image_id: str) -> Reply:
    images.delete(request.services, request.context, image_id)
    return Reply(status=204)


def replace_metadata(request: ApiRequest, image_id: str) -> Reply:
    return _write(request, image_id, replace=True)


def merge_metadata(request: ApiRequest, image_id: str) -> Reply:
    return _write(request, image_id, replace=False)


def _write(request: ApiRequest, image_id: str, *, replace: bool) -> Reply:
    validate(request.body, schemas.SET_METADATA)
    row = images.set_metadata(request.services, request.context, image_id, request.body["metadata"], replace=replace)
    return Reply({"metadata": views.metadata(row)})


def show_item(request: ApiRequest, image_id: str, key: str) -> Reply:
    found = views.metadata(images.show(request.services, request.context, image_id))
    if key not in found:
        raise images.no_item()
    return Reply({"meta": {key: found[key]}})


def put_item(request: ApiRequest, image_id: str, key: str) -> Reply:
    validate(request.body, schemas.SET_METADATA_ITEM)
    item = request.body["meta"]
    if key not in item:
        raise InvalidRequest("Request body and URI mismatch")
    images.set_metadata(request.services, request.context, image_id, item, replace=False)
    return Reply({"meta": item})


def delete_item(request: ApiRequest, image_id: str, key: str) -> Reply:
    images.delete_item(request.services, request.context, image_id, key)
    return Reply(status=204)


def _found(request: ApiRequest) -> list[Image]:
    page = query.page(request)
    return images.list_page(request.services, request.context, Page(page.limit, page.marker), _wanted(request))


def _wanted(request: ApiRequest) -> ImageFilter | None:
    """None: nothing can match."""
    one_of: dict[str, list[str]] = {}
    if (name := query.text(request, "name")) is not None:
        one_of["name"] = [name]
    if (status := query.text(request, "status")) is not None:
        one_of["status"] = views.statuses(status)
        if not one_of["status"]:
            return None
    properties = {key: value for key in ("server", "type") if (value := query.text(request, key))}
    named = {"server": "instance_uuid", "type": "image_type"}
    since = query.time(request, "changes-since")
    return ImageFilter(
        one_of=one_of,
        properties={named[key]: value.rstrip("/").rsplit("/", 1)[-1] for key, value in properties.items()},
        times=[("updated_at", "gte", since)] if since else [],
    )
