"""/groups (3.13): create from another or from a snapshot since 3.14, reset status since 3.20."""

from __future__ import annotations

from typing import Any

from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import as_boolean, validate
from api.volume import query
from api.volume.operations import groups as operations
from api.volume.operations.groups import GroupChange, GroupPage, NewGroup
from api.volume.schemas import volume_groups as schemas
from api.volume.views import volume_groups as views
from common.errors import InvalidRequest
from common.volume_states import GroupStatus

_FILTERS = {"name": "name", "status": "status", "group_type": "group_type_id", "group_snapshot_id": "group_snapshot_id"}


def list_summary(request: ApiRequest) -> Reply:
    found = _found(request, with_members=False)
    return _listed(request, found, [views.summary(row) for row in found.groups])


def list_detail(request: ApiRequest) -> Reply:
    with_members = _with_members(request)
    found, audience = _found(request, with_members=with_members), reader(request)
    return _listed(
        request, found, [views.group(row, audience, found.member_ids.get(row.id)) for row in found.groups]
    )  # fmt: skip


def _found(request: ApiRequest, *, with_members: bool) -> GroupPage:
    context = request.context
    everybody = context.is_admin and query.boolean(request, "all_tenants")
    equals = {column: query.text(request, name) for name, column in _FILTERS.items() if name in request.query}
    return operations.list_page(
        request.services, None if everybody else context.project_id or "", equals, query.page(request),
        with_members=with_members,
    )  # fmt: skip


def _with_members(request: ApiRequest) -> bool:
    return request.version >= Microversion(3, 25) and query.boolean(request, "list_volume")


def _listed(request: ApiRequest, found: GroupPage, bodies: list[dict[str, Any]]) -> Reply:
    more = query.next_link(request, "groups", [row.id for row in found.groups])
    return Reply({"groups": bodies, **({"group_links": more["groups_links"]} if more else {})})


def show(request: ApiRequest, group_id: str) -> Reply:
    found = operations.show(request.services, request.context, group_id)
    members = found.member_ids[found.groups[0].id] if _with_members(request) else None
    return Reply({"group": views.group(found.groups[0], reader(request), members)})


def create(request: ApiRequest) -> Reply:
    validate(request.body, schemas.CREATE)
    asked = request.body["group"]
    wanted = NewGroup(
        name=asked.get("name"), description=asked.get("description"), group_type=asked["group_type"],
        volume_types=asked["volume_types"], availability_zone=asked.get("availability_zone"),
    )  # fmt: skip
    return Reply({"group": views.summary(operations.create(request.services, request.context, wanted))}, 202)


def update(request: ApiRequest, group_id: str) -> Reply:
    validate(request.body, schemas.UPDATE)
    asked = request.body["group"]
    names = {name: asked[name] for name in ("name", "description") if asked.get(name) is not None}
    change = GroupChange(names=names, add=_ids(asked.get("add_volumes")), remove=_ids(asked.get("remove_volumes")))
    if not (change.names or change.add or change.remove):
        raise InvalidRequest(
            "Name, description, add_volumes, and remove_volumes can not be all empty in the request body."
        )
    operations.update(request.services, request.context, group_id, change)
    return Reply(status=202)


def _ids(text: str | None) -> list[str]:
    return [part for part in (text or "").split(",") if part]


def delete(request: ApiRequest, group_id: str) -> Reply:
    validate(request.body, schemas.DELETE)
    with_volumes = as_boolean(request.body["delete"].get("delete-volumes", False))
    operations.delete(request.services, request.context, group_id, with_volumes=with_volumes)
    return Reply(status=202)


def reset_status(request: ApiRequest, group_id: str) -> Reply:
    operations.reset_status(request.services, request.context, group_id, asked_status(request))
    return Reply(status=202)


def asked_status(request: ApiRequest) -> GroupStatus:
    """Raises InvalidRequest for what is no status of groups and their snapshots."""
    validate(request.body, schemas.RESET)
    asked = request.body["reset_status"]["status"].lower()
    if asked not in tuple(GroupStatus):
        raise InvalidRequest(f"Invalid group status {asked[:40]!r}; known are {', '.join(GroupStatus)}.")
    return GroupStatus(asked)


def create_from_source(request: ApiRequest) -> Reply:
    validate(request.body, schemas.FROM_SOURCE)
    asked = request.body["create-from-src"]
    snapshot_id, source_id = asked.get("group_snapshot_id"), asked.get("source_group_id")
    if bool(snapshot_id) == bool(source_id):
        raise InvalidRequest("Either 'group_snapshot_id' or 'source_group_id' must be provided to create a group.")
    work = operations.create_from_snapshot if snapshot_id else operations.create_from_group
    made = work(
        request.services, request.context, snapshot_id or source_id, asked.get("name"), asked.get("description")
    )
    return Reply({"group": views.summary(made)}, 202)
