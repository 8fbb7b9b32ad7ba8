"""Networks, subnets, ports with their addresses and bindings, security groups and rules, routers, floating IPs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class Network(Base):
    __tablename__ = "networks"
    __table_args__ = (sa.UniqueConstraint("physical_network", "vlan_id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    admin_state_up: Mapped[bool] = mapped_column(default=True)
    status: Mapped[str] = mapped_column(sa.String(16), default="ACTIVE")
    shared: Mapped[bool] = mapped_column(default=False, index=True)
    external: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)
    nat: Mapped[bool] = mapped_column(default=False)  # the node itself is gateway and NATs to the outside
    port_security_enabled: Mapped[bool] = mapped_column(default=True)
    mtu: Mapped[int] = mapped_column(default=1450)
    network_type: Mapped[str] = mapped_column(sa.String(16), default="vxlan")
    physical_network: Mapped[str | None] = mapped_column(sa.String(64))
    vlan_id: Mapped[int | None]  # on physical_network; 0: untagged (flat)
    segmentation_id: Mapped[int | None] = mapped_column(unique=True)  # VNI, also of a physical one: gateways share it
    dns_domain: Mapped[str] = mapped_column(Name, default="")
    vlan_transparent: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    qos_policy_id: Mapped[str | None] = mapped_column(sa.ForeignKey("qos_policies.id"), index=True)
    revision_number: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Subnet(Base):
    __tablename__ = "subnets"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    network_id: Mapped[str] = mapped_column(sa.ForeignKey("networks.id"), index=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    ip_version: Mapped[int]
    cidr: Mapped[str] = mapped_column(sa.String(64))
    gateway_ip: Mapped[str | None] = mapped_column(sa.String(64))
    enable_dhcp: Mapped[bool] = mapped_column(default=True)
    ipv6_ra_mode: Mapped[str | None] = mapped_column(sa.String(20))
    ipv6_address_mode: Mapped[str | None] = mapped_column(sa.String(20))
    dns_nameservers: Mapped[list[Any]] = mapped_column(default=list)
    host_routes: Mapped[list[Any]] = mapped_column(default=list)  # [{"destination", "nexthop"}]
    allocation_pools: Mapped[list[Any]] = mapped_column(default=list)  # [{"start", "end"}]
    subnetpool_id: Mapped[str | None] = mapped_column(sa.ForeignKey("subnetpools.id"), index=True)
    service_types: Mapped[list[Any]] = mapped_column(default=list)  # device owners whose ports get addresses here
    revision_number: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Port(Base):
    """binding_*: where the port is plugged. Bound and unbound only by common/db/ports.py."""

    __tablename__ = "ports"
    __table_args__ = (sa.UniqueConstraint("network_id", "mac_address"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    network_id: Mapped[str] = mapped_column(sa.ForeignKey("networks.id"), index=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    admin_state_up: Mapped[bool] = mapped_column(default=True)
    status: Mapped[str] = mapped_column(sa.String(16), default="DOWN")
    mac_address: Mapped[str] = mapped_column(sa.String(17))
    device_id: Mapped[str] = mapped_column(sa.String(255), default="", index=True)
    device_owner: Mapped[str] = mapped_column(sa.String(255), default="")
    delete_with_instance: Mapped[bool] = mapped_column(default=False)  # made for a server by the compute service
    nic_order: Mapped[int] = mapped_column(default=0)
    device_tag: Mapped[str] = mapped_column(sa.String(60), default="", server_default="")  # of the server's device
    binding_node_id: Mapped[str | None] = mapped_column(sa.ForeignKey("nodes.id"), index=True)
    binding_epoch: Mapped[int] = mapped_column(default=0)
    binding_host: Mapped[str] = mapped_column(
        Name, default="", server_default=""
    )  # said by an administrator, no node's
    binding_profile: Mapped[dict[str, Any]] = mapped_column(default=dict)
    vnic_type: Mapped[str] = mapped_column(sa.String(16), default="normal")
    port_security_enabled: Mapped[bool] = mapped_column(default=True)
    allowed_address_pairs: Mapped[list[Any]] = mapped_column(default=list)
    extra_dhcp_opts: Mapped[list[Any]] = mapped_column(default=list)
    dns_name: Mapped[str] = mapped_column(sa.String(63), default="")
    dns_domain: Mapped[str] = mapped_column(Name, default="")
    qos_policy_id: Mapped[str | None] = mapped_column(sa.ForeignKey("qos_policies.id"), index=True)
    revision_number: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class IpAllocation(Base):
    """One address of one port; the primary key is what keeps an address from being given twice."""

    __tablename__ = "ip_allocations"
    subnet_id: Mapped[str] = mapped_column(sa.ForeignKey("subnets.id"), primary_key=True)
    ip_address: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    network_id: Mapped[str] = mapped_column(sa.ForeignKey("networks.id"), index=True)
    port_id: Mapped[str] = mapped_column(sa.ForeignKey("ports.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(default=0)


class SecurityGroup(Base):
    __tablename__ = "security_groups"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    default_of: Mapped[str | None] = mapped_column(sa.String(64), unique=True)  # the project whose default it is
    name: Mapped[str] = mapped_column(Name)
    description: Mapped[str] = mapped_column(Name, default="")
    stateful: Mapped[bool] = mapped_column(default=True)
    revision_number: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SecurityGroupRule(Base):
    __tablename__ = "security_group_rules"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    security_group_id: Mapped[str] = mapped_column(sa.ForeignKey("security_groups.id", ondelete="CASCADE"), index=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    description: Mapped[str] = mapped_column(Name, default="")
    direction: Mapped[str] = mapped_column(sa.String(8))
    ethertype: Mapped[str] = mapped_column(sa.String(8))
    protocol: Mapped[str | None] = mapped_column(sa.String(16))
    port_range_min: Mapped[int | None]
    port_range_max: Mapped[int | None]
    remote_ip_prefix: Mapped[str | None] = mapped_column(sa.String(64))
    remote_group_id: Mapped[str | None] = mapped_column(
        sa.ForeignKey("security_groups.id", ondelete="CASCADE"), index=True
    )
    remote_address_group_id: Mapped[str | None] = mapped_column(sa.ForeignKey("address_groups.id"), index=True)
    revision_number: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PortSecurityGroup(Base):
    __tablename__ = "port_security_groups"
    port_id: Mapped[str] = mapped_column(sa.ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True)
    security_group_id: Mapped[str] = mapped_column(sa.ForeignKey("security_groups.id"), primary_key=True, index=True)


class Router(Base):
    """Its ports are rows of `ports` with its id as device_id; gateway_port_id is the one that leads outside.

    node_id: the gateway node that has it; chosen and changed only by common/db/router_places.py.
    """

    __tablename__ = "routers"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    admin_state_up: Mapped[bool] = mapped_column(default=True)
    status: Mapped[str] = mapped_column(sa.String(16), default="ACTIVE")
    gateway_port_id: Mapped[str | None] = mapped_column(sa.ForeignKey("ports.id"), unique=True)
    gateway_network_id: Mapped[str | None] = mapped_column(sa.ForeignKey("networks.id"), index=True)
    gateway_qos_policy_id: Mapped[str | None] = mapped_column(sa.ForeignKey("qos_policies.id"), index=True)
    enable_snat: Mapped[bool] = mapped_column(default=True)
    enable_ndp_proxy: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    ha: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # shown to administrators, no more
    distributed: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # the same
    flavor_id: Mapped[str | None] = mapped_column(sa.ForeignKey("network_flavors.id"), index=True)
    routes: Mapped[list[Any]] = mapped_column(default=list)  # [{"destination", "nexthop"}]
    node_id: Mapped[str | None] = mapped_column(sa.ForeignKey("nodes.id"), index=True)
    revision_number: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class FloatingIp(Base):
    """An address of an external network, and the fixed address it stands for; one at most for each fixed address."""

    __tablename__ = "floating_ips"
    __table_args__ = (sa.UniqueConstraint("port_id", "fixed_ip_address"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    description: Mapped[str] = mapped_column(Name, default="")
    network_id: Mapped[str] = mapped_column(sa.ForeignKey("networks.id"), index=True)  # the external one
    address: Mapped[str] = mapped_column(sa.String(64))
    external_port_id: Mapped[str] = mapped_column(sa.ForeignKey("ports.id"), unique=True)  # holds the address
    port_id: Mapped[str | None] = mapped_column(sa.ForeignKey("ports.id"), index=True)
    fixed_ip_address: Mapped[str | None] = mapped_column(sa.String(64))
    router_id: Mapped[str | None] = mapped_column(sa.ForeignKey("routers.id"), index=True)
    qos_policy_id: Mapped[str | None] = mapped_column(sa.ForeignKey("qos_policies.id"), index=True)
    status: Mapped[str] = mapped_column(sa.String(16), default="DOWN")
    dns_name: Mapped[str] = mapped_column(sa.String(63), default="")
    dns_domain: Mapped[str] = mapped_column(Name, default="")
    revision_number: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PortForwarding(Base):
    """A port of a floating address that leads to a port of a fixed one, or a range of them.

    The constraints hold for the first ports; that ranges are apart is checked while floating IP and port are held.
    """

    __tablename__ = "port_forwardings"
    __table_args__ = (
        sa.UniqueConstraint("floating_ip_id", "protocol", "external_port"),
        sa.UniqueConstraint("internal_port_id", "internal_ip_address", "protocol", "internal_port"),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    floating_ip_id: Mapped[str] = mapped_column(sa.ForeignKey("floating_ips.id", ondelete="CASCADE"), index=True)
    protocol: Mapped[str] = mapped_column(sa.String(16))
    external_port: Mapped[int]  # the first
    external_port_last: Mapped[int | None]  # None: it is no range
    internal_port_id: Mapped[str] = mapped_column(sa.ForeignKey("ports.id", ondelete="CASCADE"), index=True)
    internal_ip_address: Mapped[str] = mapped_column(sa.String(64))
    internal_port: Mapped[int]  # the first
    internal_port_last: Mapped[int | None]  # None: it is no range, all external ports lead to the one
    description: Mapped[str] = mapped_column(Name, default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
