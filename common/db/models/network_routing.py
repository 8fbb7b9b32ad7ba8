"""What a router does beside routing and translating: it answers for IPv6 neighbours, and follows protocols' data connections."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class NdpProxy(Base):
    """An IPv6 address inside that a router answers neighbour solicitations for outside; one at most for each address."""

    __tablename__ = "ndp_proxies"
    __table_args__ = (sa.UniqueConstraint("port_id", "ip_address"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    router_id: Mapped[str] = mapped_column(sa.ForeignKey("routers.id", ondelete="CASCADE"), index=True)
    port_id: Mapped[str] = mapped_column(sa.ForeignKey("ports.id", ondelete="CASCADE"), index=True)
    ip_address: Mapped[str] = mapped_column(sa.String(64))
    revision_number: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ConntrackHelper(Base):
    """A port at which a router looks into a protocol for the further connections that it announces."""

    __tablename__ = "conntrack_helpers"
    __table_args__ = (sa.UniqueConstraint("router_id", "protocol", "port"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    router_id: Mapped[str] = mapped_column(sa.ForeignKey("routers.id", ondelete="CASCADE"), index=True)
    protocol: Mapped[str] = mapped_column(sa.String(8))
    port: Mapped[int]
    helper: Mapped[str] = mapped_column(sa.String(64))
