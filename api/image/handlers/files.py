"""An image's bytes, in and out."""

from __future__ import annotations

from typing import IO

from api.image.operations import downloads, imports, uploads
from api.image.operations.access import look
from api.image.schemas.images import IMPORT
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import InvalidRequest, UnsupportedMediaType

BYTES = "application/octet-stream"


def upload(request: ApiRequest, image_id: str) -> Reply:
    stream, announced = _sent(request, image_id)
    store = request.headers.get("X-Image-Meta-Store")
    uploads.upload(request.services, request.context, image_id, stream, announced, store)
    return Reply(status=204)


def stage(request: ApiRequest, image_id: str) -> Reply:
    stream, announced = _sent(request, image_id)
    imports.stage(request.services, request.context, image_id, stream, announced)
    return Reply(status=204)


def _sent(request: ApiRequest, image_id: str) -> tuple[IO[bytes], int | None]:
    """The body, and its length if the client announced one. Raises UnsupportedMediaType, NotFound, InvalidRequest."""
    if request.content_type != BYTES:
        raise UnsupportedMediaType(f"Send the image's data as {BYTES}.")
    if request.stream is None:
        raise InvalidRequest("The request has no body.")
    length = request.headers.get("Content-Length", "")
    if not length and "Transfer-Encoding" not in request.headers:
        look(request.services, request.context, image_id)
        raise InvalidRequest("The request has no body; an image of no bytes is one that says so: Content-Length: 0.")
    return request.stream, int(length) if length.isdigit() else None


def start_import(request: ApiRequest, image_id: str) -> Reply:
    validate(request.body, IMPORT)
    store = request.headers.get("X-Image-Meta-Store")
    imports.request(request.services, request.context, image_id, request.body, store)
    return Reply(status=202)


def download(request: ApiRequest, image_id: str) -> Reply:
    found = downloads.download(request.services, request.context, image_id, request.headers.get("Range"))
    if found is None:
        return Reply(status=204)
    headers = {"Content-Length": str(found.end - found.start), "Accept-Ranges": "bytes"}
    if found.partial:
        headers["Content-Range"] = f"bytes {found.start}-{found.end - 1}/{found.size}"
    else:
        headers["Content-MD5"] = found.checksum
    return Reply(status=206 if found.partial else 200, headers=headers, content_type=BYTES, stream=found.stream)
