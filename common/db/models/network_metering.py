"""Metering: labels that count what passes projects' routers, and the rules that say what counts."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class MeteringLabel(Base):
    """Counts at every router of its project; `shared`: at every router there is."""

    __tablename__ = "metering_labels"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(sa.String(1024), default="")
    shared: Mapped[bool] = mapped_column(default=False, index=True)


class MeteringRule(Base):
    """direction: "ingress" comes from outside. excluded: what matches is not counted. A prefix that is None is any."""

    __tablename__ = "metering_label_rules"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    metering_label_id: Mapped[str] = mapped_column(sa.ForeignKey("metering_labels.id", ondelete="CASCADE"), index=True)
    direction: Mapped[str] = mapped_column(sa.String(8))
    excluded: Mapped[bool] = mapped_column(default=False)
    remote_ip_prefix: Mapped[str | None] = mapped_column(sa.String(64))
    source_ip_prefix: Mapped[str | None] = mapped_column(sa.String(64))
    destination_ip_prefix: Mapped[str | None] = mapped_column(sa.String(64))
