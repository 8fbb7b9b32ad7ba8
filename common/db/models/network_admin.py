"""What administrators arrange in the network API: segment ranges, router flavors, DHCP on nodes; and ready-made topologies."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class SegmentRange(Base):
    """VNIs or VLAN ids that networks get theirs from. project_id None: every project's (`shared`)."""

    __tablename__ = "network_segment_ranges"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    network_type: Mapped[str] = mapped_column(sa.String(16))
    physical_network: Mapped[str | None] = mapped_column(sa.String(64))
    minimum: Mapped[int]
    maximum: Mapped[int]
    revision_number: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RouterFlavor(Base):
    """A kind of router that tenants choose by name; what it is, its service profile says."""

    __tablename__ = "network_flavors"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(sa.String(1024), default="")
    service_type: Mapped[str] = mapped_column(Name)
    enabled: Mapped[bool] = mapped_column(default=True)


class ServiceProfile(Base):
    """driver: in Neutron's names, which clients know."""

    __tablename__ = "network_service_profiles"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    description: Mapped[str] = mapped_column(sa.String(1024), default="")
    driver: Mapped[str] = mapped_column(sa.String(1024), default="")
    metainfo: Mapped[str] = mapped_column(sa.String(4096), default="")
    enabled: Mapped[bool] = mapped_column(default=True)


class FlavorProfile(Base):
    __tablename__ = "network_flavor_profiles"
    flavor_id: Mapped[str] = mapped_column(sa.ForeignKey("network_flavors.id", ondelete="CASCADE"), primary_key=True)
    service_profile_id: Mapped[str] = mapped_column(
        sa.ForeignKey("network_service_profiles.id"), primary_key=True, index=True
    )


class DhcpNode(Base):
    """A node that shall have a network, and answer DHCP in it, whether or not a port of the network is there."""

    __tablename__ = "network_dhcp_nodes"
    network_id: Mapped[str] = mapped_column(sa.ForeignKey("networks.id", ondelete="CASCADE"), primary_key=True)
    node_id: Mapped[str] = mapped_column(sa.ForeignKey("nodes.id", ondelete="CASCADE"), primary_key=True, index=True)


class AutoTopology(Base):
    """The network with a router to the outside that a project got ready-made."""

    __tablename__ = "network_auto_topologies"
    project_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    network_id: Mapped[str] = mapped_column(sa.ForeignKey("networks.id", ondelete="CASCADE"), unique=True)
    router_id: Mapped[str | None] = mapped_column(sa.ForeignKey("routers.id", ondelete="SET NULL"), index=True)
