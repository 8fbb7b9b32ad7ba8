"""What projects share beside networks: RBAC policies, tags, address groups and scopes, subnet pools, QoS, trunks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class NetworkTag(Base):
    """A tag of any object of the network API; ids are unique over all of them."""

    __tablename__ = "network_tags"
    resource_id: Mapped[str] = mapped_column(Id, primary_key=True)
    tag: Mapped[str] = mapped_column(Name, primary_key=True, index=True)


class RbacPolicy(Base):
    """target_project "*": every project. A shared or external network has a policy of that kind for "*"."""

    __tablename__ = "network_rbac_policies"
    __table_args__ = (sa.UniqueConstraint("object_id", "action", "target_project"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    object_type: Mapped[str] = mapped_column(sa.String(32))
    object_id: Mapped[str] = mapped_column(Id)
    action: Mapped[str] = mapped_column(sa.String(32))
    target_project: Mapped[str] = mapped_column(sa.String(64), index=True)


class AddressGroup(Base):
    __tablename__ = "address_groups"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    addresses: Mapped[list[Any]] = mapped_column(default=list)  # CIDRs in canonical spelling
    revision_number: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class AddressScope(Base):
    __tablename__ = "address_scopes"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    ip_version: Mapped[int]


class SubnetPool(Base):
    """default_quota: addresses (IPv4) or /64s (IPv6) of the pool that one project may have in its subnets."""

    __tablename__ = "subnetpools"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    ip_version: Mapped[int]
    prefixes: Mapped[list[Any]] = mapped_column(default=list)  # CIDRs, merged and sorted
    default_prefixlen: Mapped[int]
    min_prefixlen: Mapped[int]
    max_prefixlen: Mapped[int]
    default_quota: Mapped[int | None]
    default_version: Mapped[int | None] = mapped_column(unique=True)  # the version that it is the cloud's default for
    address_scope_id: Mapped[str | None] = mapped_column(sa.ForeignKey("address_scopes.id"), index=True)
    revision_number: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def is_default(self) -> bool:
        return self.default_version is not None


class QosPolicy(Base):
    __tablename__ = "qos_policies"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name)
    description: Mapped[str] = mapped_column(Name, default="")
    default_of: Mapped[str | None] = mapped_column(sa.String(64), unique=True)  # the project whose default it is
    revision_number: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class QosRule(Base):
    """direction "" for a DSCP mark, which leaves the guest. value: kbit/s, the mark, or thousands of packets a second.

    burst_kbit: of a packet rate, thousands of packets.
    """

    __tablename__ = "qos_rules"
    __table_args__ = (sa.UniqueConstraint("policy_id", "kind", "direction"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    policy_id: Mapped[str] = mapped_column(sa.ForeignKey("qos_policies.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(32))
    direction: Mapped[str] = mapped_column(sa.String(8), default="")
    value: Mapped[int]
    burst_kbit: Mapped[int] = mapped_column(default=0)


class DefaultGroupRule(Base):
    """A rule that new security groups begin with."""

    __tablename__ = "default_security_group_rules"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    description: Mapped[str] = mapped_column(Name, default="")
    direction: Mapped[str] = mapped_column(sa.String(8))
    ethertype: Mapped[str] = mapped_column(sa.String(8))
    protocol: Mapped[str | None] = mapped_column(sa.String(16))
    port_range_min: Mapped[int | None]
    port_range_max: Mapped[int | None]
    remote_ip_prefix: Mapped[str | None] = mapped_column(sa.String(64))
    remote_address_group_id: Mapped[str | None] = mapped_column(sa.ForeignKey("address_groups.id"), index=True)
    remote_parent: Mapped[bool] = mapped_column(default=False)  # the remote group is the one the rule is made in
    in_default: Mapped[bool] = mapped_column(default=False)  # used in projects' default groups
    in_others: Mapped[bool] = mapped_column(default=True)  # used in groups that people make


class Trunk(Base):
    __tablename__ = "trunks"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    port_id: Mapped[str] = mapped_column(sa.ForeignKey("ports.id"), unique=True)
    admin_state_up: Mapped[bool] = mapped_column(default=True)
    status: Mapped[str] = mapped_column(sa.String(16), default="DOWN")
    revision_number: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Subport(Base):
    __tablename__ = "subports"
    __table_args__ = (sa.UniqueConstraint("trunk_id", "segmentation_type", "segmentation_id"),)
    port_id: Mapped[str] = mapped_column(sa.ForeignKey("ports.id"), primary_key=True)
    trunk_id: Mapped[str] = mapped_column(sa.ForeignKey("trunks.id", ondelete="CASCADE"), index=True)
    segmentation_type: Mapped[str] = mapped_column(sa.String(16))
    segmentation_id: Mapped[int]
