"""Bandwidth and packet rates that nodes promise, and what is promised."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0050'
down_revision = '0056'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('node_rates',
    sa.Column('node_id', sa.String(length=36), nullable=False),
    sa.Column('physical_network', sa.String(length=64), nullable=False),
    sa.Column('resource', sa.String(length=48), nullable=False),
    sa.Column('total', sa.BigInteger(), nullable=False),
    sa.Column('used', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('used >= 0', name=op.f('ck_node_rates_used_not_negative')),
    sa.ForeignKeyConstraint(['node_id'], ['nodes.id'], name=op.f('fk_node_rates_node_id_nodes'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('node_id', 'physical_network', 'resource', name=op.f('pk_node_rates'))
    )
    op.create_table('rate_claims',
    sa.Column('consumer_id', sa.String(length=36), nullable=False),
    sa.Column('node_id', sa.String(length=36), nullable=False),
    sa.Column('port_id', sa.String(length=36), nullable=False),
    sa.Column('physical_network', sa.String(length=64), nullable=False),
    sa.Column('resource', sa.String(length=48), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['node_id', 'physical_network', 'resource'], ['node_rates.node_id', 'node_rates.physical_network', 'node_rates.resource'], name=op.f('fk_rate_claims_node_id_physical_network_resource_node_rates')),
    sa.PrimaryKeyConstraint('consumer_id', 'node_id', 'port_id', 'physical_network', 'resource', name=op.f('pk_rate_claims'))
    )
    with op.batch_alter_table('rate_claims', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_rate_claims_port_id'), ['port_id'], unique=False)
        batch_op.create_index('ix_rate_claims_stock', ['node_id', 'physical_network', 'resource'], unique=False)


def downgrade() -> None:
    op.drop_table('rate_claims')
    op.drop_table('node_rates')
