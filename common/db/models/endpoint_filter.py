"""Identity: which endpoints a project's catalogue shows (OS-EP-FILTER)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Name


class EndpointGroup(Base):
    """The endpoints whose service_id, region_id and interface are what `filters` says."""

    __tablename__ = "endpoint_groups"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(sa.Text)
    filters: Mapped[dict[str, Any]] = mapped_column(default=dict)


class EndpointGroupProject(Base):
    __tablename__ = "endpoint_group_projects"
    endpoint_group_id: Mapped[str] = mapped_column(
        sa.ForeignKey("endpoint_groups.id", ondelete="CASCADE"), primary_key=True
    )
    project_id: Mapped[str] = mapped_column(
        sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class EndpointProject(Base):
    __tablename__ = "endpoint_projects"
    endpoint_id: Mapped[str] = mapped_column(sa.ForeignKey("endpoints.id", ondelete="CASCADE"), primary_key=True)
    project_id: Mapped[str] = mapped_column(
        sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, index=True
    )
