"""/types: volume types with their extra specs, access and encryption; /default-types."""

from __future__ import annotations

from typing import Any

from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import as_boolean, validate
from api.volume import query
from api.volume.operations import volume_types as operations
from api.volume.schemas import volume_types as schemas
from api.volume.views import volume_types as views
from common.db.models import VolumeType
from common.errors import InvalidRequest, NotFound

_SPECS_SINCE = Microversion(3, 52)


def list_all(request: ApiRequest) -> Reply:
    wanted = query.pairs(request, "extra_specs") if request.version >= _SPECS_SINCE else {}
    found = operations.list_page(
        request.services, request.context, query.page(request), is_public=_is_public(request), extra_specs=wanted,
        name=query.text(request, "name"),
    )  # fmt: skip
    more = query.next_link(request, "types", [row.id for row in found])
    volume_type_links = {"volume_type_links": more["types_links"]} if more else {}
    return Reply({"volume_types": [_view(request, row) for row in found], **volume_type_links})


def show(request: ApiRequest, type_id: str) -> Reply:
    return Reply({"volume_type": _view(request, operations.show(request.services, request.context, type_id))})


def show_default(request: ApiRequest) -> Reply:
    return Reply({"volume_type": _view(request, operations.default(request.services, request.context))})


def create(request: ApiRequest) -> Reply:
    validate(request.body, schemas.CREATE)
    asked: dict[str, Any] = request.body["volume_type"]
    made = operations.create(
        request.services,
        {
            "name": asked["name"],
            "description": asked.get("description"),
            "extra_specs": asked.get("extra_specs") or {},
            "is_public": as_boolean(asked.get("os-volume-type-access:is_public", True)),
        },
    )
    return Reply({"volume_type": {**views.made(made), "os-volume-type-access:is_public": made.is_public}})


def update(request: ApiRequest, type_id: str) -> Reply:
    validate(request.body, schemas.UPDATE)
    asked: dict[str, Any] = dict(request.body["volume_type"])
    if not asked or all(value is None for value in asked.values()):
        raise InvalidRequest("Specify volume type name, description, is_public or a combination thereof.")
    if "is_public" in asked:
        asked["is_public"] = as_boolean(asked["is_public"])
    return Reply({"volume_type": views.made(operations.update(request.services, type_id, asked))})


def delete(request: ApiRequest, type_id: str) -> Reply:
    operations.delete(request.services, type_id)
    return Reply(status=202)


def list_specs(request: ApiRequest, type_id: str) -> Reply:
    found = operations.show(request.services, request.context, type_id)
    return Reply({"extra_specs": operations.visible_specs(found, request.context)})


def add_specs(request: ApiRequest, type_id: str) -> Reply:
    validate(request.body, schemas.EXTRA_SPECS)
    operations.add_extra_specs(request.services, type_id, request.body["extra_specs"])
    return Reply({"extra_specs": request.body["extra_specs"]})


def show_spec(request: ApiRequest, type_id: str, key: str) -> Reply:
    return Reply({key: operations.extra_spec(request.services, request.context, type_id, key)})


def put_spec(request: ApiRequest, type_id: str, key: str) -> Reply:
    validate(request.body, schemas.ONE_SPEC)
    if key not in request.body:
        raise InvalidRequest("Request body and URI mismatch.")
    operations.add_extra_specs(request.services, type_id, request.body)
    return Reply(request.body)


def delete_spec(request: ApiRequest, type_id: str, key: str) -> Reply:
    operations.delete_extra_spec(request.services, type_id, key)
    return Reply(status=202)


def list_access(request: ApiRequest, type_id: str) -> Reply:
    found = operations.access(request.services, type_id)
    return Reply({"volume_type_access": [{"volume_type_id": type_id, "project_id": each} for each in found]})


def add_access(request: ApiRequest, type_id: str) -> Reply:
    validate(request.body, schemas.ADD_ACCESS)
    operations.grant(request.services, type_id, request.body["addProjectAccess"]["project"])
    return Reply(status=202)


def remove_access(request: ApiRequest, type_id: str) -> Reply:
    validate(request.body, schemas.REMOVE_ACCESS)
    operations.revoke(request.services, type_id, request.body["removeProjectAccess"]["project"])
    return Reply(status=202)


def show_encryption(request: ApiRequest, type_id: str) -> Reply:
    return Reply(views.encryption(operations.encryption(request.services, type_id)))


def show_encryption_item(request: ApiRequest, type_id: str, encryption_id: str) -> Reply:
    """The path's last part names an item here, as `cipher`, and the encryption itself in the other methods."""
    key = encryption_id
    found = views.encryption(operations.encryption(request.services, type_id))
    if key not in found:
        raise NotFound(f"Volume type {type_id} has no encryption spec with key {key[:80]}.")
    return Reply({key: found[key]})


def set_encryption(request: ApiRequest, type_id: str) -> Reply:
    validate(request.body, schemas.ENCRYPTION_CREATE)
    made = operations.set_encryption(request.services, type_id, _numbered(request.body["encryption"]))
    return Reply({"encryption": views.encryption_made(made)})


def change_encryption(request: ApiRequest, type_id: str, encryption_id: str) -> Reply:
    validate(request.body, schemas.ENCRYPTION_UPDATE)
    asked = _numbered(request.body["encryption"])
    operations.change_encryption(request.services, type_id, encryption_id, asked)
    return Reply({"encryption": asked})


def drop_encryption(request: ApiRequest, type_id: str, encryption_id: str) -> Reply:
    operations.drop_encryption(request.services, type_id, encryption_id)
    return Reply(status=202)


def list_defaults(request: ApiRequest) -> Reply:
    return Reply({"default_types": [views.default_type(row) for row in operations.project_defaults(request.services)]})


def show_project_default(request: ApiRequest, project_id: str) -> Reply:
    found = operations.project_defaults(request.services, project_id)[0]
    return Reply({"default_type": views.default_type(found)})


def set_project_default(request: ApiRequest, project_id: str) -> Reply:
    validate(request.body, schemas.DEFAULT_TYPE)
    asked = request.body["default_type"]["volume_type"]
    type_id = operations.set_project_default(request.services, project_id, asked)
    return Reply({"default_type": {"project_id": project_id, "volume_type_id": type_id}})


def unset_project_default(request: ApiRequest, project_id: str) -> Reply:
    operations.unset_project_default(request.services, project_id)
    return Reply(status=204)


def _numbered(asked: dict[str, Any]) -> dict[str, Any]:
    size = asked.get("key_size")
    return {**asked, "key_size": int(size)} if size is not None else dict(asked)


def _view(request: ApiRequest, row: VolumeType) -> dict[str, Any]:
    return views.volume_type(row, operations.visible_specs(row, request.context), reader(request))


def _is_public(request: ApiRequest) -> bool | None:
    """For administrators: public types unless private ones or both (none) are asked for."""
    asked = query.text(request, "is_public")
    if asked is None:
        return True
    return None if asked.lower() == "none" else query.boolean(request, "is_public")
