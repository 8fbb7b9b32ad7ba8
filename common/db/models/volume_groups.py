"""Block storage: volumes that belong together (groups), their types, and snapshots of all of a group's volumes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class VolumeGroupType(Base):
    __tablename__ = "volume_group_types"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    description: Mapped[str | None] = mapped_column(sa.Text)
    is_public: Mapped[bool] = mapped_column(default=True)
    group_specs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]


class VolumeGroup(Base):
    """volume_types: ids of the types its volumes may have. Its members are the volumes that name it (group_id)."""

    __tablename__ = "volume_groups"
    __table_args__ = (sa.Index("ix_volume_groups_project", "project_id", "created_at", "id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64))
    user_id: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str | None] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(sa.Text)
    group_type_id: Mapped[str] = mapped_column(sa.ForeignKey("volume_group_types.id"), index=True)
    volume_types: Mapped[list[Any]] = mapped_column(default=list)
    status: Mapped[str] = mapped_column(sa.String(32))
    availability_zone: Mapped[str] = mapped_column(Name, default="nova")
    group_snapshot_id: Mapped[str | None] = mapped_column(Id)  # what it was made from, if from one of these
    source_group_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]


class VolumeGroupSnapshot(Base):
    """Snapshots of a group's volumes, which name it (group_snapshot_id)."""

    __tablename__ = "volume_group_snapshots"
    __table_args__ = (sa.Index("ix_volume_group_snapshots_project", "project_id", "created_at", "id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    group_id: Mapped[str] = mapped_column(sa.ForeignKey("volume_groups.id"), index=True)
    project_id: Mapped[str] = mapped_column(sa.String(64))
    user_id: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str | None] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(sa.Text)
    group_type_id: Mapped[str] = mapped_column(Id)
    status: Mapped[str] = mapped_column(sa.String(32))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]
