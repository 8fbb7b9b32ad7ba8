"""Tags of an image."""

from __future__ import annotations

from api.image.operations import tags as operations
from api.request import ApiRequest, Reply


def add(request: ApiRequest, image_id: str, tag: str) -> Reply:
    operations.add(request.services, request.context, image_id, tag)
    return Reply(status=204)


def remove(request: ApiRequest, image_id: str, tag: str) -> Reply:
    operations.remove(request.services, request.context, image_id, tag)
    return Reply(status=204)
