"""Snapshots of attached volumes for another service, under the id that it gives: the volume service's own operations.

Nova was made to be asked so by drivers whose files only the guest's node can touch. Here every snapshot is made by the
node that has the bytes, beside the guest that writes them: what is asked for is an ordinary snapshot in the volume's project,
which either service shows and deletes. Source: Nova's API reference, "Assisted volume snapshots", whose refusals are all 400.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from api.compute.operations import volume_proxies
from api.request import Services
from api.volume.operations import snapshots
from api.volume.operations.begun import begun
from common.context import RequestContext
from common.db import instances, volume_attachments, volume_snapshots, volumes
from common.db.models import Volume, VolumeSnapshot
from common.errors import InvalidRequest, NotFound
from common.ids import is_uuid
from common.volume_states import SnapshotStatus


def create(services: Services, context: RequestContext, volume_id: str, snapshot_id: str) -> VolumeSnapshot:
    """Begin to make it. Raises InvalidRequest (volume, server or id), QuotaExceeded."""

    def work(session: Session) -> tuple[str, VolumeSnapshot]:
        volume, row = _attached(session, volume_id), {"id": str(UUID(snapshot_id))}
        volume_snapshots.check_unused(session, row["id"])
        with volume_proxies.in_nova_words():
            return snapshots.begin_of(session, services, context, volume, row)

    return begun(services, "snapshot_create", work)


def delete(services: Services, context: RequestContext, volume_id: str, snapshot_id: str) -> None:
    """Begin to delete it; one that is still being made is given up. Raises InvalidRequest (volume, server), NotFound."""

    def work(session: Session) -> tuple[str, None]:
        volume = _attached(session, volume_id)
        snapshot = _of(session, volume, snapshot_id)
        snapshots.check_alone(snapshot)
        unfinished = snapshot.status == SnapshotStatus.CREATING
        now = services.clock.now()
        return volume_snapshots.begin_delete(session, snapshot, context, now, forced=unfinished).id, None

    begun(services, "snapshot_delete", work)


def _of(session: Session, volume: Volume, snapshot_id: str) -> VolumeSnapshot:
    found = volume_snapshots.get(session, str(UUID(snapshot_id)) if is_uuid(snapshot_id) else snapshot_id)
    if found.volume_id != volume.id:
        raise NotFound(f"Volume {volume.id} has no snapshot {found.id}.")
    return found


def _attached(session: Session, volume_id: str) -> Volume:
    """The volume, which one server has that nothing is being done to. Raises InvalidRequest."""
    theirs = [row for row in volume_attachments.of_volume(session, volume_id) if row.instance_id and row.node_name]
    if not theirs:
        raise InvalidRequest(f"No volume Block Device Mapping with id {volume_id[:64]}: no server has such a volume.")
    if len(theirs) > 1:
        raise InvalidRequest(
            f"Block Device Mapping {volume_id} is a multi-attach volume and is not valid for this operation: ask the volume"
            " service for a snapshot of it."
        )
    instance = instances.get(session, str(theirs[0].instance_id), deleted=True)
    if instance.task_state is not None:
        raise InvalidRequest(
            f"Instance {instance.id} in task_state {instance.task_state}. Cannot assist with snapshots of its volumes while"
            " the instance is in this state."
        )
    if instance.node_id is None or instance.deleted:
        raise InvalidRequest(f"Instance {instance.id} is not ready: it is on no node.")
    return volumes.get(session, volume_id)
