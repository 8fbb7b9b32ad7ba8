"""Identity: trusts, by which one user lets another act with some of its roles in one project."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base


class Trust(Base):
    """role_ids: what is delegated. remaining_uses: tokens that may still be made, None: any number.

    redelegation_count: how many trusts may follow one another below this one; parent_id: the one that it was made from,
    whose end is its own.
    """

    __tablename__ = "trusts"
    __table_args__ = (sa.CheckConstraint("remaining_uses IS NULL OR remaining_uses >= 0", "remaining_uses"),)
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    trustor_user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    trustee_user_id: Mapped[str] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    project_id: Mapped[str] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    impersonation: Mapped[bool]
    role_ids: Mapped[list[Any]] = mapped_column(default=list)
    expires_at: Mapped[datetime | None]
    remaining_uses: Mapped[int | None]
    redelegation_count: Mapped[int] = mapped_column(default=0)
    parent_id: Mapped[str | None] = mapped_column(sa.ForeignKey("trusts.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
