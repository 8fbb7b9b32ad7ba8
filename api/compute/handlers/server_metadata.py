"""Metadata and tags of a server."""

from __future__ import annotations

from urllib.parse import quote

from api.compute.operations import server_metadata
from api.compute.schemas import servers as schemas
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import InvalidRequest


def show_all(request: ApiRequest, server_id: str) -> Reply:
    return Reply({"metadata": server_metadata.get(request.services, request.context, server_id)})


def replace(request: ApiRequest, server_id: str) -> Reply:
    return _write(request, server_id, replace=True)


def merge(request: ApiRequest, server_id: str) -> Reply:
    return _write(request, server_id, replace=False)


def _write(request: ApiRequest, server_id: str, *, replace: bool) -> Reply:
    validate(request.body, schemas.SET_METADATA)
    items = request.body["metadata"]
    written = server_metadata.write(request.services, request.context, server_id, items, replace=replace)
    return Reply({"metadata": written})


def show(request: ApiRequest, server_id: str, key: str) -> Reply:
    return Reply({"meta": {key: server_metadata.get_item(request.services, request.context, server_id, key)}})


def put(request: ApiRequest, server_id: str, key: str) -> Reply:
    validate(request.body, schemas.SET_METADATA_ITEM)
    item = request.body["meta"]
    if key not in item:
        raise InvalidRequest("Request body and URI mismatch")
    server_metadata.write(request.services, request.context, server_id, item, replace=False)
    return Reply({"meta": item})


def delete(request: ApiRequest, server_id: str, key: str) -> Reply:
    server_metadata.delete_item(request.services, request.context, server_id, key)
    return Reply(status=204)


def show_tags(request: ApiRequest, server_id: str) -> Reply:
    return Reply({"tags": server_metadata.tags(request.services, request.context, server_id)})


def replace_tags(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.SET_TAGS)
    written = server_metadata.set_tags(request.services, request.context, server_id, request.body["tags"])
    return Reply({"tags": written})


def delete_tags(request: ApiRequest, server_id: str) -> Reply:
    server_metadata.set_tags(request.services, request.context, server_id, [])
    return Reply(status=204)


def show_tag(request: ApiRequest, server_id: str, tag: str) -> Reply:
    if tag not in server_metadata.tags(request.services, request.context, server_id):
        raise server_metadata.no_tag(server_id, tag)
    return Reply(status=204)


def put_tag(request: ApiRequest, server_id: str, tag: str) -> Reply:
    validate({"tags": [tag]}, schemas.SET_TAGS)
    added = server_metadata.add_tag(request.services, request.context, server_id, tag)
    location = f"{request.base_url}/servers/{server_id}/tags/{quote(tag)}"
    return Reply(status=201 if added else 204, headers={"Location": location})


def delete_tag(request: ApiRequest, server_id: str, tag: str) -> Reply:
    server_metadata.delete_tag(request.services, request.context, server_id, tag)
    return Reply(status=204)
