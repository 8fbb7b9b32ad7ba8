"""The node that works on a volume in a Ceph pool: the one it was made on, or any that reaches the pool when that is off.

Only after a node that is known to be powered off: one that is merely silent may still be writing what it was told to.
"""

from __future__ import annotations

import logging
import random

from sqlalchemy.orm import Session

from common import log
from common.db import node_life, nodes, volume_snapshots, volumes
from common.db.models import Node, VolumeSnapshot
from common.db.nodes import Amounts
from common.saga.model import StepContext
from common.volume_capabilities import RBD

logger = logging.getLogger(__name__)
_rng = random.Random()


def leave_dead_node(session: Session, context: StepContext, volume_id: str) -> None:
    """Give the volume, which the operation holds, and its snapshots another node, if theirs is off. Harmless when repeated."""
    volume = volumes.get(session, volume_id, deleted=True)
    if volume.deleted or volume.backend != RBD or volume.node_id is None:
        return
    if not node_life.is_powered_off(session, volume.node_id):
        return
    down = node_life.down(session, context.now)
    living = sorted(nodes.reaching(session, RBD) - down.keys())
    if not living:
        return
    to = nodes.get(session, _rng.choice(living))
    assert to is not None
    was, snapshots = volume.node_id, volume_snapshots.of_volume(session, volume.id)
    volumes.place(session, volume, to.id, to.name, volume.disk_format, context.now, backend=RBD)
    _move_claim(session, context, volume.id, volumes.PURPOSE, was, to, volume.project_id)
    for snapshot in snapshots:
        _move_snapshot(session, context, snapshot, to)
    log.event(logger, "volume.given_another_node", volume_id=volume.id, node=to.name)


def _move_snapshot(session: Session, context: StepContext, snapshot: VolumeSnapshot, to: Node) -> None:
    if snapshot.node_id is None:
        return
    was, project_id = snapshot.node_id, snapshot.project_id
    volume_snapshots.change(session, snapshot.id, node_id=to.id, node_name=to.name)
    _move_claim(session, context, snapshot.id, volume_snapshots.PURPOSE, was, to, project_id)


def _move_claim(
    session: Session, context: StepContext, consumer_id: str, purpose: str, was: str, to: Node, project_id: str
) -> None:
    """Of nothing: it says no more than where work is done."""
    nodes.release(session, consumer_id=consumer_id, node_id=was, purpose=purpose)
    nodes.claim(
        session, consumer_id=consumer_id, node_id=to.id, amounts=Amounts(0, 0, 0), project_id=project_id,
        user_id=context.operation.user_id, now=context.now, purpose=purpose,
    )  # fmt: skip
