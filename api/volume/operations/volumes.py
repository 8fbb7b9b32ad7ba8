"""Volumes: lists, show, update, delete, and their metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations.begun import begun
from common.context import RequestContext
from common.db import operations, paging, quotas, volume_attachments, volume_types, volumes
from common.db.models import Volume, VolumeAttachment
from common.db.volumes import VolumeFilter
from common.errors import InvalidRequest, NotFound
from common.volume_capabilities import RBD
from common.volume_states import VolumeAction, VolumeStatus


@dataclass(frozen=True)
class VolumePage:
    """Volumes with what their rows only refer to. type_names: of volume types, by id."""

    volumes: Sequence[Volume]
    attachments: Mapping[str, Sequence[VolumeAttachment]] = field(default_factory=dict)
    type_names: Mapping[str, str] = field(default_factory=dict)


def of_rows(session: Session, found: Sequence[Volume]) -> VolumePage:
    return VolumePage(
        found,
        volume_attachments.of_volumes(session, [row.id for row in found]),
        volume_types.names(session, [row.volume_type_id for row in found]),
    )


def list_page(services: Services, wanted: VolumeFilter, page: paging.Page) -> VolumePage:
    """Raises InvalidRequest for an unknown sort key or marker."""
    if page.limit == 0:
        return VolumePage(())
    with services.db.read() as session:
        return of_rows(session, volumes.list_page(session, wanted, page))


def count(services: Services, wanted: VolumeFilter) -> int:
    with services.db.read() as session:
        return volumes.count(session, wanted)


def totals(services: Services, wanted: VolumeFilter) -> tuple[int, int, list[dict[str, Any]]]:
    """How many there are, their GiB, and the metadata of each."""
    with services.db.read() as session:
        return volumes.totals(session, wanted)


def show(services: Services, context: RequestContext, volume_id: str) -> VolumePage:
    """Raises NotFound."""
    with services.db.read() as session:
        return of_rows(session, [volumes.get_visible(session, volume_id, context)])


def edit(
    services: Services, context: RequestContext, volume_id: str, change: Callable[[Session, Volume], None]
) -> VolumePage:
    """Let `change` edit the locked row. Raises NotFound and what `change` raises."""

    def work(session: Session) -> VolumePage:
        volume = volumes.get_for_update(session, volume_id, context)
        change(session, volume)
        volume.updated_at = services.clock.now()
        session.flush()
        return of_rows(session, [volume])

    return services.db.run(work)


def check_files(backend: str) -> None:
    """Raises InvalidRequest for a back end that has no files."""
    if backend == RBD:
        raise InvalidRequest(
            "Invalid input received: volumes and snapshots in a Ceph pool come from no files, and become none: make an image"
            " of the volume, or a backup."
        )


def delete(
    services: Services, context: RequestContext, volume_id: str, *, cascade: bool = False, forced: bool = False,
    unmanage: bool = False,
) -> None:  # fmt: skip
    """Begin to delete. unmanage: its file stays, as one that is managed no more.

    Raises NotFound, InvalidRequest for a volume that is attached, has snapshots or is busy.
    """

    def work(session: Session) -> tuple[str | None, None]:
        quotas.lock(session, [volumes.get_visible(session, volume_id, context).project_id])
        volume = volumes.get_for_update(session, volume_id, context)
        if unmanage:
            check_files(volume.backend)
        if any(row.status != "reserved" for row in volume_attachments.of_volume(session, volume.id)) and not forced:
            raise InvalidRequest(f"Invalid volume: Volume {volume.id} is attached to a server; detach it first.")
        if volumes.has_snapshots(session, volume.id) and not cascade:
            raise InvalidRequest(
                f"Invalid volume: Volume {volume.id} still has dependent snapshots; delete them first, or with it"
                " (cascade)."
            )
        if volume.group_id is not None and not forced:
            raise InvalidRequest(f"Invalid volume: Volume {volume.id} is part of group {volume.group_id}.")
        action = VolumeAction.FORCE_DELETE if forced else VolumeAction.DELETE
        now = services.clock.now()
        if _is_nowhere(session, volume):
            volumes.mark_deleted(session, volume, now, volumes.amounts_of(volume))
            return None, None
        return volumes.begin(session, volume, action, context, now, {"cascade": cascade, "unmanage": unmanage}).id, None

    begun(services, "volume_delete", work)


def _is_nowhere(session: Session, volume: Volume) -> bool:
    """Its creation failed and left nothing on any node: deleting it is a matter of one transaction, as in Cinder."""
    return (
        volume.status == VolumeStatus.ERROR
        and volume.node_id is None
        and not volumes.has_snapshots(session, volume.id)
        and not volume_attachments.of_volume(session, volume.id)
        and not operations.open_for(session, volume.id)
    )


def property_of(services: Services, context: RequestContext, volume_id: str, key: str) -> str:
    """One item of the metadata. Raises NotFound."""
    volume = show(services, context, volume_id).volumes[0]
    if key not in volume.properties:
        raise NotFound(f"Volume {volume_id} has no metadata with key {key[:80]}.")
    return str(volume.properties[key])
