"""What becomes of a server's volumes when it is deleted: free for others, deleted where that was asked for, or held.

Held are those of a server whose node does not answer: a guest that may be left there may write to them. They show as
`detaching`, with the reason, until the node has said that nothing is left, is known to be off, or an administrator
detaches them by force.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from common import log
from common.context import RequestContext
from common.db import volume_attachments, volume_exports, volume_messages, volumes
from common.db.models import Instance, Operation, VolumeAttachment
from common.db.volume_messages import ResourceType
from common.errors import CloudError
from common.volume_states import VolumeAction, VolumeStatus

logger = logging.getLogger(__name__)


class GuestMayWrite(CloudError):
    """Why a volume is held."""

    code = "guest_may_write"


def hold(session: Session, instance: Instance, operation: Operation, now: datetime) -> None:
    """Let nobody else have the server's volumes for as long as `operation` runs. Harmless when repeated."""
    error = GuestMayWrite(
        f"Server {instance.id} was deleted while its node did not answer, so that its guest may run on and write to the"
        " volume: it is free when the node answers or an administrator has said that the node is off"
        " (cumulet node forget), or detaches it by force."
    )  # fmt: skip
    for row in volume_attachments.hold(session, instance.id, operation.id, now):
        volumes.settle(session, row.volume_id, now)
        volume = volumes.get(session, row.volume_id, deleted=True)
        volumes.set_fault(session, volume.id, error, now)
        volume_messages.tell(
            session, operation, ResourceType.VOLUME, volume.id, error.as_dict(), now, project_id=volume.project_id
        )
        log.event(logger, "volume.held", logging.WARNING, volume_id=volume.id, operation_id=operation.id)


def release(session: Session, operation_id: str, context: RequestContext, now: datetime) -> None:
    """Free what the operation has held. Harmless when repeated."""
    for row in volume_attachments.held(session, operation_id):
        volumes.set_fault(session, row.volume_id, None, now)
        _free(session, row, context, now)


def of_instance(session: Session, instance_id: str, context: RequestContext, now: datetime) -> None:
    """Free what a deleted server had, but for what is held."""
    for row in volume_attachments.of_instance(session, instance_id):
        if row.held_by is None:
            _free(session, row, context, now)


def _free(session: Session, row: VolumeAttachment, context: RequestContext, now: datetime) -> None:
    volume_attachments.end(session, row.id, now)
    export = volume_exports.of_attachment(session, row.id)
    if export is not None:
        volume_exports.begin_withdrawal(session, export, context, now)
    volumes.settle(session, row.volume_id, now)
    volume = volumes.get(session, row.volume_id, deleted=True)
    deletable = not volumes.has_snapshots(session, volume.id) and volume.status == VolumeStatus.AVAILABLE
    if row.delete_on_termination and not volume.deleted and deletable:
        volumes.begin(session, volume, VolumeAction.DELETE, context, now)
