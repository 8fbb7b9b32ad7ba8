"""Volumes: the only writer of their status, and the queries about them.

`begin` starts an action (compare-and-set of the status, operation row), `hold` lets one saga at a time work on the
volume's bytes, `finish` ends the action. What is counted in the project's quota is taken and given back here or by the
callers, in the transaction that inserts or deletes the row.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common import log
from common.context import RequestContext
from common.db import nodes, operations, paging, quotas, volume_groups, volume_quota
from common.db.models import Operation, Volume, VolumeAttachment, VolumeSnapshot
from common.errors import CloudError, InvalidRequest, NotFound
from common.states import OperationClass
from common.volume_capabilities import FILES
from common.volume_states import BY_ATTACHMENTS, VOLUME_ACTIONS, AttachStatus, VolumeAction, VolumeStatus

logger = logging.getLogger(__name__)
#: the purpose of the allocation that every placed volume has
PURPOSE = "volume"
SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "id": Volume.id, "name": Volume.name, "display_name": Volume.name, "status": Volume.status,
    "size": Volume.size_gib, "created_at": Volume.created_at, "updated_at": Volume.updated_at,
    "bootable": Volume.bootable, "host": Volume.node_name, "project_id": Volume.project_id, "user_id": Volume.user_id,
    "availability_zone": Volume.availability_zone, "volume_type_id": Volume.volume_type_id,
}  # fmt: skip


@dataclass(frozen=True)
class VolumeFilter:
    """project_id None: of all projects. equals: by column; properties and glance: pairs that must all be there."""

    project_id: str | None
    equals: Mapping[str, Any] = field(default_factory=dict)
    name_like: str | None = None
    description_like: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    glance: Mapping[str, str] = field(default_factory=dict)
    attach_status: str | None = None
    created: tuple[tuple[str, datetime], ...] = ()  # (operator, time)
    updated: tuple[tuple[str, datetime], ...] = ()


def get(session: Session, volume_id: str, *, deleted: bool = False) -> Volume:
    """Raises NotFound; a deleted volume is not found unless asked for."""
    found = session.get(Volume, volume_id, populate_existing=True)
    if found is None or (found.deleted and not deleted):
        raise NotFound(f"Volume {volume_id[:64]} could not be found.")
    return found


def get_visible(session: Session, volume_id: str, context: RequestContext) -> Volume:
    """The volume if the caller may see it. Raises NotFound, with the same words for a stranger's and for none."""
    volume = get(session, volume_id)
    if not context.owns(volume.project_id):
        raise NotFound(f"Volume {volume_id[:64]} could not be found.")
    return volume


def get_for_update(session: Session, volume_id: str, context: RequestContext) -> Volume:
    """As `get_visible`, with the row locked until the transaction ends."""
    query = sa.select(Volume).where(Volume.id == volume_id).with_for_update().execution_options(populate_existing=True)
    session.scalars(query).one_or_none()
    return get_visible(session, volume_id, context)


def list_page(session: Session, wanted: VolumeFilter, page: paging.Page) -> list[Volume]:
    """Newest first. Raises InvalidRequest for a sort key that isn't allowed or an unknown marker."""
    return paging.fetch(
        session, _listed(wanted), page, columns=SORT_COLUMNS, default=(("created_at", True),), key=Volume.id
    )


def totals(session: Session, wanted: VolumeFilter) -> tuple[int, int, list[dict[str, Any]]]:
    """How many there are, their GiB, and the metadata of each."""
    rows = session.execute(_listed(wanted).with_only_columns(Volume.size_gib, Volume.properties)).all()
    return len(rows), sum(row[0] for row in rows), [row[1] for row in rows]


def count(session: Session, wanted: VolumeFilter) -> int:
    return int(session.scalar(_listed(wanted).with_only_columns(sa.func.count()).order_by(None)) or 0)


def _listed(wanted: VolumeFilter) -> sa.Select[Volume]:
    query = sa.select(Volume).where(Volume.deleted.is_(False))
    if wanted.project_id is not None:
        query = query.where(Volume.project_id == wanted.project_id)
    for name, value in wanted.equals.items():
        column: InstrumentedAttribute[Any] = getattr(Volume, name)
        query = query.where(column.is_(None) if value is None else column == value)
    for column, text in ((Volume.name, wanted.name_like), (Volume.description, wanted.description_like)):
        if text:
            query = query.where(column.contains(text, autoescape=True))
    for kept, pairs in ((Volume.properties, wanted.properties), (Volume.image_properties, wanted.glance)):
        for key, value in pairs.items():
            query = query.where(kept[key].as_string() == value)
    if wanted.attach_status is not None:
        attached = sa.exists().where(VolumeAttachment.volume_id == Volume.id, VolumeAttachment.deleted.is_(False))
        query = query.where(attached if wanted.attach_status == "attached" else ~attached)
    for times, at in ((wanted.created, Volume.created_at), (wanted.updated, Volume.updated_at)):
        for operator, time in times:
            query = query.where(_COMPARISONS[operator](at, time))
    return query


_COMPARISONS: dict[str, Any] = {
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "eq": lambda column, value: column == value,
    "neq": lambda column, value: column != value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}
TIME_OPERATORS = tuple(_COMPARISONS)


def create(
    session: Session, row: Mapping[str, Any], context: RequestContext, now: datetime, params: dict[str, Any]
) -> str:
    """Insert a volume in status `creating` with the operation that makes it; the operation's id."""
    volume = Volume(**row, status=VolumeStatus.CREATING, created_at=now)
    session.add(volume)
    session.flush()
    return _operation(session, volume, VolumeAction.CREATE, context, now, params).id


def _operation(
    session: Session, volume: Volume, action: VolumeAction, context: RequestContext, now: datetime,
    params: dict[str, Any] | None,
) -> Operation:  # fmt: skip
    forced = action is VolumeAction.FORCE_DELETE
    operation = operations.create(
        session,
        operations.NewOperation(
            kind=VOLUME_ACTIONS[action].saga,
            action=action.value,
            operation_class=OperationClass.PREEMPTING if forced else OperationClass.EXCLUSIVE,
            resource_type="volume",
            resource_id=volume.id,
            project_id=volume.project_id,
            params={**(params or {}), "volume_id": volume.id, "action": action.value},
        ),
        context,
        now,
    )
    if forced:
        operations.request_cancel(session, volume.id, operation.id, now)
    log.event(logger, "volume.action_begun", volume_id=volume.id, action=action.value, operation_id=operation.id)
    return operation


def begin(
    session: Session, volume: Volume, action: VolumeAction, context: RequestContext, now: datetime,
    params: dict[str, Any] | None = None,
) -> Operation:  # fmt: skip
    """Start an action: its operation exists and the status says so, or nothing happened.

    Raises InvalidRequest, as Cinder does, when the status doesn't allow it.
    """
    take(session, volume, action, now)
    return _operation(session, volume, action, context, now, params)


def take(session: Session, volume: Volume, action: VolumeAction, now: datetime) -> None:
    """Let the status say that the action goes on; the operation is the caller's. Raises InvalidRequest."""
    rule = VOLUME_ACTIONS[action]
    taken = session.execute(
        sa.update(Volume)
        .where(Volume.id == volume.id, Volume.deleted.is_(False), Volume.status.in_(rule.allowed))
        .values(status=rule.during, status_before=Volume.status, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount == 0:  # type: ignore[attr-defined]
        fresh = get(session, volume.id)
        allowed = ", ".join(sorted(rule.allowed))
        raise InvalidRequest(
            f"Invalid volume: Volume {volume.id} status must be {allowed} to {action.value.replace('_', ' ')}, but"
            f" current status is: {fresh.status}."
        )
    session.expire(volume)


def hold(session: Session, volume_id: str, operation_id: str) -> bool:
    """Let this operation alone work on the volume's bytes. False: another one does. Holding twice is harmless."""
    held = session.execute(
        sa.update(Volume)
        .where(Volume.id == volume_id, sa.or_(Volume.operation_id.is_(None), Volume.operation_id == operation_id))
        .values(
            operation_id=operation_id,
            generation=Volume.generation + sa.case((Volume.operation_id == operation_id, 0), else_=1),
        )
        .execution_options(synchronize_session=False)
    )
    return bool(held.rowcount)  # type: ignore[attr-defined]


def let_go(session: Session, volume_id: str, operation_id: str) -> None:
    """End the hold, if this operation has it."""
    session.execute(
        sa.update(Volume)
        .where(Volume.id == volume_id, Volume.operation_id == operation_id)
        .values(operation_id=None)
        .execution_options(synchronize_session=False)
    )


def set_status(
    session: Session, volume_id: str, expect: Collection[VolumeStatus], to: VolumeStatus | str, now: datetime,
    **changes: Any,
) -> bool:  # fmt: skip
    """Move the status by compare-and-set, and write `changes` with it. False: it was not as expected."""
    moved = session.execute(
        sa.update(Volume)
        .where(Volume.id == volume_id, Volume.status.in_(expect), Volume.deleted.is_(False))
        .values(status=to, updated_at=now, **changes)
        .execution_options(synchronize_session=False)
    )
    return bool(moved.rowcount)  # type: ignore[attr-defined]


def finish(
    session: Session, volume_id: str, action: VolumeAction, operation_id: str, now: datetime, *, failed: bool = False,
    **changes: Any,
) -> bool:  # fmt: skip
    """End an action: the status goes where the table says, the hold is over. False: the status had been reset."""
    rule = VOLUME_ACTIONS[action]
    to = rule.on_failure if failed else rule.leads_to
    back = sa.func.coalesce(Volume.status_before, VolumeStatus.AVAILABLE.value)
    let_go(session, volume_id, operation_id)
    moved = session.execute(
        sa.update(Volume)
        .where(Volume.id == volume_id, Volume.status == rule.during, Volume.deleted.is_(False))
        .values(status=back if to is None else to, status_before=None, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    if changes:
        session.execute(
            sa.update(Volume)
            .where(Volume.id == volume_id, Volume.deleted.is_(False))
            .values(**changes)
            .execution_options(synchronize_session=False)
        )
    if action in (VolumeAction.CREATE, VolumeAction.DELETE):
        volume_groups.settle(session, _group_of(session, volume_id), now)
    log.event(logger, "volume.action_ended", volume_id=volume_id, action=action.value, failed=failed)
    return bool(moved.rowcount)  # type: ignore[attr-defined]


def set_fault(session: Session, volume_id: str, error: CloudError | dict[str, Any] | None, now: datetime) -> None:
    """Remember why the last action failed; shown by `cumulet volume why`. None: that is over."""
    fault = None
    if error is not None:
        facts = error.as_dict() if isinstance(error, CloudError) else error
        fault = {key: facts.get(key, "") for key in ("code", "message", "detail")} | {"at": now.isoformat()}
    session.execute(
        sa.update(Volume).where(Volume.id == volume_id).values(fault=fault).execution_options(synchronize_session=False)
    )


def place(
    session: Session, volume: Volume, node_id: str, node_name: str, disk_format: str, now: datetime, *,
    backend: str = FILES,
) -> None:  # fmt: skip
    """Write down where the volume's file is to be, in which format, and of which of the node's back ends it is."""
    session.execute(
        sa.update(Volume)
        .where(Volume.id == volume.id)
        .values(node_id=node_id, node_name=node_name, disk_format=disk_format, backend=backend, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    session.expire(volume)


def unplace(session: Session, volume_id: str) -> None:
    """Give the claim back and forget the node."""
    nodes.release_all(session, volume_id)
    session.execute(
        sa.update(Volume)
        .where(Volume.id == volume_id)
        .values(node_id=None, node_name=None, generation=Volume.generation + 1)
        .execution_options(synchronize_session=False)
    )


def mark_deleted(session: Session, volume: Volume, now: datetime, amounts: Mapping[str, int]) -> bool:
    """Delete the row (softly), give back claim and quota, once: a second call changes nothing and answers False."""
    done = session.execute(
        sa.update(Volume)
        .where(Volume.id == volume.id, Volume.deleted.is_(False))
        .values(deleted=True, operation_id=None, terminated_at=now, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    if done.rowcount == 0:  # type: ignore[attr-defined]
        return False
    quotas.release(session, volume.project_id, amounts)
    nodes.release_all(session, volume.id)
    volume_groups.settle(session, volume.group_id, now)
    log.event(logger, "volume.deleted", volume_id=volume.id)
    return True


def _group_of(session: Session, volume_id: str) -> str | None:
    return session.scalar(sa.select(Volume.group_id).where(Volume.id == volume_id))


def has_snapshots(session: Session, volume_id: str) -> bool:
    query = sa.select(VolumeSnapshot.id).where(VolumeSnapshot.volume_id == volume_id, VolumeSnapshot.deleted.is_(False))
    return session.execute(query.limit(1)).first() is not None


def amounts_of(volume: Volume) -> dict[str, int]:
    """What one volume counts for in its project's quota."""
    return volume_quota.with_type({"volumes": 1, "gigabytes": volume.size_gib}, volume.volume_type_id)


def settle(session: Session, volume_id: str, now: datetime) -> None:
    """The status as the volume's attachments have it, unless something else is being done with it."""
    rows = session.scalars(
        sa.select(VolumeAttachment.status).where(
            VolumeAttachment.volume_id == volume_id, VolumeAttachment.deleted.is_(False)
        )
    ).all()
    to = VolumeStatus.AVAILABLE
    for status, meaning in _MEANINGS:
        if status in rows:
            to = meaning
            break
    starts = BY_ATTACHMENTS | {VolumeStatus.AVAILABLE}
    set_status(session, volume_id, starts, to, now)
    back = VolumeStatus.IN_USE if rows else VolumeStatus.AVAILABLE
    session.execute(
        sa.update(Volume)
        .where(Volume.id == volume_id, Volume.status_before.in_(starts))
        .values(status_before=back)
        .execution_options(synchronize_session=False)
    )


#: what attachments make of their volume: the first that fits counts. One that ends is told also where others stay, for
#: whoever asked for that waits for the status to change back.
_MEANINGS = (
    (AttachStatus.DETACHING, VolumeStatus.DETACHING),
    (AttachStatus.ATTACHED, VolumeStatus.IN_USE),
    (AttachStatus.ERROR_DETACHING, VolumeStatus.IN_USE),
    (AttachStatus.ATTACHING, VolumeStatus.ATTACHING),
    (AttachStatus.RESERVED, VolumeStatus.RESERVED),
)
