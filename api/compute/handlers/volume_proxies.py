"""os-volumes and os-snapshots, until 2.35. Their lists with and without details say the same, as in Nova."""

from __future__ import annotations

from api.compute import query
from api.compute.operations import volume_proxies
from api.compute.schemas import volume_proxies as schemas
from api.compute.views import volume_proxies as views
from api.request import ApiRequest, Reply
from api.schema import as_boolean, validate
from api.volume.operations import snapshots, volumes
from api.volume.operations.volume_create import NewVolume


def list_volumes(request: ApiRequest) -> Reply:
    limit, offset = _part(request)
    return Reply({"volumes": views.volumes(volume_proxies.list_volumes(request, limit=limit, offset=offset))})


def show_volume(request: ApiRequest, volume_id: str) -> Reply:
    return Reply({"volume": views.volume(volumes.show(request.services, request.context, volume_id))})


def create_volume(request: ApiRequest) -> Reply:
    validate(request.body, schemas.CREATE_VOLUME)
    asked = request.body["volume"]
    made = volume_proxies.create_volume(
        request,
        NewVolume(
            name=asked.get("display_name"),
            description=asked.get("display_description"),
            size_gib=int(asked["size"]),
            availability_zone=asked.get("availability_zone"),
            volume_type=asked.get("volume_type"),
            snapshot_id=asked.get("snapshot_id"),
            properties=asked.get("metadata", {}),
        ),
    )
    body = views.volume(made)
    return Reply({"volume": body}, headers={"Location": f"{request.base_url}/os-volumes/{body['id']}"})


def delete_volume(request: ApiRequest, volume_id: str) -> Reply:
    volumes.delete(request.services, request.context, volume_id)
    return Reply(status=202)


def list_snapshots(request: ApiRequest) -> Reply:
    limit, offset = _part(request)
    found = volume_proxies.list_snapshots(request, limit=limit, offset=offset)
    return Reply({"snapshots": [views.snapshot(row) for row in found]})


def show_snapshot(request: ApiRequest, snapshot_id: str) -> Reply:
    return Reply({"snapshot": views.snapshot(snapshots.show(request.services, request.context, snapshot_id))})


def create_snapshot(request: ApiRequest) -> Reply:
    validate(request.body, schemas.CREATE_SNAPSHOT)
    asked = request.body["snapshot"]
    made = volume_proxies.create_snapshot(
        request, asked["volume_id"], name=asked.get("display_name"), description=asked.get("display_description"),
        forced=as_boolean(asked.get("force", False)),
    )  # fmt: skip
    return Reply({"snapshot": views.snapshot(made)})


def delete_snapshot(request: ApiRequest, snapshot_id: str) -> Reply:
    snapshots.delete(request.services, request.context, snapshot_id)
    return Reply(status=202)


def _part(request: ApiRequest) -> tuple[int, int]:
    """limit and offset; no limit, or 0: as many as may be."""
    most = request.services.config.api.max_limit
    return min(query.number(request, "limit", most) or most, most), query.number(request, "offset", 0)
