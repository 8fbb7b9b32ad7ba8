"""Images of servers that boot from volumes: no bytes, but snapshots of the volumes and how they were attached.

As Nova makes them: a server that is created from such an image gets volumes made of the snapshots.
"""

from __future__ import annotations

import json

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations import snapshots as volume_snapshots
from common.context import RequestContext
from common.db import volume_attachments, volumes
from common.db.models import Image, Instance, VolumeAttachment
from common.errors import InvalidRequest, QuotaExceeded

_SAID_ANEW = ("block_device_mapping", "bdm_v2", "root_device_name")


def snapshots(
    session: Session, services: Services, context: RequestContext, instance: Instance, name: str
) -> tuple[dict[str, str], list[str]]:
    """Begin a snapshot of each volume: ids by those of the attachments, and the operations.

    Raises InvalidRequest for a volume that something else is done with, QuotaExceeded.
    """
    made: dict[str, str] = {}
    begun: list[str] = []
    for row in _disks(session, instance):
        try:
            operation_id, snapshot = volume_snapshots.create_in(
                session, services, context, row.volume_id, name=f"snapshot for {name}"[:255], description="",
                properties={}, forced=True,
            )  # fmt: skip
        except QuotaExceeded as err:  # the compute service's status for it
            raise QuotaExceeded(err.message, detail=err.detail) from err
        made[row.id] = snapshot.id
        begun.append(operation_id)
    if not made:
        raise InvalidRequest(f"Server {instance.id} has no volume that a snapshot could be made of.")
    return made, begun


def describe(session: Session, image: Image, instance: Instance, made: dict[str, str]) -> None:
    """Say in a new image what it is to be made of. made: snapshots by attachment."""
    rows = [row for row in _disks(session, instance) if row.id in made]
    mapping = [
        {
            "source_type": "snapshot", "destination_type": "volume", "snapshot_id": made[row.id],
            "volume_size": volumes.get(session, row.volume_id).size_gib, "device_name": f"/dev/{row.device}",
            "boot_index": row.boot_index, "delete_on_termination": row.delete_on_termination, "disk_bus": row.bus,
            "device_type": row.device_type,
        }
        for row in rows
    ]  # fmt: skip
    kept = {name: value for name, value in image.properties.items() if name not in _SAID_ANEW}
    root = next((row.device for row in rows if row.boot_index == 0), None)
    image.properties = kept | {
        "block_device_mapping": json.dumps(mapping), "bdm_v2": "True", "root_device_name": f"/dev/{root or 'vda'}",
    }  # fmt: skip
    image.disk_format = image.container_format = None
    image.min_disk = 0


def _disks(session: Session, instance: Instance) -> list[VolumeAttachment]:
    return [row for row in volume_attachments.of_instance(session, instance.id) if row.node_name is not None]
