"""What administrators call the one segment that each network is made of."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Name


class NetworkSegment(Base):
    """There is a row for those that somebody has named or described."""

    __tablename__ = "network_segments"
    network_id: Mapped[str] = mapped_column(sa.ForeignKey("networks.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    revision_number: Mapped[int] = mapped_column(default=0)
    updated_at: Mapped[datetime]
