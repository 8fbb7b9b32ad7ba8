"""Compute: services, nodes, flavors, keypairs, instances, allocations, quota."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name


class Service(Base):
    """A process as `openstack compute service list` shows it: nova-compute for an agent, nova-scheduler."""

    __tablename__ = "services"
    __table_args__ = (sa.UniqueConstraint("binary", "host"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)  # the id before microversion 2.53
    id: Mapped[str] = mapped_column(Id, unique=True)
    binary: Mapped[str] = mapped_column(sa.String(64))
    host: Mapped[str] = mapped_column(Name)
    availability_zone: Mapped[str] = mapped_column(Name, default="internal")
    disabled: Mapped[bool] = mapped_column(default=False)
    disabled_reason: Mapped[str | None] = mapped_column(Name)
    forced_down: Mapped[bool] = mapped_column(default=False)
    last_seen_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Node(Base):
    """A hypervisor host. used_* change only together with a row of `allocations`.

    change_seq rises with every change that placement must see; readers fetch what is newer than they know.
    *_ratio is what holds now: the aggregates' (common/db/aggregates.py), else own_ratios.
    network_wanted rises with every change of a port, rule or network that concerns the node; network_applied is what
    its agent reported. is_compute: it may get instances; is_gateway: it may be the way out for networks with NAT.
    broker_password_hash is RabbitMQ's own form of it, so that a wiped broker gets the node's user back as it was.
    """

    __tablename__ = "nodes"
    __table_args__ = (
        sa.CheckConstraint("used_vcpus >= 0 AND used_memory_mib >= 0 AND used_disk_gib >= 0", name="used_not_negative"),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    service_number: Mapped[int] = mapped_column(sa.ForeignKey("services.number"), unique=True)
    address: Mapped[str] = mapped_column(sa.String(64), default="")
    secret_hash: Mapped[str] = mapped_column(sa.String(64), default="")  # sha256 of the node's image secret
    broker_password_hash: Mapped[str] = mapped_column(sa.String(64), default="")  # "": no user is made for the node
    vcpus: Mapped[int] = mapped_column(default=0)
    memory_mib: Mapped[int] = mapped_column(default=0)
    disk_gib: Mapped[int] = mapped_column(default=0)
    used_vcpus: Mapped[int] = mapped_column(default=0)
    used_memory_mib: Mapped[int] = mapped_column(default=0)
    used_disk_gib: Mapped[int] = mapped_column(default=0)
    pcpus: Mapped[int] = mapped_column(default=0)  # CPUs that guests may have for themselves; not among vcpus
    used_pcpus: Mapped[int] = mapped_column(default=0)
    cpu_ratio: Mapped[float] = mapped_column(default=4.0)
    memory_ratio: Mapped[float] = mapped_column(default=1.0)
    disk_ratio: Mapped[float] = mapped_column(default=1.0)
    own_ratios: Mapped[dict[str, Any]] = mapped_column(default=dict)  # {"cpu", …}: what holds outside of aggregates
    aggregate_properties: Mapped[dict[str, Any] | None] = mapped_column(
        sa.JSON(none_as_null=True)
    )  # {key: [values]} of all its aggregates; None: it is in none
    reserved_memory_mib: Mapped[int] = mapped_column(default=512)
    reserved_disk_gib: Mapped[int] = mapped_column(default=2)
    inventory: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the last compute_v1.Inventory
    domains_seen: Mapped[int] = mapped_column(default=0)
    failed_builds: Mapped[int] = mapped_column(default=0)  # in a row: a build that succeeds begins anew
    boot_id: Mapped[str] = mapped_column(sa.String(64), default="")
    last_heartbeat_at: Mapped[datetime | None]
    cut_off_at: Mapped[datetime | None]  # silent beyond its lease: no peer until it has shown that nothing old is left
    powered_off_at: Mapped[datetime | None]  # an administrator said that it is; until it is heard of again
    is_compute: Mapped[bool] = mapped_column(default=True)
    is_gateway: Mapped[bool] = mapped_column(default=False)
    gateway_lost_at: Mapped[datetime | None]  # silent, and other gateways have taken over; until it is heard of again
    change_seq: Mapped[int] = mapped_column(default=0, index=True)
    network_description: Mapped[str] = mapped_column(Name, default="")  # what the network API's agent is called
    network_wanted: Mapped[int] = mapped_column(default=1)
    network_applied: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class NodeToken(Base):
    """A permission to join as the node of this name: short-lived, used once; only its hash is kept (OPS-03)."""

    __tablename__ = "node_tokens"
    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    node_name: Mapped[str] = mapped_column(Name)
    token_hash: Mapped[str] = mapped_column(sa.String(64))
    is_compute: Mapped[bool] = mapped_column(default=True)
    is_gateway: Mapped[bool] = mapped_column(default=False)
    user_id: Mapped[str] = mapped_column(sa.String(64))  # who made it
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class Flavor(Base):
    __tablename__ = "flavors"
    id: Mapped[str] = mapped_column(Name, primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    description: Mapped[str | None] = mapped_column(sa.Text)
    vcpus: Mapped[int]
    memory_mib: Mapped[int]
    root_gib: Mapped[int] = mapped_column(default=0)
    ephemeral_gib: Mapped[int] = mapped_column(default=0)
    swap_mib: Mapped[int] = mapped_column(default=0)
    rxtx_factor: Mapped[float] = mapped_column(default=1.0)
    is_public: Mapped[bool] = mapped_column(default=True)
    disabled: Mapped[bool] = mapped_column(default=False)
    extra_specs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]


class FlavorAccess(Base):
    __tablename__ = "flavor_access"
    flavor_id: Mapped[str] = mapped_column(sa.ForeignKey("flavors.id", ondelete="CASCADE"), primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)


class Keypair(Base):
    __tablename__ = "keypairs"
    __table_args__ = (sa.UniqueConstraint("user_id", "name"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    user_id: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str] = mapped_column(Name)
    type: Mapped[str] = mapped_column(sa.String(8), default="ssh")
    public_key: Mapped[str] = mapped_column(sa.Text)
    fingerprint: Mapped[str] = mapped_column(sa.String(255))
    created_at: Mapped[datetime]


class Instance(Base):
    """A server. vm_state and task_state move only through common/db/instances.py.

    epoch rises with every move to another node, generation with every transaction that changes what it should be.
    flavor and image are copies of what they were when asked for: {"id", "name", "vcpus", …} and {"id", "sha512", …}.
    """

    __tablename__ = "instances"
    __table_args__ = (
        sa.Index("ix_instances_project_live", "project_id", "deleted", "created_at", "id"),
        sa.Index("ix_instances_live", "deleted", "created_at", "id"),
        sa.Index(
            "ix_instances_shelved",
            "id",
            sqlite_where=sa.text("vm_state = 'shelved'"),
            postgresql_where=sa.text("vm_state = 'shelved'"),
        ),
        sa.Index(
            "ix_instances_passing",
            "id",
            sqlite_where=sa.text("vm_state IN ('resized', 'soft-delete')"),
            postgresql_where=sa.text("vm_state IN ('resized', 'soft-delete')"),
        ),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64))
    user_id: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(Name)
    hostname: Mapped[str] = mapped_column(Name)
    vm_state: Mapped[str] = mapped_column(sa.String(32))
    task_state: Mapped[str | None] = mapped_column(sa.String(32))
    operation_id: Mapped[str | None] = mapped_column(Id)  # the exclusive operation that holds task_state
    power_state: Mapped[int] = mapped_column(default=0)
    power_state_at: Mapped[datetime | None]
    node_id: Mapped[str | None] = mapped_column(sa.ForeignKey("nodes.id"), index=True)
    node_name: Mapped[str | None] = mapped_column(Name)
    epoch: Mapped[int] = mapped_column(default=0)
    generation: Mapped[int] = mapped_column(default=1)
    flavor_id: Mapped[str] = mapped_column(Name)
    flavor: Mapped[dict[str, Any]]
    local_disks: Mapped[dict[str, Any] | None] = mapped_column(
        sa.JSON(none_as_null=True)
    )  # {"ephemeral_gib": [sizes], "swap_mib"}: as the request divided what the flavor has; None: as the flavor
    image_id: Mapped[str | None] = mapped_column(Id)
    image: Mapped[dict[str, Any]] = mapped_column(default=dict)
    key_name: Mapped[str | None] = mapped_column(Name)
    public_key: Mapped[str | None] = mapped_column(sa.Text)
    user_data: Mapped[str | None] = mapped_column(sa.Text)  # base64
    config_drive: Mapped[bool] = mapped_column(default=False)
    injected_files: Mapped[list[Any]] = mapped_column(
        default=list, server_default="[]"
    )  # [{"path", "contents" in base64}]; on the config drive
    properties: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the API's server metadata
    tags: Mapped[list[Any]] = mapped_column(default=list)
    availability_zone: Mapped[str | None] = mapped_column(Name)
    scheduler_hints: Mapped[dict[str, Any]] = mapped_column(default=dict)
    shelved: Mapped[dict[str, Any] | None] = mapped_column(
        sa.JSON(none_as_null=True)
    )  # {"image_id", "image", "at"}: what it is made from when it is unshelved, until then
    resize: Mapped[dict[str, Any] | None] = mapped_column(
        sa.JSON(none_as_null=True)
    )  # what a resize that is not confirmed is to lead to, or has led from (common/db/resizes.py)
    rescue: Mapped[dict[str, Any] | None] = mapped_column(
        sa.JSON(none_as_null=True)
    )  # {"image", "kind", "bus", "first"}: what it is booted from instead of its own disk, until it is unrescued
    soft_deleted_at: Mapped[datetime | None]
    disk_config: Mapped[str] = mapped_column(sa.String(8), default="MANUAL")
    access_ip_v4: Mapped[str] = mapped_column(sa.String(64), default="")
    access_ip_v6: Mapped[str] = mapped_column(sa.String(64), default="")
    locked: Mapped[bool] = mapped_column(default=False)
    locked_by: Mapped[str | None] = mapped_column(sa.String(8))  # admin or owner: an owner can't undo an admin's lock
    locked_reason: Mapped[str | None] = mapped_column(Name)
    progress: Mapped[int] = mapped_column(default=0)
    reservation_id: Mapped[str] = mapped_column(sa.String(16), default="")
    launch_index: Mapped[int] = mapped_column(default=0)
    fault: Mapped[dict[str, Any] | None] = mapped_column(
        sa.JSON(none_as_null=True)
    )  # {"code", "message", "detail", "at"}
    deleted: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    launched_at: Mapped[datetime | None]
    terminated_at: Mapped[datetime | None]


class ServerMigration(Base):
    """A resize or migration of a server, as os-migrations shows it. status and type are Nova's words."""

    __tablename__ = "server_migrations"
    __table_args__ = (sa.Index("ix_server_migrations_instance", "instance_id", "number"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)  # the API's id
    id: Mapped[str] = mapped_column(Id, unique=True)  # the API's uuid: the operation that made it
    instance_id: Mapped[str] = mapped_column(Id)
    project_id: Mapped[str] = mapped_column(sa.String(64))
    user_id: Mapped[str] = mapped_column(sa.String(64))
    type: Mapped[str] = mapped_column(sa.String(16))  # resize, migration
    status: Mapped[str] = mapped_column(sa.String(16))
    source_node: Mapped[str | None] = mapped_column(Name)
    target_node: Mapped[str | None] = mapped_column(Name)
    old_flavor_id: Mapped[str] = mapped_column(Name)
    new_flavor_id: Mapped[str] = mapped_column(Name)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Allocation(Base):
    """What a consumer has claimed on a node; a resize holds two, told apart by purpose."""

    __tablename__ = "allocations"
    consumer_id: Mapped[str] = mapped_column(Id, primary_key=True)
    node_id: Mapped[str] = mapped_column(sa.ForeignKey("nodes.id"), primary_key=True, index=True)
    purpose: Mapped[str] = mapped_column(sa.String(16), primary_key=True, default="instance")
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    user_id: Mapped[str] = mapped_column(sa.String(64), default="")
    vcpus: Mapped[int]
    memory_mib: Mapped[int]
    disk_gib: Mapped[int]
    pcpus: Mapped[int] = mapped_column(default=0)
    cells: Mapped[dict[str, Any] | None] = mapped_column(
        sa.JSON(none_as_null=True)
    )  # what it has of the node's NUMA cells (common/db/node_cells.py); None: it may be anywhere
    created_at: Mapped[datetime]


class QuotaLimit(Base):
    """A limit set for one project; where there is none, the configured default holds."""

    __tablename__ = "quota_limits"
    project_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    resource: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    limit: Mapped[int]


class UserQuotaLimit(Base):
    """A limit set for one user within a project; where there is none, the project's holds."""

    __tablename__ = "user_quota_limits"
    project_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    resource: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    limit: Mapped[int]


class QuotaUsage(Base):
    """Changed only by common/db/quotas.py, in the transaction that inserts or deletes what is counted."""

    __tablename__ = "quota_usage"
    __table_args__ = (sa.CheckConstraint("in_use >= 0", name="in_use_not_negative"),)
    project_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    resource: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    in_use: Mapped[int] = mapped_column(default=0)
