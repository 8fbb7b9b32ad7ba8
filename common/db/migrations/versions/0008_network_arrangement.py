"""network arrangement."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('metering_labels',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=1024), nullable=False),
    sa.Column('shared', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_metering_labels'))
    )
    with op.batch_alter_table('metering_labels', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_metering_labels_project_id'), ['project_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_metering_labels_shared'), ['shared'], unique=False)

    op.create_table('metering_label_rules',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('metering_label_id', sa.String(length=36), nullable=False),
    sa.Column('direction', sa.String(length=8), nullable=False),
    sa.Column('excluded', sa.Boolean(), nullable=False),
    sa.Column('remote_ip_prefix', sa.String(length=64), nullable=True),
    sa.Column('source_ip_prefix', sa.String(length=64), nullable=True),
    sa.Column('destination_ip_prefix', sa.String(length=64), nullable=True),
    sa.ForeignKeyConstraint(['metering_label_id'], ['metering_labels.id'], name=op.f('fk_metering_label_rules_metering_label_id_metering_labels'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_metering_label_rules'))
    )
    with op.batch_alter_table('metering_label_rules', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_metering_label_rules_metering_label_id'), ['metering_label_id'], unique=False)


    op.create_table('network_flavors',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=1024), nullable=False),
    sa.Column('service_type', sa.String(length=255), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_flavors'))
    )
    op.create_table('network_segment_ranges',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('project_id', sa.String(length=64), nullable=True),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('description', sa.String(length=255), nullable=False),
    sa.Column('network_type', sa.String(length=16), nullable=False),
    sa.Column('physical_network', sa.String(length=64), nullable=True),
    sa.Column('minimum', sa.Integer(), nullable=False),
    sa.Column('maximum', sa.Integer(), nullable=False),
    sa.Column('revision_number', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_segment_ranges'))
    )
    with op.batch_alter_table('network_segment_ranges', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_network_segment_ranges_project_id'), ['project_id'], unique=False)

    op.create_table('network_service_profiles',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('description', sa.String(length=1024), nullable=False),
    sa.Column('driver', sa.String(length=1024), nullable=False),
    sa.Column('metainfo', sa.String(length=4096), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_network_service_profiles'))
    )
    op.create_table('network_flavor_profiles',
    sa.Column('flavor_id', sa.String(length=36), nullable=False),
    sa.Column('service_profile_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['flavor_id'], ['network_flavors.id'], name=op.f('fk_network_flavor_profiles_flavor_id_network_flavors'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['service_profile_id'], ['network_service_profiles.id'], name=op.f('fk_network_flavor_profiles_service_profile_id_network_service_profiles')),
    sa.PrimaryKeyConstraint('flavor_id', 'service_profile_id', name=op.f('pk_network_flavor_profiles'))
    )
    with op.batch_alter_table('network_flavor_profiles', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_network_flavor_profiles_service_profile_id'), ['service_profile_id'], unique=False)

    op.create_table('network_dhcp_nodes',
    sa.Column('network_id', sa.String(length=36), nullable=False),
    sa.Column('node_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['network_id'], ['networks.id'], name=op.f('fk_network_dhcp_nodes_network_id_networks'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['node_id'], ['nodes.id'], name=op.f('fk_network_dhcp_nodes_node_id_nodes'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('network_id', 'node_id', name=op.f('pk_network_dhcp_nodes'))
    )
    with op.batch_alter_table('network_dhcp_nodes', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_network_dhcp_nodes_node_id'), ['node_id'], unique=False)

    op.create_table('network_auto_topologies',
    sa.Column('project_id', sa.String(length=64), nullable=False),
    sa.Column('network_id', sa.String(length=36), nullable=False),
    sa.Column('router_id', sa.String(length=36), nullable=True),
    sa.ForeignKeyConstraint(['network_id'], ['networks.id'], name=op.f('fk_network_auto_topologies_network_id_networks'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['router_id'], ['routers.id'], name=op.f('fk_network_auto_topologies_router_id_routers'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('project_id', name=op.f('pk_network_auto_topologies')),
    sa.UniqueConstraint('network_id', name=op.f('uq_network_auto_topologies_network_id'))
    )
    with op.batch_alter_table('network_auto_topologies', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_network_auto_topologies_router_id'), ['router_id'], unique=False)

    with op.batch_alter_table('ports', schema=None) as batch_op:
        batch_op.add_column(sa.Column('binding_host', sa.String(length=255), server_default='', nullable=False))

    with op.batch_alter_table('routers', schema=None) as batch_op:
        batch_op.add_column(sa.Column('ha', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column('distributed', sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column('flavor_id', sa.String(length=36), nullable=True))
        batch_op.create_index(batch_op.f('ix_routers_flavor_id'), ['flavor_id'], unique=False)
        batch_op.create_foreign_key(batch_op.f('fk_routers_flavor_id_network_flavors'), 'network_flavors', ['flavor_id'], ['id'])




def downgrade() -> None:
    with op.batch_alter_table('metering_label_rules', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_metering_label_rules_metering_label_id'))

    op.drop_table('metering_label_rules')
    with op.batch_alter_table('metering_labels', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_metering_labels_shared'))
        batch_op.drop_index(batch_op.f('ix_metering_labels_project_id'))

    op.drop_table('metering_labels')

    with op.batch_alter_table('routers', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_routers_flavor_id_network_flavors'), type_='foreignkey')
        batch_op.drop_index(batch_op.f('ix_routers_flavor_id'))
        batch_op.drop_column('flavor_id')
        batch_op.drop_column('distributed')
        batch_op.drop_column('ha')

    with op.batch_alter_table('ports', schema=None) as batch_op:
        batch_op.drop_column('binding_host')

    with op.batch_alter_table('network_auto_topologies', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_network_auto_topologies_router_id'))

    op.drop_table('network_auto_topologies')
    with op.batch_alter_table('network_dhcp_nodes', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_network_dhcp_nodes_node_id'))

    op.drop_table('network_dhcp_nodes')
    with op.batch_alter_table('network_flavor_profiles', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_network_flavor_profiles_service_profile_id'))

    op.drop_table('network_flavor_profiles')
    op.drop_table('network_service_profiles')
    with op.batch_alter_table('network_segment_ranges', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_network_segment_ranges_project_id'))

    op.drop_table('network_segment_ranges')
    op.drop_table('network_flavors')

