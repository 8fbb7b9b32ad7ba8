"""Block storage: volumes, their snapshots, and what they are attached to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class Volume(Base):
    """A volume. status moves only through common/db/volumes.py.

    status_before: where an action began, and returns to. operation_id: the operation whose saga holds the volume, so
    that its bytes are worked on by one at a time. generation rises with every command about its bytes.
    node_id: the node whose folder holds the file, with `disk_format` as it was made. backend: how servers reach it
    (common/volume_capabilities.py).
    """

    __tablename__ = "volumes"
    __table_args__ = (
        sa.CheckConstraint("size_gib > 0", name="size_positive"),
        sa.Index("ix_volumes_project_live", "project_id", "deleted", "created_at", "id"),
        sa.Index("ix_volumes_live", "deleted", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64))
    user_id: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str | None] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(sa.Text)
    size_gib: Mapped[int]
    status: Mapped[str] = mapped_column(sa.String(32))
    status_before: Mapped[str | None] = mapped_column(sa.String(32))
    operation_id: Mapped[str | None] = mapped_column(Id)
    generation: Mapped[int] = mapped_column(default=1)
    node_id: Mapped[str | None] = mapped_column(sa.ForeignKey("nodes.id"), index=True)
    node_name: Mapped[str | None] = mapped_column(Name)
    disk_format: Mapped[str] = mapped_column(sa.String(16), default="")
    backend: Mapped[str] = mapped_column(sa.String(16), default="files", server_default="files")
    availability_zone: Mapped[str] = mapped_column(Name, default="nova")
    volume_type_id: Mapped[str | None] = mapped_column(Id, index=True)
    group_id: Mapped[str | None] = mapped_column(Id, index=True)
    snapshot_id: Mapped[str | None] = mapped_column(Id)  # what it was made from, if from one of these
    source_volume_id: Mapped[str | None] = mapped_column(Id)
    image_id: Mapped[str | None] = mapped_column(Id)
    bootable: Mapped[bool] = mapped_column(default=False)
    read_only: Mapped[bool | None]  # None: nobody has ever said
    multiattach: Mapped[bool] = mapped_column(default=False)
    properties: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the API's volume metadata
    image_properties: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the API's volume_image_metadata
    scheduler_hints: Mapped[dict[str, Any]] = mapped_column(default=dict)
    migration_status: Mapped[str | None] = mapped_column(sa.String(32))
    fault: Mapped[dict[str, Any] | None] = mapped_column(
        sa.JSON(none_as_null=True)
    )  # {"code", "message", "detail", "at"}
    deleted: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]
    launched_at: Mapped[datetime | None]
    terminated_at: Mapped[datetime | None]


class VolumeSnapshot(Base):
    """The bytes of a volume at one moment: a copy of its own, beside the volume."""

    __tablename__ = "volume_snapshots"
    __table_args__ = (sa.Index("ix_volume_snapshots_project_live", "project_id", "deleted", "created_at", "id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    volume_id: Mapped[str] = mapped_column(sa.ForeignKey("volumes.id"), index=True)
    project_id: Mapped[str] = mapped_column(sa.String(64))
    user_id: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str | None] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(sa.Text)
    size_gib: Mapped[int]
    status: Mapped[str] = mapped_column(sa.String(32))
    node_id: Mapped[str | None] = mapped_column(sa.ForeignKey("nodes.id"), index=True)
    node_name: Mapped[str | None] = mapped_column(Name)
    disk_format: Mapped[str] = mapped_column(sa.String(16), default="")
    group_snapshot_id: Mapped[str | None] = mapped_column(Id, index=True)
    progress: Mapped[int] = mapped_column(default=0)
    properties: Mapped[dict[str, Any]] = mapped_column(default=dict)
    deleted: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]


class VolumeAttachment(Base):
    """A volume's place at a server. A server has a volume once; the row is kept when it is over.

    boot_index 0: the server boots from it. instance_id is no foreign key: other services may attach for guests of
    their own. node_name: None for what others attach; "" for a disk of a server that is on no node. held_by: the
    operation that keeps the volume from others, while a node that does not answer may have a guest that writes to it.
    """

    __tablename__ = "volume_attachments"
    __table_args__ = (
        sa.Index(
            "ix_volume_attachments_once",
            "volume_id",
            "instance_id",
            unique=True,
            sqlite_where=sa.text("NOT deleted"),
            postgresql_where=sa.text("NOT deleted"),
        ),
        sa.Index("ix_volume_attachments_project_live", "project_id", "deleted", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    volume_id: Mapped[str] = mapped_column(sa.ForeignKey("volumes.id"), index=True)
    project_id: Mapped[str] = mapped_column(sa.String(64))
    instance_id: Mapped[str | None] = mapped_column(Id, index=True)
    status: Mapped[str] = mapped_column(sa.String(32))
    mode: Mapped[str] = mapped_column(sa.String(8), default="rw")
    device: Mapped[str | None] = mapped_column(sa.String(64))  # "vdb", as the guest's hypervisor has it
    bus: Mapped[str] = mapped_column(sa.String(8), default="virtio", server_default="virtio")
    device_type: Mapped[str] = mapped_column(sa.String(8), default="disk", server_default="disk")  # or "cdrom"
    tag: Mapped[str | None] = mapped_column(sa.String(64))
    boot_index: Mapped[int | None]
    delete_on_termination: Mapped[bool] = mapped_column(default=False)
    connector: Mapped[dict[str, Any]] = mapped_column(default=dict)
    node_name: Mapped[str | None] = mapped_column(Name)
    held_by: Mapped[str | None] = mapped_column(Id, index=True)
    attached_at: Mapped[datetime | None]
    detached_at: Mapped[datetime | None]
    deleted: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class VolumeExport(Base):
    """A volume as its node serves it over NBD for one attachment: to one node, on a port of its own.

    attachment_id: or of the operation that moves the volume, whose bytes the other node reads by it, or that withdraws it.
    id: the export's name, which nobody can guess. node_id: where the volume's file is. client_name: the node that may
    open it. The row goes when the node has withdrawn the export, so that no port is given out twice.
    """

    __tablename__ = "volume_exports"
    __table_args__ = (sa.UniqueConstraint("node_id", "port", name="uq_volume_exports_port"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    attachment_id: Mapped[str] = mapped_column(Id, unique=True)
    volume_id: Mapped[str] = mapped_column(sa.ForeignKey("volumes.id"), index=True)
    node_id: Mapped[str] = mapped_column(sa.ForeignKey("nodes.id"))
    port: Mapped[int]
    client_name: Mapped[str] = mapped_column(Name)
    created_at: Mapped[datetime]
