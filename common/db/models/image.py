"""Images. The bytes lie in the store under the image's id; this row says what they are, once and for all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class Image(Base):
    __tablename__ = "images"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str | None] = mapped_column(Name)
    owner: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    status: Mapped[str] = mapped_column(sa.String(16), default="queued")  # queued saving active killed deleted
    visibility: Mapped[str] = mapped_column(sa.String(10), default="shared")
    disk_format: Mapped[str | None] = mapped_column(sa.String(20))
    container_format: Mapped[str | None] = mapped_column(sa.String(20))
    size: Mapped[int | None] = mapped_column(sa.BigInteger)  # bytes
    virtual_size: Mapped[int | None] = mapped_column(sa.BigInteger)  # bytes
    checksum: Mapped[str | None] = mapped_column(sa.String(32))  # MD5, as Glance v2 shows it
    os_hash_algo: Mapped[str | None] = mapped_column(sa.String(16))
    os_hash_value: Mapped[str | None] = mapped_column(sa.String(128))
    min_disk: Mapped[int] = mapped_column(default=0)  # GiB
    min_ram: Mapped[int] = mapped_column(default=0)  # MiB
    protected: Mapped[bool] = mapped_column(default=False)
    os_hidden: Mapped[bool] = mapped_column(default=False)
    properties: Mapped[dict[str, Any]] = mapped_column(default=dict)
    upload_id: Mapped[str | None] = mapped_column(Id)  # the upload that may finish; another's bytes are thrown away
    failure: Mapped[str | None] = mapped_column(sa.Text)  # why an upload was refused
    stores: Mapped[str] = mapped_column(sa.Text, default="", server_default="")  # where the bytes are: ids, by commas
    import_task_id: Mapped[str | None] = mapped_column(Id)  # the one import that may change it now
    importing_to: Mapped[str | None] = mapped_column(sa.Text)  # stores that the newest import has not reached yet
    failed_import: Mapped[str | None] = mapped_column(sa.Text)  # stores that it could not reach
    created_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime]


class ImageTag(Base):
    __tablename__ = "image_tags"
    image_id: Mapped[str] = mapped_column(sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(Name, primary_key=True)


class ImageMember(Base):
    __tablename__ = "image_members"
    image_id: Mapped[str] = mapped_column(sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    member: Mapped[str] = mapped_column(sa.String(64), primary_key=True, index=True)
    status: Mapped[str] = mapped_column(sa.String(16), default="pending")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ImagePrefetch(Base):
    """An administrator wants this image in this node's cache: the node may fetch it, though no server there needs it."""

    __tablename__ = "image_prefetches"
    image_id: Mapped[str] = mapped_column(sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    node_id: Mapped[str] = mapped_column(sa.ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True, index=True)
    created_at: Mapped[datetime]


class ImageTask(Base):
    """One import: what was asked for and how it ended. status: pending, processing, success, failure.

    A worker holds it by a lease that runs out, so that another goes on when its process has died.
    """

    __tablename__ = "image_tasks"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    image_id: Mapped[str] = mapped_column(sa.ForeignKey("images.id", ondelete="CASCADE"), index=True)
    owner: Mapped[str | None] = mapped_column(sa.String(64))
    user_id: Mapped[str] = mapped_column(sa.String(64))
    request_id: Mapped[str] = mapped_column(sa.String(64))
    status: Mapped[str] = mapped_column(sa.String(16), index=True)
    message: Mapped[str] = mapped_column(sa.Text, default="")
    request: Mapped[dict[str, Any]] = mapped_column(default=dict)
    caller: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")  # in whose name images are read
    worker: Mapped[str | None] = mapped_column(sa.String(64))
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class MetadefNamespace(Base):
    """A vocabulary of metadata: clients offer its words where users describe images, flavors and volumes."""

    __tablename__ = "metadef_namespaces"
    namespace: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    display_name: Mapped[str | None] = mapped_column(sa.String(80))
    description: Mapped[str | None] = mapped_column(sa.Text)
    visibility: Mapped[str] = mapped_column(sa.String(10), default="private")  # public or private
    protected: Mapped[bool] = mapped_column(default=False)
    owner: Mapped[str] = mapped_column(sa.String(255), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class MetadefItem(Base):
    """A word in a namespace. kind: object, property, tag or resource_type; content: what its body said beside the name."""

    __tablename__ = "metadef_items"
    namespace: Mapped[str] = mapped_column(
        sa.ForeignKey("metadef_namespaces.namespace", ondelete="CASCADE", onupdate="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    content: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
