"""What guests tell of themselves."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id


class GuestPassword(Base):
    """The password that a guest has made for its administrator, encrypted by the guest with the server's public key."""

    __tablename__ = "guest_passwords"
    instance_id: Mapped[str] = mapped_column(Id, primary_key=True)
    ciphertext: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime]
