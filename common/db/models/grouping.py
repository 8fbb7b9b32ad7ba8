"""Compute: what groups nodes (aggregates) and servers (server groups), for the scheduler to go by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class Aggregate(Base):
    """Nodes with something in common. properties is the API's metadata; its availability_zone names their zone.

    What it means for its nodes (services.availability_zone, nodes.aggregate_properties and the ratios) is written there
    by common/db/aggregates.py in the transaction that changes it.
    """

    __tablename__ = "aggregates"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)  # the API's id
    id: Mapped[str] = mapped_column(Id, unique=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    properties: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]


class AggregateNode(Base):
    __tablename__ = "aggregate_nodes"
    aggregate_number: Mapped[int] = mapped_column(
        sa.ForeignKey("aggregates.number", ondelete="CASCADE"), primary_key=True
    )
    node_id: Mapped[str] = mapped_column(sa.ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True, index=True)


class ServerGroup(Base):
    """Servers to be kept together or apart. max_per_node: the rule max_server_per_host of anti-affinity."""

    __tablename__ = "server_groups"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    user_id: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str] = mapped_column(Name)
    policy: Mapped[str] = mapped_column(sa.String(32))
    max_per_node: Mapped[int | None]
    created_at: Mapped[datetime]


class ServerGroupMember(Base):
    __tablename__ = "server_group_members"
    instance_id: Mapped[str] = mapped_column(sa.ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[str] = mapped_column(sa.ForeignKey("server_groups.id", ondelete="CASCADE"), index=True)
