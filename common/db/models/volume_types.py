"""Block storage: what kinds of volumes there are, who may use them, and what is promised of their speed (QoS specs)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class VolumeQosSpecs(Base):
    """consumer: front-end (the hypervisor limits the disk), back-end, or both."""

    __tablename__ = "volume_qos_specs"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    consumer: Mapped[str] = mapped_column(sa.String(16))
    specs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]


class VolumeType(Base):
    """extra_specs: what a place for such volumes must be able to do (`multiattach`, `volume_backend_name`, …)."""

    __tablename__ = "volume_types"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    description: Mapped[str | None] = mapped_column(sa.Text)
    is_public: Mapped[bool] = mapped_column(default=True)
    extra_specs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    qos_specs_id: Mapped[str | None] = mapped_column(sa.ForeignKey("volume_qos_specs.id"), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]


class VolumeTypeAccess(Base):
    """A project that may use a private type."""

    __tablename__ = "volume_type_access"
    volume_type_id: Mapped[str] = mapped_column(sa.ForeignKey("volume_types.id", ondelete="CASCADE"), primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True, index=True)


class VolumeTypeEncryption(Base):
    """How volumes of a type would be encrypted. There is no key manager, so that none is made of such a type."""

    __tablename__ = "volume_type_encryptions"
    volume_type_id: Mapped[str] = mapped_column(sa.ForeignKey("volume_types.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    provider: Mapped[str] = mapped_column(Name)
    cipher: Mapped[str | None] = mapped_column(Name)
    key_size: Mapped[int | None]
    control_location: Mapped[str] = mapped_column(sa.String(16))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]


class DefaultVolumeType(Base):
    """The type of a project's volumes that name none, where it isn't the cloud's default."""

    __tablename__ = "default_volume_types"
    project_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    volume_type_id: Mapped[str] = mapped_column(sa.ForeignKey("volume_types.id"), index=True)
    created_at: Mapped[datetime]
