"""Local IPs: addresses of a network that lead, on each node, to a port of that node."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class LocalIp(Base):
    """The address is local_port_id's, which no guest need have; ip_mode: "translate" or "passthrough"."""

    __tablename__ = "local_ips"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    local_port_id: Mapped[str] = mapped_column(sa.ForeignKey("ports.id", ondelete="CASCADE"), index=True)
    network_id: Mapped[str] = mapped_column(sa.ForeignKey("networks.id"), index=True)
    local_ip_address: Mapped[str] = mapped_column(sa.String(64))
    ip_mode: Mapped[str] = mapped_column(sa.String(16))
    revision_number: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class LocalIpAssociation(Base):
    """A port that a local IP leads to on the port's node."""

    __tablename__ = "local_ip_associations"
    local_ip_id: Mapped[str] = mapped_column(sa.ForeignKey("local_ips.id", ondelete="CASCADE"), primary_key=True)
    fixed_port_id: Mapped[str] = mapped_column(
        sa.ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    fixed_ip: Mapped[str] = mapped_column(sa.String(64))
