"""/group_types and their specs (3.11). No type is the default: groups always name theirs."""

from __future__ import annotations

from typing import Any

from api.compute.views.fields import reader
from api.request import ApiRequest, Reply
from api.schema import as_boolean, validate
from api.volume import query
from api.volume.operations import group_types as operations
from api.volume.schemas import volume_groups as schemas
from api.volume.schemas.volume_types import ONE_SPEC
from api.volume.views import volume_groups as views
from common.errors import InvalidRequest


def list_all(request: ApiRequest) -> Reply:
    audience, asked = reader(request), query.text(request, "is_public")
    wanted = True if asked is None else None if asked.lower() == "none" else query.boolean(request, "is_public")
    found = operations.list_page(request.services, request.context, query.page(request), wanted)
    more = query.next_link(request, "group_types", [row.id for row in found])
    links = {"group_type_links": more["group_types_links"]} if more else {}
    return Reply({"group_types": [views.group_type(row, audience) for row in found], **links})


def show(request: ApiRequest, group_type_id: str) -> Reply:
    found = operations.show(request.services, request.context, group_type_id)
    return Reply({"group_type": views.group_type(found, reader(request))})


def create(request: ApiRequest) -> Reply:
    validate(request.body, schemas.TYPE_CREATE)
    asked: dict[str, Any] = request.body["group_type"]
    made = operations.create(
        request.services,
        {
            "name": asked["name"],
            "description": asked.get("description"),
            "is_public": as_boolean(asked.get("is_public", True)),
            "group_specs": asked.get("group_specs") or {},
        },
    )
    return Reply({"group_type": views.group_type(made, reader(request))}, 202)


def update(request: ApiRequest, group_type_id: str) -> Reply:
    validate(request.body, schemas.TYPE_UPDATE)
    asked: dict[str, Any] = dict(request.body["group_type"])
    if not asked or all(value is None for value in asked.values()):
        raise InvalidRequest("Specify group type name, description or a combination thereof.")
    if "is_public" in asked:
        asked["is_public"] = as_boolean(asked["is_public"])
    changed = operations.update(request.services, group_type_id, asked)
    return Reply({"group_type": views.group_type(changed, reader(request))})


def delete(request: ApiRequest, group_type_id: str) -> Reply:
    operations.delete(request.services, group_type_id)
    return Reply(status=202)


def list_specs(request: ApiRequest, group_type_id: str) -> Reply:
    found = operations.show(request.services, request.context, group_type_id)
    return Reply({"group_specs": dict(found.group_specs)})


def add_specs(request: ApiRequest, group_type_id: str) -> Reply:
    validate(request.body, schemas.GROUP_SPECS)
    operations.add_specs(request.services, group_type_id, request.body["group_specs"])
    return Reply({"group_specs": request.body["group_specs"]}, 202)


def show_spec(request: ApiRequest, group_type_id: str, key: str) -> Reply:
    return Reply({key: operations.spec(request.services, request.context, group_type_id, key)})


def put_spec(request: ApiRequest, group_type_id: str, key: str) -> Reply:
    validate(request.body, ONE_SPEC)
    if key not in request.body:
        raise InvalidRequest("Request body and URI mismatch.")
    operations.add_specs(request.services, group_type_id, request.body)
    return Reply(request.body)


def delete_spec(request: ApiRequest, group_type_id: str, key: str) -> Reply:
    operations.delete_spec(request.services, group_type_id, key)
    return Reply(status=202)
