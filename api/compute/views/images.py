"""Images as compute's own API shows them (until 2.35); the image service is where they live."""

from __future__ import annotations

from api.compute.views import links
from api.compute.views.fields import Body, Reader, seconds
from common.db.images import ImageStatus
from common.db.models import Image

_STATUS = {ImageStatus.ACTIVE: "ACTIVE", ImageStatus.QUEUED: "SAVING", ImageStatus.SAVING: "SAVING",
           ImageStatus.DELETED: "DELETED"}  # fmt: skip


def summary(row: Image, audience: Reader) -> Body:
    own = links.own(audience.base_url, "images", row.id)
    elsewhere = {
        "rel": "alternate", "type": "application/vnd.openstack.image",
        "href": audience.base_url.removesuffix("/compute/v2.1") + f"/image/v2/images/{row.id}",
    }  # fmt: skip
    return {"id": row.id, "name": row.name, "links": [*own, elsewhere]}


def detail(row: Image, audience: Reader) -> Body:
    status = _STATUS.get(ImageStatus(row.status), "UNKNOWN") if row.status in set(ImageStatus) else "UNKNOWN"
    return {
        **summary(row, audience),
        "status": status,
        "progress": {"ACTIVE": 100, "SAVING": 25}.get(status, 0),
        "created": seconds(row.created_at),
        "updated": seconds(row.updated_at),
        "minDisk": row.min_disk,
        "minRam": row.min_ram,
        "metadata": metadata(row),
        "OS-EXT-IMG-SIZE:size": row.size,
        **_server(row, audience),
    }


def metadata(row: Image) -> Body:
    return {key: value for key, value in row.properties.items() if value is not None}


def statuses(shown: str) -> list[str]:
    """The image service's words for one of ours."""
    return [ours.value for ours, theirs in _STATUS.items() if theirs == shown.upper() and ours != ImageStatus.DELETED]


def _server(row: Image, audience: Reader) -> Body:
    """The server that the image is a snapshot of."""
    server_id = row.properties.get("instance_uuid")
    return (
        {"server": {"id": server_id, "links": links.own(audience.base_url, "servers", server_id)}} if server_id else {}
    )
