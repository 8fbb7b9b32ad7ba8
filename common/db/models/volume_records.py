"""Block storage: offers of volumes to other projects, messages to users, and backups."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class VolumeTransfer(Base):
    """An offer of a volume to whoever knows its key; key_hash is all that is kept of that. One offer of a volume."""

    __tablename__ = "volume_transfers"
    __table_args__ = (sa.Index("ix_volume_transfers_project", "source_project_id", "created_at", "id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    volume_id: Mapped[str] = mapped_column(sa.ForeignKey("volumes.id"), unique=True)
    name: Mapped[str | None] = mapped_column(Name)
    key_hash: Mapped[str] = mapped_column(sa.String(64))
    source_project_id: Mapped[str] = mapped_column(sa.String(64))
    no_snapshots: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class VolumeMessage(Base):
    """Why something that was answered 202 has failed. event_id: Cinder's number of it; gone after expires_at."""

    __tablename__ = "volume_messages"
    __table_args__ = (sa.Index("ix_volume_messages_project", "project_id", "created_at", "id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64))
    request_id: Mapped[str] = mapped_column(sa.String(64))
    resource_type: Mapped[str] = mapped_column(sa.String(32))
    resource_id: Mapped[str] = mapped_column(Id, index=True)
    event_id: Mapped[str] = mapped_column(sa.String(64))
    level: Mapped[str] = mapped_column(sa.String(16))
    user_message: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class VolumeBackup(Base):
    """A copy of a volume's bytes outside of the volume storage. parent_id: what an incremental one is based on.

    location: the folder below the store's root, or the prefix in its bucket; several records may name one.
    """

    __tablename__ = "volume_backups"
    __table_args__ = (sa.Index("ix_volume_backups_project", "project_id", "deleted", "created_at", "id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64))
    user_id: Mapped[str] = mapped_column(sa.String(64))
    volume_id: Mapped[str] = mapped_column(Id, index=True)
    snapshot_id: Mapped[str | None] = mapped_column(Id)
    parent_id: Mapped[str | None] = mapped_column(Id, index=True)
    name: Mapped[str | None] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(sa.Text)
    size_gib: Mapped[int]
    status: Mapped[str] = mapped_column(sa.String(32))
    status_before: Mapped[str | None] = mapped_column(sa.String(32))  # of the volume, while it is being backed up
    container: Mapped[str | None] = mapped_column(Name)
    location: Mapped[str] = mapped_column(Name)
    service: Mapped[str] = mapped_column(Name)  # the driver's name, as records of backups tell it
    availability_zone: Mapped[str | None] = mapped_column(Name)
    object_count: Mapped[int] = mapped_column(default=0)
    fail_reason: Mapped[str | None] = mapped_column(sa.Text)
    properties: Mapped[dict[str, Any]] = mapped_column(default=dict)
    volume_properties: Mapped[dict[str, Any]] = mapped_column(default=dict)  # what a restored volume gets again
    restore_volume_id: Mapped[str | None] = mapped_column(Id)
    data_timestamp: Mapped[datetime | None]
    deleted: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]


class VolumeServiceState(Base):
    """What an administrator said of a service of block storage; one that has no row is enabled.

    disabled, frozen: a node gets no new volumes; what is there goes on.
    """

    __tablename__ = "volume_service_states"
    binary: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    host: Mapped[str] = mapped_column(Name, primary_key=True)
    disabled: Mapped[bool] = mapped_column(default=False)
    disabled_reason: Mapped[str | None] = mapped_column(Name)
    frozen: Mapped[bool] = mapped_column(default=False)
    updated_at: Mapped[datetime]
