"""Attachments that wait for a silent node name the operation that waits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("volume_attachments") as batch:
        batch.add_column(sa.Column("held_by", sa.String(length=36), nullable=True))
        batch.create_index(batch.f("ix_volume_attachments_held_by"), ["held_by"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("volume_attachments") as batch:
        batch.drop_index(batch.f("ix_volume_attachments_held_by"))
        batch.drop_column("held_by")
