"""What a resize or migration changes in rows: flavor, place, claims and quota, all of it together, there and back.

Instance.resize is None, or one of two things. Until the server is where it is to be, what was asked for:
{"flavor", "vm_state", "moved": False}. From then until that is confirmed or reverted, what the server was before:
{"flavor", "vm_state", "moved": True, "node_id", "node_name", "epoch", "image", "at"}. Meanwhile it has two claims, and
counts in its project's quota for the larger of each amount of the two flavors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import instances, nodes, ports, quotas, user_quotas
from common.db.models import Allocation, Instance
from common.db.nodes import PLACED
from common.states import VmState

ASKED, BEFORE = "resize", "before_resize"  # purposes of the second claim: where it is to go, and where it was


@dataclass(frozen=True)
class OldPlace:
    """Where a moved server was: its disks are there still, and nothing else of it."""

    node_id: str
    node_name: str
    epoch: int


def take_quota(session: Session, instance: Instance, flavor: dict[str, Any], defaults: Mapping[str, int]) -> None:
    """Take the quota that the new flavor needs beyond the old one. Raises QuotaExceeded. To be called before `begin`."""
    more = _beyond(instances.flavor_amounts(flavor), instances.flavor_amounts(instance.flavor))
    if any(more.values()):
        user_quotas.take(session, instance.project_id, instance.user_id, more, defaults)


def asked(flavor: dict[str, Any], vm_state: str) -> dict[str, Any]:
    """What Instance.resize says from the moment a resize is asked for."""
    return {"flavor": flavor, "vm_state": vm_state, "moved": False}


def old_place(instance: Instance) -> OldPlace | None:
    """None for a server that is not resized, or was on its own node."""
    before = instance.resize
    if not before or not before["moved"] or before["epoch"] == instance.epoch or not before["node_id"]:
        return None
    return OldPlace(before["node_id"], before["node_name"], int(before["epoch"]))


def in_place(instance: Instance) -> bool:
    """True for a server that was resized where it is: what its disks were is kept beside them."""
    return bool(instance.resize and instance.resize["moved"] and instance.resize["epoch"] == instance.epoch)


def move(
    session: Session, instance: Instance, node_id: str, node_name: str, image: dict[str, Any] | None, now: datetime
) -> int:
    """Make the server what was asked for, on this node, which it has a claim on; its epoch. Harmless when repeated.

    image: what its disk is made of there; None: the disk it has.
    """
    wanted = instance.resize
    assert wanted is not None
    if wanted["moved"]:
        return instance.epoch
    elsewhere = node_id != instance.node_id
    epoch = instance.epoch + (1 if elsewhere else 0)
    before = {
        "flavor": instance.flavor, "vm_state": wanted["vm_state"], "moved": True, "node_id": instance.node_id,
        "node_name": instance.node_name, "epoch": instance.epoch, "image": instance.image, "at": now.isoformat(),
    }  # fmt: skip
    _rename(session, instance.id, instance.node_id, PLACED, BEFORE)
    _rename(session, instance.id, node_id, ASKED, PLACED)
    _write(
        session, instance, now, flavor=wanted["flavor"], flavor_id=wanted["flavor"]["id"], resize=before,
        node_id=node_id, node_name=node_name, epoch=epoch, image=image or instance.image,
    )  # fmt: skip
    if elsewhere:
        ports.bind(session, instance.id, node_id, epoch, now)
    return epoch


def move_back(session: Session, instance: Instance, now: datetime, *, give_up: bool) -> None:
    """Make the server what it was, where it was, at a new epoch if it had moved. Harmless when repeated.

    give_up: the claim and the quota of what was asked for go too; else both stay, as before `move`.
    """
    before = instance.resize
    if not before or not before["moved"]:
        return
    if give_up:
        quotas.lock(session, [instance.project_id])
    elsewhere = before["epoch"] != instance.epoch
    new_flavor, new_node, epoch = instance.flavor, instance.node_id, instance.epoch + (1 if elsewhere else 0)
    assert new_node is not None
    if give_up:
        nodes.release(session, consumer_id=instance.id, node_id=new_node, purpose=PLACED)
        _release_quota(session, instance, new_flavor, before["flavor"])
    else:
        _rename(session, instance.id, new_node, PLACED, ASKED)
    _rename(session, instance.id, before["node_id"], BEFORE, PLACED)
    resize = None if give_up else {"flavor": new_flavor, "vm_state": before["vm_state"], "moved": False}
    _write(
        session, instance, now, flavor=before["flavor"], flavor_id=before["flavor"]["id"], resize=resize,
        node_id=before["node_id"], node_name=before["node_name"], epoch=epoch, image=before["image"],
    )  # fmt: skip
    if elsewhere:
        ports.bind(session, instance.id, before["node_id"], epoch, now)


def give_up(session: Session, instance: Instance, now: datetime) -> None:
    """Forget what was asked for and has not come about: quota and claim go. Harmless when repeated."""
    wanted = instance.resize
    if not wanted or wanted["moved"]:
        return
    quotas.lock(session, [instance.project_id])
    for claim in nodes.allocations(session, [instance.id]):
        if claim.purpose == ASKED:
            nodes.release(session, consumer_id=instance.id, node_id=claim.node_id, purpose=ASKED)
    _release_quota(session, instance, wanted["flavor"], instance.flavor)
    _write(session, instance, now, resize=None)


def confirm(session: Session, instance: Instance, now: datetime) -> None:
    """What the server was is over: its claim there and the quota beyond its new flavor go. Harmless when repeated."""
    before = instance.resize
    if not before or not before["moved"]:
        return
    quotas.lock(session, [instance.project_id])
    nodes.release(session, consumer_id=instance.id, node_id=before["node_id"], purpose=BEFORE)
    _release_quota(session, instance, before["flavor"], instance.flavor)
    _write(session, instance, now, resize=None)


def unconfirmed(session: Session, limit: int) -> list[Instance]:
    """Servers that wait for their resize to be confirmed, and that nothing is done with."""
    query = sa.select(Instance).where(
        sa.text("vm_state IN ('resized', 'soft-delete')"), Instance.vm_state == VmState.RESIZED,
        Instance.task_state.is_(None), Instance.deleted.is_(False),
    )  # fmt: skip
    return list(session.scalars(query.order_by(Instance.id).limit(limit)))


def _beyond(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {resource: max(0, amount - other[resource]) for resource, amount in one.items()}


def _release_quota(session: Session, instance: Instance, gone: dict[str, Any], stays: dict[str, Any]) -> None:
    less = _beyond(instances.flavor_amounts(gone), instances.flavor_amounts(stays))
    quotas.release(session, instance.project_id, {resource: amount for resource, amount in less.items() if amount})


def _rename(session: Session, instance_id: str, node_id: str | None, purpose: str, to: str) -> None:
    session.execute(
        sa.update(Allocation)
        .where(Allocation.consumer_id == instance_id, Allocation.node_id == node_id, Allocation.purpose == purpose)
        .values(purpose=to)
        .execution_options(synchronize_session=False)
    )
    session.expire_all()  # allocations read before bear their old key


def _write(session: Session, instance: Instance, now: datetime, **values: Any) -> None:
    session.execute(
        sa.update(Instance)
        .where(Instance.id == instance.id)
        .values(**values, generation=Instance.generation + 1, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    session.refresh(instance)
