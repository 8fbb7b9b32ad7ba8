"""What nodes can promise of bandwidth and packet rates, and what of it is promised to whose ports."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id


class NodeRate(Base):
    """physical_network: see common/guarantees.py. total as the node's agent declares it; 0: it does no longer.

    used changes only together with rows of `rate_claims`; above total only where less is declared than before.
    """

    __tablename__ = "node_rates"
    __table_args__ = (sa.CheckConstraint("used >= 0", name="used_not_negative"),)
    node_id: Mapped[str] = mapped_column(sa.ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True)
    physical_network: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    resource: Mapped[str] = mapped_column(sa.String(48), primary_key=True)
    total: Mapped[int] = mapped_column(sa.BigInteger)
    used: Mapped[int] = mapped_column(sa.BigInteger, default=0)


class RateClaim(Base):
    """What a port of a consumer holds on a node, for as long as the consumer has a row of `allocations` there.

    consumer_id: an instance, or the operation that holds what may be left of one on a silent node.
    """

    __tablename__ = "rate_claims"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["node_id", "physical_network", "resource"],
            ["node_rates.node_id", "node_rates.physical_network", "node_rates.resource"],
        ),
        sa.Index("ix_rate_claims_stock", "node_id", "physical_network", "resource"),
    )
    consumer_id: Mapped[str] = mapped_column(Id, primary_key=True)
    node_id: Mapped[str] = mapped_column(Id, primary_key=True)
    port_id: Mapped[str] = mapped_column(Id, primary_key=True, index=True)
    physical_network: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    resource: Mapped[str] = mapped_column(sa.String(48), primary_key=True)
    amount: Mapped[int] = mapped_column(sa.BigInteger)
