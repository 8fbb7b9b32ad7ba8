"""NUMA cells of nodes, as their agents report them, and what of them is taken."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id


class NodeCell(Base):
    """cpus: how many there are in all; dedicated: the numbers of those that guests may have for themselves."""

    __tablename__ = "node_cells"
    node_id: Mapped[str] = mapped_column(sa.ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True)
    cell: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cpus: Mapped[int]
    dedicated: Mapped[list[Any]] = mapped_column(default=list)
    siblings: Mapped[list[Any]] = mapped_column(default=list)  # the threads of each core that has several


class NodePages(Base):
    """Memory pages of one size in a cell. `used` changes only together with a row of `allocations`."""

    __tablename__ = "node_pages"
    __table_args__ = (sa.CheckConstraint("used >= 0", name="used_not_negative"),)
    node_id: Mapped[str] = mapped_column(sa.ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True)
    cell: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size_kib: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    total: Mapped[int] = mapped_column(sa.BigInteger)
    used: Mapped[int] = mapped_column(sa.BigInteger, default=0)


class PinnedCpu(Base):
    """A host CPU that one consumer has for itself: the primary key is what keeps two from having it."""

    __tablename__ = "pinned_cpus"
    node_id: Mapped[str] = mapped_column(sa.ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True)
    cpu: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    consumer_id: Mapped[str] = mapped_column(Id)  # who took it; the allocation is what gives it back
