"""Imports of images: one row for each, which says what was asked for, who works on it and how it ended.

The row is the work, as with operations: whoever takes it holds it by a lease, and what a worker does counts only as long as
the row is still its own. An image is changed by one import at a time: the one that its `import_task_id` names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import paging
from common.db.images import ImageStatus, StoredBytes, active_values
from common.db.models import Image, ImageTask
from common.errors import NotFound
from common.ids import is_uuid, new_id


class TaskStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILURE = "failure"


_COLUMNS = {
    "id": ImageTask.id,
    "status": ImageTask.status,
    "created_at": ImageTask.created_at,
    "updated_at": ImageTask.updated_at,
}
SORT_KEYS = tuple(_COLUMNS)


@dataclass(frozen=True)
class FoundOut:
    """What an import makes of an image beside its bytes. properties_win: over those that the image has already."""

    disk_format: str
    container_format: str
    properties: Mapping[str, str] = field(default_factory=dict)
    properties_win: bool = False


def create(
    session: Session, image_id: str, context: RequestContext, request: Mapping[str, Any], now: datetime
) -> ImageTask:
    task = ImageTask(
        id=new_id(),
        image_id=image_id,
        owner=context.project_id,
        user_id=context.user_id,
        request_id=context.request_id,
        status=TaskStatus.PENDING,
        message="",
        request=dict(request),
        caller={"is_admin": context.is_admin},
        attempts=0,
        created_at=now,
        updated_at=now,
    )
    session.add(task)
    session.flush()
    return task


def hold_image(
    session: Session, task: ImageTask, expect: ImageStatus, to: ImageStatus, values: Mapping[str, Any], now: datetime
) -> bool:
    """Let this import be the one that changes the image. False: it is in another state, or another import holds it."""
    return _change(
        session, [Image.id == task.image_id, Image.status == expect, Image.import_task_id.is_(None)],
        {**values, "status": to, "import_task_id": task.id, "failure": None, "failed_import": "", "updated_at": now},
    )  # fmt: skip


def is_due(session: Session, now: datetime) -> bool:
    """Whether there is an import that nobody works on: a look that holds no lock, for workers that mostly find none."""
    return session.execute(sa.select(ImageTask.id).where(_due(now)).limit(1)).first() is not None


def _due(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(
        ImageTask.status == TaskStatus.PENDING,
        sa.and_(ImageTask.status == TaskStatus.PROCESSING, ImageTask.lease_until < now),
    )


def take(session: Session, worker: str, now: datetime, lease_until: datetime) -> ImageTask | None:
    """The oldest import that nobody works on, now this worker's; None when there is none."""
    due = _due(now)
    oldest = sa.select(ImageTask.id).where(due).order_by(ImageTask.created_at, ImageTask.id).limit(1)
    taken = session.execute(
        sa.update(ImageTask)
        .where(ImageTask.id == oldest.with_for_update(skip_locked=True).scalar_subquery(), due)
        .values(
            status=TaskStatus.PROCESSING,
            worker=worker,
            lease_until=lease_until,
            attempts=ImageTask.attempts + 1,
            updated_at=now,
        )
        .returning(ImageTask.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    return None if taken is None else session.get(ImageTask, taken, populate_existing=True)


def renew(session: Session, worker: str, lease_until: datetime) -> None:
    """For all imports of this worker."""
    session.execute(
        sa.update(ImageTask)
        .where(ImageTask.worker == worker, ImageTask.status == TaskStatus.PROCESSING)
        .values(lease_until=lease_until)
        .execution_options(synchronize_session=False)
    )


def is_wanted(session: Session, task_id: str, worker: str) -> bool:
    """Whether the worker's import still goes on and its image is still there."""
    query = sa.select(ImageTask.id).where(
        ImageTask.id == task_id,
        ImageTask.worker == worker,
        ImageTask.status == TaskStatus.PROCESSING,
        sa.select(Image.id).where(Image.id == ImageTask.image_id, Image.import_task_id == ImageTask.id).exists(),
    )
    return session.execute(query).first() is not None


def finish(session: Session, task_id: str, worker: str, failure: str, now: datetime, message: str = "") -> bool:
    """failure "": it succeeded. False: the import is another worker's by now, and nothing was written."""
    return _change(
        session,
        [ImageTask.id == task_id, ImageTask.worker == worker, ImageTask.status == TaskStatus.PROCESSING],
        {
            "status": TaskStatus.FAILURE if failure else TaskStatus.SUCCESS,
            "message": (failure or message)[:2000],
            "lease_until": None,
            "updated_at": now,
        },
        ImageTask,
    )


def bytes_are_in(
    session: Session, task_id: str, stored: StoredBytes, found: FoundOut, stores: str, failed: str, now: datetime
) -> bool:
    """importing -> active. False: the image was deleted meanwhile."""
    held = [Image.import_task_id == task_id, Image.status == ImageStatus.IMPORTING]
    image = session.scalars(sa.select(Image).where(*held).with_for_update()).one_or_none()
    if image is None:
        return False
    kept = dict(image.properties)
    properties = {**kept, **found.properties} if found.properties_win else {**found.properties, **kept}
    formats = {"disk_format": found.disk_format, "container_format": found.container_format}
    ended = {"stores": stores, "importing_to": "", "failed_import": failed, "import_task_id": None}
    return _change(session, held, {**active_values(stored, now), **formats, **ended, "properties": properties})


def copies_are_made(session: Session, task_id: str, stores: str, missing: str, failed: str, now: datetime) -> bool:
    """An active image that is in more stores now, or was to be. False: it was deleted meanwhile."""
    values = {
        "stores": stores,
        "importing_to": missing,
        "failed_import": failed,
        "import_task_id": None,
        "updated_at": now,
    }
    return _change(session, [Image.import_task_id == task_id], values)


def give_up(session: Session, task_id: str, failure: str, failed_stores: str, now: datetime) -> None:
    """importing -> queued, with the reason; an image that was active stays so."""
    ended = {"import_task_id": None, "importing_to": "", "failed_import": failed_stores, "updated_at": now}
    back = {**ended, "status": ImageStatus.QUEUED, "upload_id": None, "size": None, "failure": failure[:2000]}
    _change(session, [Image.import_task_id == task_id, Image.status == ImageStatus.IMPORTING], back)
    _change(session, [Image.import_task_id == task_id], ended)


def of_image(session: Session, image_id: str) -> list[ImageTask]:
    """Oldest first; the newest hundred."""
    query = sa.select(ImageTask).where(ImageTask.image_id == image_id.lower())
    newest = session.scalars(query.order_by(ImageTask.created_at.desc(), ImageTask.id).limit(100))
    return list(newest)[::-1]


def get(session: Session, task_id: str) -> ImageTask:
    """Raises NotFound."""
    task = session.get(ImageTask, task_id.lower()) if is_uuid(task_id) else None
    if task is None:
        raise NotFound(f"No task found with ID {task_id[:64]}")
    return task


def list_page(session: Session, filters: Mapping[str, Any], page: paging.Page) -> Sequence[ImageTask]:
    """Filters: status. Newest first by default."""
    query = sa.select(ImageTask).filter_by(**filters)
    default = (("created_at", True), ("id", True))
    return paging.fetch(session, query, page, columns=_COLUMNS, default=default, key=ImageTask.id)


def _change(
    session: Session,
    condition: Sequence[sa.ColumnElement[bool]],
    values: Mapping[str, Any],
    table: type[Image | ImageTask] = Image,
) -> bool:
    done = session.execute(
        sa.update(table).where(*condition).values(**values).execution_options(synchronize_session=False)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]
