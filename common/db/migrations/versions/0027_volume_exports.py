"""Back ends of volumes, and exports of those that are served over NBD."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("volumes") as batch:
        batch.add_column(sa.Column("backend", sa.String(length=16), server_default="files", nullable=False))
    op.create_table(
        "volume_exports",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("attachment_id", sa.String(length=36), nullable=False),
        sa.Column("volume_id", sa.String(length=36), nullable=False),
        sa.Column("node_id", sa.String(length=36), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("client_name", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.id"], name=op.f("fk_volume_exports_node_id_nodes")),
        sa.ForeignKeyConstraint(["volume_id"], ["volumes.id"], name=op.f("fk_volume_exports_volume_id_volumes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume_exports")),
        sa.UniqueConstraint("attachment_id", name=op.f("uq_volume_exports_attachment_id")),
        sa.UniqueConstraint("node_id", "port", name="uq_volume_exports_port"),
    )
    with op.batch_alter_table("volume_exports") as batch:
        batch.create_index(batch.f("ix_volume_exports_volume_id"), ["volume_id"], unique=False)


def downgrade() -> None:
    op.drop_table("volume_exports")
    with op.batch_alter_table("volumes") as batch:
        batch.drop_column("backend")
