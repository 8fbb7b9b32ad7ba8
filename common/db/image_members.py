"""Queries about image members: the projects an image was shared with, and what they answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import ImageMember
from common.db.upsert import insert_ignore


class MemberStatus(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


def add(session: Session, image_id: str, member: str, now: datetime) -> bool:
    """False: the project is a member already."""
    row = {
        "image_id": image_id,
        "member": member,
        "status": MemberStatus.PENDING,
        "created_at": now,
        "updated_at": now,
    }
    return insert_ignore(session, ImageMember, [row]) == 1


def get(session: Session, image_id: str, member: str) -> ImageMember | None:
    return session.get(ImageMember, (image_id, member), populate_existing=True)


def list_of(session: Session, image_id: str, *, only: str | None = None) -> Sequence[ImageMember]:
    """The members of an image, in the order they were added; `only`: no more than this one."""
    query = sa.select(ImageMember).where(ImageMember.image_id == image_id)
    if only is not None:
        query = query.where(ImageMember.member == only)
    return list(session.scalars(query.order_by(ImageMember.created_at, ImageMember.member)))


def count(session: Session, image_id: str) -> int:
    query = sa.select(sa.func.count()).select_from(ImageMember).where(ImageMember.image_id == image_id)
    return int(session.scalar(query) or 0)


def set_status(session: Session, image_id: str, member: str, status: MemberStatus, now: datetime) -> bool:
    done = session.execute(
        sa.update(ImageMember)
        .where(ImageMember.image_id == image_id, ImageMember.member == member)
        .values(status=status, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def remove(session: Session, image_id: str, member: str) -> bool:
    """False: the project was no member."""
    done = session.execute(sa.delete(ImageMember).where(ImageMember.image_id == image_id, ImageMember.member == member))
    return bool(done.rowcount)  # type: ignore[attr-defined]
