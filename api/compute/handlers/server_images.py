"""The actions createImage and createBackup."""

from __future__ import annotations

from api.compute.operations import server_images
from api.compute.operations.server_images import NewImage
from api.compute.schemas import servers as schemas
from api.compute.views import links
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import InvalidRequest


def create_image(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.CREATE_IMAGE)
    asked = request.body["createImage"]
    wanted = NewImage(name=asked["name"], metadata=asked.get("metadata", {}))
    return _made(request, server_images.create(request.services, request.context, server_id, wanted))


def create_backup(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.CREATE_BACKUP)
    asked = request.body["createBackup"]
    rotation = int(asked["rotation"])
    if rotation < 0:
        raise InvalidRequest(f"Invalid input for field/attribute rotation. Value: {rotation}. It must not be negative.")
    wanted = NewImage(
        name=asked["name"], metadata=asked.get("metadata", {}), backup_type=asked["backup_type"], rotation=rotation
    )
    image_id = server_images.create(request.services, request.context, server_id, wanted)
    return _made(request, image_id) if rotation else Reply(status=202)


def _made(request: ApiRequest, image_id: str) -> Reply:
    """Since 2.45 the image's id; before that a link, which leads to nothing any more."""
    if request.version >= Microversion(2, 45):
        return Reply({"image_id": image_id}, 202)
    return Reply(status=202, headers={"Location": links.bookmark(request.base_url, "images", image_id)})
