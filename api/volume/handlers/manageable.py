"""/os-volume-manage, /manageable_volumes, /os-snapshot-manage, /manageable_snapshots, and the actions os-unmanage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import as_boolean, validate
from api.volume import query
from api.volume.operations import manageable, snapshots, volumes
from api.volume.operations.manageable import Entry, NewFromFile
from api.volume.schemas import manageable as schemas
from api.volume.views import manageable as views
from api.volume.views import snapshots as snapshot_views
from api.volume.views import volumes as volume_views
from common.errors import InvalidRequest

ACCEPTED = Reply(status=202)
_SORTS: dict[str, Callable[[Entry], tuple[Any, ...]]] = {
    "reference": lambda entry: (entry.name,),
    "size": lambda entry: (entry.size_gib, entry.name),
}


def list_volumes(request: ApiRequest) -> Reply:
    return Reply({"manageable-volumes": [views.volume(each) for each in _listed(request, snapshots=False)]})


def list_volumes_detail(request: ApiRequest) -> Reply:
    return Reply({"manageable-volumes": [views.volume_detail(each) for each in _listed(request, snapshots=False)]})


def list_snapshots(request: ApiRequest) -> Reply:
    return Reply({"manageable-snapshots": [views.snapshot(each) for each in _listed(request, snapshots=True)]})


def list_snapshots_detail(request: ApiRequest) -> Reply:
    return Reply({"manageable-snapshots": [views.snapshot_detail(each) for each in _listed(request, snapshots=True)]})


def _listed(request: ApiRequest, *, snapshots: bool) -> list[Entry]:
    page = query.page(request)
    found = manageable.list_all(
        request.services, _host(query.text(request, "host"), query.text(request, "cluster")), snapshots=snapshots
    )
    for key, descending in reversed(page.sort or (("reference", True),)):
        if key not in _SORTS:
            raise InvalidRequest(f"Invalid input received: Invalid sort keys passed: {key[:40]}")
        found.sort(key=_SORTS[key], reverse=descending)
    if page.marker is not None:
        names = [each.name for each in found]
        if page.marker not in names:
            raise InvalidRequest(f"Invalid input received: marker not found: {page.marker[:80]}")
        found = found[names.index(page.marker) + 1 :]
    return found[page.offset :][: page.limit]


def _host(host: str | None, cluster: str | None) -> str:
    if not host or cluster:
        raise InvalidRequest("Invalid input received: Host field is missing: there are no clusters of hosts here.")
    return host


def manage_volume(request: ApiRequest) -> Reply:
    validate(request.body, schemas.VOLUME_316 if request.version >= Microversion(3, 16) else schemas.VOLUME)
    given = request.body["volume"]
    wanted = NewFromFile(
        host=_host(given.get("host"), given.get("cluster")),
        name_of_file=manageable.name_in(given["ref"]),
        name=_stripped(given.get("name")),
        description=_stripped(given.get("description")),
        volume_type=given.get("volume_type") or None,
        availability_zone=given.get("availability_zone") or None,
        bootable=as_boolean(given.get("bootable", False)),
        properties=given.get("metadata") or {},
    )
    found = manageable.manage_volume(request.services, request.context, wanted)
    return Reply({"volume": volume_views.made(found, reader(request))}, 202)


def manage_snapshot(request: ApiRequest) -> Reply:
    validate(request.body, schemas.SNAPSHOT)
    given = request.body["snapshot"]
    made = manageable.manage_snapshot(
        request.services, request.context, given["volume_id"], manageable.name_in(given["ref"]),
        name=_stripped(given.get("name")), description=_stripped(given.get("description")),
        properties=given.get("metadata") or {},
    )  # fmt: skip
    return Reply({"snapshot": snapshot_views.summary(made, reader(request))}, 202)


def _stripped(value: str | None) -> str | None:
    return value.strip() if value else None


def unmanage_volume(request: ApiRequest, volume_id: str) -> Reply:
    validate(request.body, schemas.UNMANAGE)
    volumes.delete(request.services, request.context, volume_id, unmanage=True)
    return ACCEPTED


def unmanage_snapshot(request: ApiRequest, snapshot_id: str) -> Reply:
    validate(request.body, schemas.UNMANAGE)
    snapshots.delete(request.services, request.context, snapshot_id, unmanage=True)
    return ACCEPTED
