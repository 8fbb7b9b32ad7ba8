"""Identity: who this cloud would federate with. Bookkeeping, as Keystone documents it: nobody logs in this way here."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Name


class IdentityProvider(Base):
    """authorization_ttl: minutes."""

    __tablename__ = "identity_providers"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    domain_id: Mapped[str] = mapped_column(sa.ForeignKey("domains.id", ondelete="CASCADE"), index=True)
    description: Mapped[str | None] = mapped_column(sa.Text)
    enabled: Mapped[bool] = mapped_column(default=False)
    authorization_ttl: Mapped[int | None]


class RemoteId(Base):
    """By which an identity provider names itself: one can't be two's."""

    __tablename__ = "identity_provider_remote_ids"
    remote_id: Mapped[str] = mapped_column(Name, primary_key=True)
    idp_id: Mapped[str] = mapped_column(sa.ForeignKey("identity_providers.id", ondelete="CASCADE"), index=True)


class FederationMapping(Base):
    __tablename__ = "federation_mappings"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    rules: Mapped[list[Any]] = mapped_column(default=list)


class FederationProtocol(Base):
    __tablename__ = "federation_protocols"
    idp_id: Mapped[str] = mapped_column(sa.ForeignKey("identity_providers.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    mapping_id: Mapped[str] = mapped_column(sa.String(64))  # Keystone lets a mapping go that a protocol still names


class ServiceProvider(Base):
    """Enabled ones are told in every token."""

    __tablename__ = "service_providers"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    auth_url: Mapped[str] = mapped_column(sa.Text)
    sp_url: Mapped[str] = mapped_column(sa.Text)
    description: Mapped[str | None] = mapped_column(sa.Text)
    enabled: Mapped[bool] = mapped_column(default=False)
    relay_state_prefix: Mapped[str] = mapped_column(Name)
