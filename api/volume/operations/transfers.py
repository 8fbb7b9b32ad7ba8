"""Giving a volume to another project: an offer with a key, which whoever knows it accepts."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations.volume_create import take_quota
from common.context import RequestContext
from common.db import quotas, volume_quota, volume_snapshots, volume_transfers, volume_types, volumes
from common.db.models import Volume, VolumeSnapshot, VolumeTransfer
from common.db.paging import Page
from common.errors import InvalidRequest, NotFound
from common.ids import new_id
from common.volume_states import SnapshotStatus, VolumeStatus


def list_page(services: Services, project_id: str | None, name: str | None, page: Page) -> list[VolumeTransfer]:
    """project_id None: of all projects."""
    with services.db.read() as session:
        return volume_transfers.list_page(session, project_id, name, page)


def show(services: Services, context: RequestContext, transfer_id: str) -> VolumeTransfer:
    """Raises NotFound."""
    with services.db.read() as session:
        return volume_transfers.get_visible(session, transfer_id, context)


def create(
    services: Services, context: RequestContext, volume_id: str, name: str | None, *, no_snapshots: bool
) -> tuple[VolumeTransfer, str]:
    """The offer and its key, which is told this once. Raises NotFound, InvalidRequest for a volume that is in use."""
    key = secrets.token_hex(8)

    def work(session: Session) -> VolumeTransfer:
        volume = volumes.get_for_update(session, volume_id, context)
        if volume.group_id is not None:
            raise InvalidRequest(f"Invalid volume: Volume {volume.id} is part of group {volume.group_id}.")
        now = services.clock.now()
        if not volumes.set_status(
            session, volume.id, [VolumeStatus.AVAILABLE], VolumeStatus.AWAITING_TRANSFER, now
        ):  # fmt: skip
            raise InvalidRequest(
                f"Invalid volume: status must be available to be transferred, but current status is: {volume.status}."
            )
        row = {
            "id": new_id(), "volume_id": volume.id, "name": name, "key_hash": _hash(key),
            "source_project_id": volume.project_id, "no_snapshots": no_snapshots,
        }  # fmt: skip
        return volume_transfers.add(session, row, now)

    return services.db.run(work), key


def delete(services: Services, context: RequestContext, transfer_id: str) -> None:
    """Take the offer back. Raises NotFound."""

    def work(session: Session) -> None:
        found = volume_transfers.get_visible(session, transfer_id, context)
        volume_transfers.take(session, transfer_id)
        volumes.set_status(
            session, found.volume_id, [VolumeStatus.AWAITING_TRANSFER], VolumeStatus.AVAILABLE, services.clock.now()
        )

    services.db.run(work)


def accept(services: Services, context: RequestContext, transfer_id: str, key: str) -> VolumeTransfer:
    """The volume becomes the caller's project's, with its snapshots unless the offer leaves them.

    Raises NotFound, InvalidRequest for a wrong key or a volume that can't go there, QuotaExceeded.
    """
    project_id = context.project_id
    if project_id is None:
        raise InvalidRequest("A volume needs a project: use a token that is scoped to one.")

    def work(session: Session) -> VolumeTransfer:
        found = volume_transfers.get(session, transfer_id)
        if not hmac.compare_digest(found.key_hash, _hash(key)):
            raise InvalidRequest(f"Invalid auth key: Attempt to transfer {transfer_id} with invalid auth key.")
        quotas.lock(session, [found.source_project_id, project_id])
        volume_transfers.take(session, transfer_id)
        volume = volumes.get(session, found.volume_id)
        _check_type(session, volume, context)
        moved = [] if found.no_snapshots else volume_snapshots.of_volume(session, volume.id)
        _move(session, services, context, project_id, volume, moved)
        return found

    return services.db.run(work)


def _move(
    session: Session, services: Services, context: RequestContext, project_id: str, volume: Volume,
    snapshots: list[VolumeSnapshot],
) -> None:  # fmt: skip
    """Quota goes along, in the same transaction."""
    if busy := [row.id for row in snapshots if row.status != SnapshotStatus.AVAILABLE]:
        raise InvalidRequest(f"Invalid snapshot: {busy[0]} of volume {volume.id} is not available.")
    together = volume_quota.of_volume(volume.size_gib, [row.size_gib for row in snapshots])
    amounts = volume_quota.with_type(together, volume.volume_type_id)
    take_quota(session, project_id, amounts, services, volume.size_gib)
    quotas.release(session, volume.project_id, amounts)
    now = services.clock.now()
    owner = {"project_id": project_id, "user_id": context.user_id}
    if not volumes.set_status(
        session, volume.id, [VolumeStatus.AWAITING_TRANSFER], VolumeStatus.AVAILABLE, now, **owner
    ):  # fmt: skip
        raise InvalidRequest(f"Invalid volume: Volume {volume.id} does not await a transfer: it is {volume.status}.")
    for row in snapshots:
        volume_snapshots.change(session, row.id, **owner, updated_at=now)


def _check_type(session: Session, volume: Volume, context: RequestContext) -> None:
    if volume.volume_type_id is None:
        return
    try:
        volume_types.get_visible(session, volume.volume_type_id, context)
    except NotFound as err:
        raise InvalidRequest(f"Invalid volume: its type {volume.volume_type_id} is not for your project.") from err


def _hash(key: str) -> str:
    """Keys are random and long, so that a plain hash hides them."""
    return hashlib.sha256(key.encode()).hexdigest()
