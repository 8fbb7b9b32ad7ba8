"""Images: parse, call, render."""

from __future__ import annotations

from api.image.operations import images as operations
from api.image.operations import imports, stores
from api.image.schemas.filters import parse_filter, parse_page
from api.image.schemas.images import CREATE
from api.image.schemas.patch import parse_patch
from api.image.views.images import image_body, list_body, task_body
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import InvalidRequest


def create(request: ApiRequest) -> Reply:
    if not isinstance(request.body, dict):
        raise InvalidRequest("The body must be a JSON object that describes the image.")
    operations.refuse_reserved(request.body)
    validate(request.body, CREATE)
    shown = operations.create(request.services, request.context, request.body)
    location = f"{request.base_url}/images/{shown.image.id}"
    config = request.services.config.image
    headers = {
        "Location": location,
        "OpenStack-image-import-methods": ",".join(imports.methods(config)),
        "OpenStack-image-store-ids": ",".join(stores.configured(config)),
    }
    return Reply(image_body(shown), 201, headers)


def list_images(request: ApiRequest) -> Reply:
    page = parse_page(request.query, request.services.config.api.max_limit)
    wanted = parse_filter(request.query)
    return Reply(
        list_body(operations.list_page(request.services, request.context, wanted, page), page.limit, request.query)
    )


def show(request: ApiRequest, image_id: str) -> Reply:
    return Reply(image_body(operations.show(request.services, request.context, image_id)))


def update(request: ApiRequest, image_id: str) -> Reply:
    changes = parse_patch(request.content_type, request.body)
    return Reply(image_body(operations.update(request.services, request.context, image_id, changes)))


def delete(request: ApiRequest, image_id: str) -> Reply:
    operations.delete(request.services, request.context, image_id)
    return Reply(status=204)


def delete_from_store(request: ApiRequest, store_id: str, image_id: str) -> Reply:
    operations.delete_from_store(request.services, request.context, store_id, image_id)
    return Reply(status=204)


def deactivate(request: ApiRequest, image_id: str) -> Reply:
    operations.set_active(request.services, request.context, image_id, active=False)
    return Reply(status=204)


def reactivate(request: ApiRequest, image_id: str) -> Reply:
    operations.set_active(request.services, request.context, image_id, active=True)
    return Reply(status=204)


def list_tasks(request: ApiRequest, image_id: str) -> Reply:
    """Its imports; an upload is one request and no task."""
    operations.show(request.services, request.context, image_id)
    return Reply({"tasks": [task_body(task) for task in imports.list_tasks(request.services, image_id)]})
