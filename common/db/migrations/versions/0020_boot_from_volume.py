"""How a volume is attached: by which bus, and as what kind of device."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("volume_attachments") as batch:
        batch.add_column(sa.Column("bus", sa.String(length=8), server_default="virtio", nullable=False))
        batch.add_column(sa.Column("device_type", sa.String(length=8), server_default="disk", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("volume_attachments") as batch:
        batch.drop_column("device_type")
        batch.drop_column("bus")
