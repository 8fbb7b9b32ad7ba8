"""Consoles: the permission to open one, once."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class ConsoleToken(Base):
    """A permission to open one console of one boot of a guest, for the user who asked, once; only its hash is kept.

    project_id, domain_id, system_scope: the scope in which the user asked, and must still have its rights.
    """

    __tablename__ = "console_tokens"
    token_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)  # sha256
    instance_id: Mapped[str] = mapped_column(Id, index=True)
    node_name: Mapped[str] = mapped_column(Name)
    epoch: Mapped[int]
    boot: Mapped[str] = mapped_column(sa.String(64))
    console: Mapped[str] = mapped_column(sa.String(16))  # queries_v1.ConsoleKind
    user_id: Mapped[str] = mapped_column(sa.String(64))
    project_id: Mapped[str | None] = mapped_column(sa.String(64))
    domain_id: Mapped[str | None] = mapped_column(sa.String(64))
    system_scope: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
