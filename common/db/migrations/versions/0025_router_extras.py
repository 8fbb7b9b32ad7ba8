"""NDP proxies, conntrack helpers, ranges of forwarded ports, and QoS policies of routers' addresses outside."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0025'
down_revision = '0028'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('ndp_proxies',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('router_id', sa.String(length=36), nullable=False),
    sa.Column('port_id', sa.String(length=36), nullable=False),
    sa.Column('ip_address', sa.String(length=64), nullable=False),
    sa.Column('revision_number', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['port_id'], ['ports.id'], name=op.f('fk_ndp_proxies_port_id_ports'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['router_id'], ['routers.id'], name=op.f('fk_ndp_proxies_router_id_routers'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ndp_proxies')),
    sa.UniqueConstraint('port_id', 'ip_address', name=op.f('uq_ndp_proxies_port_id_ip_address'))
    )
    with op.batch_alter_table('ndp_proxies', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_ndp_proxies_port_id'), ['port_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_ndp_proxies_project_id'), ['project_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_ndp_proxies_router_id'), ['router_id'], unique=False)

    op.create_table('conntrack_helpers',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('router_id', sa.String(length=36), nullable=False),
    sa.Column('protocol', sa.String(length=8), nullable=False),
    sa.Column('port', sa.Integer(), nullable=False),
    sa.Column('helper', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['router_id'], ['routers.id'], name=op.f('fk_conntrack_helpers_router_id_routers'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_conntrack_helpers')),
    sa.UniqueConstraint('router_id', 'protocol', 'port', name=op.f('uq_conntrack_helpers_router_id_protocol_port'))
    )
    with op.batch_alter_table('conntrack_helpers', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_conntrack_helpers_router_id'), ['router_id'], unique=False)

    with op.batch_alter_table('port_forwardings', schema=None) as batch_op:
        batch_op.add_column(sa.Column('external_port_last', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('internal_port_last', sa.Integer(), nullable=True))

    with op.batch_alter_table('floating_ips', schema=None) as batch_op:
        batch_op.add_column(sa.Column('qos_policy_id', sa.String(length=36), nullable=True))
        batch_op.create_index(batch_op.f('ix_floating_ips_qos_policy_id'), ['qos_policy_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_floating_ips_qos_policy_id_qos_policies'), 'qos_policies', ['qos_policy_id'], ['id'])

    with op.batch_alter_table('routers', schema=None) as batch_op:
        batch_op.add_column(sa.Column('gateway_qos_policy_id', sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column('enable_ndp_proxy', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.create_index(batch_op.f('ix_routers_gateway_qos_policy_id'), ['gateway_qos_policy_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_routers_gateway_qos_policy_id_qos_policies'), 'qos_policies', ['gateway_qos_policy_id'], ['id'])


def downgrade() -> None:
    with op.batch_alter_table('routers', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_routers_gateway_qos_policy_id_qos_policies'), type_='foreignkey')
        batch_op.drop_index(batch_op.f('ix_routers_gateway_qos_policy_id'))
        batch_op.drop_column('enable_ndp_proxy')
        batch_op.drop_column('gateway_qos_policy_id')

    with op.batch_alter_table('floating_ips', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_floating_ips_qos_policy_id_qos_policies'), type_='foreignkey')
        batch_op.drop_index(batch_op.f('ix_floating_ips_qos_policy_id'))
        batch_op.drop_column('qos_policy_id')

    with op.batch_alter_table('port_forwardings', schema=None) as batch_op:
        batch_op.drop_column('internal_port_last')
        batch_op.drop_column('external_port_last')

    with op.batch_alter_table('conntrack_helpers', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_conntrack_helpers_router_id'))

    op.drop_table('conntrack_helpers')
    with op.batch_alter_table('ndp_proxies', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_ndp_proxies_router_id'))
        batch_op.drop_index(batch_op.f('ix_ndp_proxies_project_id'))
        batch_op.drop_index(batch_op.f('ix_ndp_proxies_port_id'))

    op.drop_table('ndp_proxies')
