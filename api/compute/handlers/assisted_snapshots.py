"""os-assisted-volume-snapshots: snapshots of volumes that servers have, asked for by another service of the cloud."""

from __future__ import annotations

import json

from api.compute.operations import assisted_snapshots
from api.compute.schemas import assisted_snapshots as schemas
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import InvalidRequest


def create(request: ApiRequest) -> Reply:
    """The id that is answered is the caller's own name for it, or else the snapshot's. type and new_file mean nothing here."""
    validate(request.body, schemas.CREATE)
    asked = request.body["snapshot"]
    info = asked["create_info"]
    made = assisted_snapshots.create(request.services, request.context, asked["volume_id"], info["snapshot_id"])
    return Reply({"snapshot": {"id": info.get("id", made.id), "volumeId": made.volume_id}})


def delete(request: ApiRequest, snapshot_id: str) -> Reply:
    assisted_snapshots.delete(request.services, request.context, _volume_id(request.arg("delete_info")), snapshot_id)
    return Reply(status=204)


def _volume_id(delete_info: str | None) -> str:
    """Raises InvalidRequest. What else is in there concerns files, which are the volume service's alone."""
    try:
        info = json.loads(delete_info or "")
    except (ValueError, RecursionError):
        info = None
    if not isinstance(info, dict) or not isinstance(info.get("volume_id"), str):
        raise InvalidRequest('The query parameter delete_info must be a JSON object that says "volume_id".')
    return str(info["volume_id"])
