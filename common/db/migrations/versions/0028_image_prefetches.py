"""Images that are wanted in nodes' caches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_prefetches",
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("node_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name=op.f("fk_image_prefetches_image_id_images"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["node_id"], ["nodes.id"], name=op.f("fk_image_prefetches_node_id_nodes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", "node_id", name=op.f("pk_image_prefetches")),
    )
    with op.batch_alter_table("image_prefetches") as batch:
        batch.create_index(batch.f("ix_image_prefetches_node_id"), ["node_id"], unique=False)


def downgrade() -> None:
    op.drop_table("image_prefetches")
