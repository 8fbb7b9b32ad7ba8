"""Logs of what security groups let pass and stop."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class NetworkLog(Base):
    """resource_id: the security group, target_id: the port; None is any of them, both None any port of the project."""

    __tablename__ = "network_logs"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    resource_type: Mapped[str] = mapped_column(sa.String(64))
    resource_id: Mapped[str | None] = mapped_column(sa.ForeignKey("security_groups.id", ondelete="CASCADE"), index=True)
    target_id: Mapped[str | None] = mapped_column(sa.ForeignKey("ports.id", ondelete="CASCADE"), index=True)
    event: Mapped[str] = mapped_column(sa.String(8))
    enabled: Mapped[bool] = mapped_column(default=True)
    revision_number: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
