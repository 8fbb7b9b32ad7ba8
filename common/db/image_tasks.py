"""What was done with images by import: one row for each, which its image tells of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db.models import ImageTask
from common.ids import new_id


def create(
    session: Session, image_id: str, context: RequestContext, request: Mapping[str, Any], now: datetime
) -> ImageTask:
    task = ImageTask(
        id=new_id(),
        image_id=image_id,
        owner=context.project_id,
        user_id=context.user_id,
        request_id=context.request_id,
        status="processing",
        message="",
        request=dict(request),
        created_at=now,
        updated_at=now,
    )
    session.add(task)
    session.flush()
    return task


def finish(session: Session, task_id: str, failure: str, now: datetime) -> None:
    """failure "": it succeeded."""
    session.execute(
        sa.update(ImageTask)
        .where(ImageTask.id == task_id)
        .values(status="failure" if failure else "success", message=failure[:2000], updated_at=now)
        .execution_options(synchronize_session=False)
    )


def of_image(session: Session, image_id: str) -> list[ImageTask]:
    """Oldest first; the newest hundred."""
    query = sa.select(ImageTask).where(ImageTask.image_id == image_id.lower())
    newest = session.scalars(query.order_by(ImageTask.created_at.desc(), ImageTask.id).limit(100))
    return list(newest)[::-1]
