"""The nodes' image caches: parse, call, render."""

from __future__ import annotations

from api.image.operations import node_caches as operations
from api.image.views.caches import caches_body
from api.request import ApiRequest, Reply
from common.errors import InvalidRequest

_TARGET = "X-Image-Cache-Clear-Target"
_TARGETS = ("cache", "queue")


def show(request: ApiRequest) -> Reply:
    return Reply(caches_body(operations.show(request.services)))


def queue(request: ApiRequest, image_id: str) -> Reply:
    operations.queue(request.services, request.context, image_id)
    return Reply(status=202)


def drop(request: ApiRequest, image_id: str) -> Reply:
    operations.drop(request.services, request.context, image_id)
    return Reply(status=204)


def clear(request: ApiRequest) -> Reply:
    target = request.headers.get(_TARGET, "")
    if target and target not in _TARGETS:
        raise InvalidRequest(f"The header {_TARGET} must be one of {', '.join(_TARGETS)}, not {target[:40]!r}.")
    operations.clear(request.services, cached=target in ("", "cache"), queued=target in ("", "queue"))
    return Reply(status=204)
