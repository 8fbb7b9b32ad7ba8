"""Metadata of volumes, item by item or as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from api.request import ApiRequest, Reply
from api.schema import validate
from api.volume.operations import volumes
from api.volume.schemas import volumes as schemas
from common.db.models import Volume
from common.errors import InvalidRequest, NotFound

Change = Callable[[Mapping[str, Any]], dict[str, Any]]


def show_all(request: ApiRequest, volume_id: str) -> Reply:
    return Reply({"metadata": volumes.show(request.services, request.context, volume_id).volumes[0].properties})


def merge(request: ApiRequest, volume_id: str) -> Reply:
    validate(request.body, schemas.METADATA_BODY)
    return _written(request, volume_id, lambda old: {**old, **request.body["metadata"]})


def replace(request: ApiRequest, volume_id: str) -> Reply:
    validate(request.body, schemas.METADATA_BODY)
    return _written(request, volume_id, lambda _old: dict(request.body["metadata"]))


def show(request: ApiRequest, volume_id: str, key: str) -> Reply:
    return Reply({"meta": {key: volumes.property_of(request.services, request.context, volume_id, key)}})


def put(request: ApiRequest, volume_id: str, key: str) -> Reply:
    validate(request.body, schemas.META_BODY)
    meta = request.body["meta"]
    if key not in meta:
        raise InvalidRequest("Request body and URI mismatch: the body must name the key of the path.")
    _written(request, volume_id, lambda old: {**old, **meta})
    return Reply({"meta": meta})


def delete(request: ApiRequest, volume_id: str, key: str) -> Reply:
    def without(_session: object, volume: Volume) -> None:
        if key not in volume.properties:
            raise NotFound(f"Volume {volume_id} has no metadata with key {key[:80]}.")
        volume.properties = {name: value for name, value in volume.properties.items() if name != key}

    volumes.edit(request.services, request.context, volume_id, without)
    return Reply(status=200)


def _written(request: ApiRequest, volume_id: str, change: Change) -> Reply:
    def work(_session: object, volume: Volume) -> None:
        volume.properties = change(volume.properties)

    found = volumes.edit(request.services, request.context, volume_id, work)
    return Reply({"metadata": found.volumes[0].properties})
