"""NUMA cells of nodes, CPUs and pages of them that are taken; failed builds; disks as a request divided them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0007'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('node_cells',
    sa.Column('node_id', sa.String(length=36), nullable=False),
    sa.Column('cell', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('cpus', sa.Integer(), nullable=False),
    sa.Column('dedicated', sa.JSON(), nullable=False),
    sa.Column('siblings', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['node_id'], ['nodes.id'], name=op.f('fk_node_cells_node_id_nodes'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('node_id', 'cell', name=op.f('pk_node_cells'))
    )
    op.create_table('node_pages',
    sa.Column('node_id', sa.String(length=36), nullable=False),
    sa.Column('cell', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('size_kib', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('total', sa.BigInteger(), nullable=False),
    sa.Column('used', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('used >= 0', name=op.f('ck_node_pages_used_not_negative')),
    sa.ForeignKeyConstraint(['node_id'], ['nodes.id'], name=op.f('fk_node_pages_node_id_nodes'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('node_id', 'cell', 'size_kib', name=op.f('pk_node_pages'))
    )
    op.create_table('pinned_cpus',
    sa.Column('node_id', sa.String(length=36), nullable=False),
    sa.Column('cpu', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('consumer_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['node_id'], ['nodes.id'], name=op.f('fk_pinned_cpus_node_id_nodes'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('node_id', 'cpu', name=op.f('pk_pinned_cpus'))
    )
    with op.batch_alter_table('allocations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('pcpus', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('cells', sa.JSON(none_as_null=True), nullable=True))

    with op.batch_alter_table('instances', schema=None) as batch_op:
        batch_op.add_column(sa.Column('local_disks', sa.JSON(none_as_null=True), nullable=True))

    with op.batch_alter_table('nodes', schema=None) as batch_op:
        batch_op.add_column(sa.Column('pcpus', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('used_pcpus', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('failed_builds', sa.Integer(), nullable=False, server_default='0'))



def downgrade() -> None:
    with op.batch_alter_table('nodes', schema=None) as batch_op:
        batch_op.drop_column('failed_builds')
        batch_op.drop_column('used_pcpus')
        batch_op.drop_column('pcpus')

    with op.batch_alter_table('instances', schema=None) as batch_op:
        batch_op.drop_column('local_disks')

    with op.batch_alter_table('allocations', schema=None) as batch_op:
        batch_op.drop_column('cells')
        batch_op.drop_column('pcpus')

    op.drop_table('pinned_cpus')
    op.drop_table('node_pages')
    op.drop_table('node_cells')
