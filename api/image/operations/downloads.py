"""Reading an image's bytes, whole or one range of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from api.image.operations import stores
from api.request import FileSpan, Services
from common.context import RequestContext
from common.db import images
from common.db.images import ImageStatus
from common.db.models import Image
from common.errors import Forbidden, InvalidRequest

_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})\Z")


@dataclass(frozen=True)
class Download:
    """The bytes [start, end) of `size`; `partial` when the client asked for a range."""

    stream: FileSpan
    start: int
    end: int
    size: int
    checksum: str
    sha512: str
    partial: bool


def download(services: Services, context: RequestContext, image_id: str, byte_range: str | None) -> Download | None:
    """None when the image has no data. Raises NotFound, Forbidden (deactivated), InvalidRequest (416, bad range)."""
    with services.db.read() as session:
        image = images.get_visible(session, image_id, context)
    if image.status == ImageStatus.DEACTIVATED and not context.is_admin:
        raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    if image.status not in (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED):
        return None
    return open_bytes(services, image, byte_range)


def open_bytes(services: Services, image: Image, byte_range: str | None = None) -> Download:
    """The bytes of an image that has some. Raises ImageDamaged, InvalidRequest (416)."""
    size = image.size or 0
    start, end = _parse_range(byte_range, size) if byte_range else (0, size)
    file = stores.holding(services, image).open(image.id, size)
    return Download(
        FileSpan(file, start, end, to_end=end == size),
        start,
        end,
        size,
        image.checksum or "",
        image.os_hash_value or "",
        bool(byte_range),
    )


def _parse_range(text: str, size: int) -> tuple[int, int]:
    found = _RANGE.match(text)
    if not found or not (found[1] or found[2]):
        raise InvalidRequest(f"Only one range of bytes can be asked for, not {text[:80]!r}.", http_status=416)
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
    if start >= end:
        raise InvalidRequest(f"The range {text[:80]!r} lies outside the image's {size} bytes.", http_status=416)
    return start, end
