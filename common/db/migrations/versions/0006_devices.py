"""Operations name the device they are about, one at a time; a server's ports have device tags."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0007"
branch_labels = None
depends_on = None

_OPEN_DEVICE = "device_id IS NOT NULL AND state IN ('pending', 'running', 'unwinding')"


def upgrade() -> None:
    with op.batch_alter_table("operations") as batch:
        batch.add_column(sa.Column("device_id", sa.String(length=36), nullable=True))
        batch.create_index(
            "uq_operations_open_device",
            ["resource_id", "device_id"],
            unique=True,
            sqlite_where=sa.text(_OPEN_DEVICE),
            postgresql_where=sa.text(_OPEN_DEVICE),
        )
    with op.batch_alter_table("ports") as batch:
        batch.add_column(sa.Column("device_tag", sa.String(length=60), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("ports") as batch:
        batch.drop_column("device_tag")
    with op.batch_alter_table("operations") as batch:
        batch.drop_index("uq_operations_open_device")
        batch.drop_column("device_id")
