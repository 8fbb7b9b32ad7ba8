"""Backups of volumes name the node that wrote them, and say whether they are whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("volume_backups") as batch:
        batch.add_column(sa.Column("node_id", sa.String(length=36), nullable=True))
        batch.add_column(sa.Column("node_name", sa.String(length=255), nullable=True))
        batch.add_column(sa.Column("whole", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.create_foreign_key(batch.f("fk_volume_backups_node_id_nodes"), "nodes", ["node_id"], ["id"])
        batch.create_index(batch.f("ix_volume_backups_node_id"), ["node_id"], unique=False)
        batch.create_index(batch.f("ix_volume_backups_location"), ["location"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("volume_backups") as batch:
        batch.drop_index(batch.f("ix_volume_backups_location"))
        batch.drop_index(batch.f("ix_volume_backups_node_id"))
        batch.drop_constraint(batch.f("fk_volume_backups_node_id_nodes"), type_="foreignkey")
        batch.drop_column("whole")
        batch.drop_column("node_name")
        batch.drop_column("node_id")
