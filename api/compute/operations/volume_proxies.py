"""Volumes and snapshots through compute's own API (until 2.35): the volume service's operations, in Nova's words.

Lists are of the project's own, also for administrators. Quota that is used up is 403 here, where the volume service says 413.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from api.request import ApiRequest
from api.volume.operations import snapshots, volume_create, volumes
from api.volume.operations.volume_create import NewVolume
from api.volume.operations.volumes import VolumePage
from common.db.models import VolumeSnapshot
from common.db.paging import Page
from common.db.volume_snapshots import SnapshotFilter
from common.db.volumes import VolumeFilter
from common.errors import QuotaExceeded

_TOO_MUCH = 413


@contextmanager
def in_nova_words() -> Iterator[None]:
    """Where the volume service refuses for want of quota."""
    try:
        yield
    except QuotaExceeded as err:
        if err.facts.get("http_status") != _TOO_MUCH:
            raise
        facts = {key: value for key, value in err.facts.items() if key != "http_status"}
        raise QuotaExceeded(err.message, **facts) from err


def list_volumes(request: ApiRequest, *, limit: int, offset: int) -> VolumePage:
    wanted = VolumeFilter(project_id=request.context.project_id or "")
    return volumes.list_page(request.services, wanted, Page(limit=limit, offset=offset))


def create_volume(request: ApiRequest, wanted: NewVolume) -> VolumePage:
    """Raises InvalidRequest, NotFound for the snapshot, QuotaExceeded."""
    with in_nova_words():
        return volume_create.create(request.services, request.context, wanted)


def list_snapshots(request: ApiRequest, *, limit: int, offset: int) -> Sequence[VolumeSnapshot]:
    wanted = SnapshotFilter(project_id=request.context.project_id or "")
    return snapshots.list_page(request.services, wanted, Page(limit=limit, offset=offset))


def create_snapshot(
    request: ApiRequest, volume_id: str, *, name: str | None, description: str | None, forced: bool
) -> VolumeSnapshot:
    """forced: also of a volume that a server has. Raises NotFound, InvalidRequest, QuotaExceeded."""
    with in_nova_words():
        return snapshots.create(
            request.services, request.context, volume_id, name=name, description=description, properties={},
            forced=forced,
        )  # fmt: skip
