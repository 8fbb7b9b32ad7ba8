"""Recounts what is written down twice: each function is one statement that finds only the rows that do not agree.

The caller gives one snapshot (`Database.snapshot`), so that concurrent writers can't make two true rows look different.
What the nodes hold is compared in api/cumulet/operations/audit.py, with `placed` from here.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import network_rates, volume_moves, volume_snapshots, volumes
from common.db.models import (
    Allocation,
    FloatingIp,
    Instance,
    IpAllocation,
    Keypair,
    Network,
    Node,
    NodePages,
    Operation,
    PinnedCpu,
    Port,
    QuotaUsage,
    RbacPolicy,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    ServerGroup,
    Subnet,
    SubnetPool,
    Trunk,
    Volume,
    VolumeBackup,
    VolumeGroup,
    VolumeSnapshot,
)
from common.hardware.wishes import cpu_text
from common.states import ON_NODE, OPEN_OPERATION_STATES, OperationClass, VmState
from common.volume_capabilities import RBD
from common.volume_states import VolumeStatus

INSTANCE = "instance"  # the purpose of the allocation that every placed instance has
_GIB = 2**30


class Kind(StrEnum):
    NODE_USED = "node_used"
    ALLOCATION = "allocation"
    QUOTA = "quota"
    ADDRESS = "address"
    PORT = "port"
    TASK = "task"
    STATE = "state"
    DOMAIN = "domain"


REMEDIES = {
    Kind.NODE_USED: "cumulet audit resources --repair counts it anew from the allocations",
    Kind.ALLOCATION: "delete the server, or compare its operations (cumulet operation list --resource ID)",
    Kind.QUOTA: "report it with the project's operations: it should not happen",
    Kind.ADDRESS: "delete the port (openstack port delete)",
    Kind.PORT: "delete the port (openstack port delete)",
    Kind.TASK: "openstack server delete, or look at cumulet operation list --resource ID",
    Kind.STATE: "openstack server delete",
    Kind.DOMAIN: "wait for the next heartbeats, which mend it; then look at the node's agent log",
}


@dataclass(frozen=True)
class Difference:
    """id: of the node, project, instance, port or operation that the row is about."""

    kind: Kind
    id: str
    expected: str
    found: str

    @property
    def remedy(self) -> str:
        return REMEDIES[self.kind]


@dataclass(frozen=True)
class Placed:
    """What an instance's row says that a node can confirm. operation_id None and task_state None: it is at rest."""

    id: str
    deleted: bool
    vm_state: str
    task_state: str | None
    operation_id: str | None
    node_name: str | None
    epoch: int
    generation: int


def differences(session: Session) -> list[Difference]:
    """Everything in the database that contradicts itself."""
    return [found for check in CHECKS for found in check(session)]


def placed(session: Session) -> dict[str, Placed]:
    """All living instances, by id."""
    return {row.id: row for row in _placed(session, Instance.deleted.is_(False))}


def placed_by_ids(session: Session, ids: set[str]) -> dict[str, Placed]:
    """These, deleted ones too."""
    return {row.id: row for row in _placed(session, Instance.id.in_(sorted(ids)))} if ids else {}


def _placed(session: Session, condition: sa.ColumnElement[bool]) -> Iterator[Placed]:
    columns = (Instance.id, Instance.deleted, Instance.vm_state, Instance.task_state, Instance.operation_id)
    query = sa.select(*columns, Instance.node_name, Instance.epoch, Instance.generation).where(condition)
    return (Placed(*row) for row in session.execute(query))


def nodes_used(session: Session) -> Iterator[Difference]:
    """nodes.used_* are the sums of the node's allocations."""
    names = ("vcpus", "memory_mib", "disk_gib", "pcpus")
    sums = sa.select(
        Allocation.node_id, *(sa.func.sum(getattr(Allocation, name)).label(name) for name in names)
    ).group_by(Allocation.node_id).subquery()  # fmt: skip
    kept = [getattr(Node, f"used_{name}") for name in names]
    counted = [sa.func.coalesce(sums.c[name], 0) for name in names]
    query = (
        sa.select(Node.name, *counted, *kept)
        .outerjoin(sums, sums.c.node_id == Node.id)
        .where(sa.or_(*(one != other for one, other in zip(counted, kept, strict=True))))
    )
    for name, *numbers in session.execute(query):
        yield Difference(Kind.NODE_USED, name, _amounts(*numbers[:4]), _amounts(*numbers[4:]))


def cells_taken(session: Session) -> Iterator[Difference]:
    """CPUs with an owner and pages in use are those that allocations say; the few of them are added up here."""
    cpus: dict[str, set[int]] = defaultdict(set)
    pages: dict[tuple[str, int, int], int] = defaultdict(int)
    names = {node_id: name for node_id, name in session.execute(sa.select(Node.id, Node.name))}  # noqa: C416
    for node_id, taken in session.execute(
        sa.select(Allocation.node_id, Allocation.cells).where(Allocation.cells.is_not(None))
    ):
        cpus[node_id].update(taken["held"])
        for cell in taken["cells"]:
            pages[node_id, cell["host_cell"], taken["page_kib"]] += cell["pages"]
    owned: dict[str, set[int]] = defaultdict(set)
    for node_id, cpu in session.execute(sa.select(PinnedCpu.node_id, PinnedCpu.cpu)):
        owned[node_id].add(cpu)
    for node_id in sorted({*cpus, *owned}):
        if cpus[node_id] != owned[node_id]:
            one, other = cpu_text(cpus[node_id]) or "none", cpu_text(owned[node_id]) or "none"
            yield Difference(Kind.NODE_USED, names[node_id], f"CPUs {one}", f"CPUs {other}")
    rows = session.execute(sa.select(NodePages.node_id, NodePages.cell, NodePages.size_kib, NodePages.used))
    for node_id, number, size_kib, used in rows:
        if (wanted := pages.get((node_id, number, size_kib), 0)) != used:
            where = f"pages of {size_kib} KiB in cell {number}"
            yield Difference(Kind.NODE_USED, names[node_id], f"{wanted} {where}", f"{used} {where}")


def rates_claimed(session: Session) -> Iterator[Difference]:
    """What is in use of bandwidth and packet rates is what is claimed, and by consumers that are on the node."""
    for name, network, resource, there, used in network_rates.miscounted(session):
        where = f"{resource} on {network}" if network else resource
        yield Difference(Kind.NODE_USED, name, f"{there} of {where}", f"{used} of {where}")
    for consumer_id, node_id in network_rates.ownerless(session):
        yield Difference(Kind.ALLOCATION, consumer_id, "none", f"bandwidth or packet rates on node {node_id}")


def allocations(session: Session) -> Iterator[Difference]:
    """A living instance on a node has exactly one allocation, there, of its flavor's size; a resized one a second.

    Beside them there are only those of open operations that hold what may be left on a silent node of an instance or a
    volume, and those of volumes that are on their way to another place.
    """
    wanted = _wanted_amounts()
    living = sa.select(
        Instance.id, Instance.node_id, Instance.resize, *(value.label(name) for name, value in wanted.items())
    ).where(Instance.deleted.is_(False), Instance.node_id.is_not(None)).subquery()  # fmt: skip
    columns = (living.c.node_id, living.c.vcpus, living.c.memory_mib, living.c.disk_gib)
    vcpus = Allocation.vcpus + Allocation.pcpus  # which of the two is the flavor's and the image's to say
    held = (Allocation.node_id, vcpus, Allocation.memory_mib, Allocation.disk_gib)
    missing = (
        sa.select(living.c.id, *columns, *held)
        .outerjoin(
            Allocation,
            sa.and_(
                Allocation.consumer_id == living.c.id,
                Allocation.node_id == living.c.node_id,
                Allocation.purpose == INSTANCE,
            ),
        )
        .where(
            sa.or_(
                Allocation.consumer_id.is_(None),
                *(one != other for one, other in zip(columns[1:], held[1:], strict=True)),
            )
        )
    )
    for instance_id, *values in session.execute(missing):
        yield Difference(Kind.ALLOCATION, instance_id, _claim(*values[:4]), _claim(*values[4:]))
    stray = (
        sa.select(Allocation.consumer_id, Allocation.purpose, *held)
        .outerjoin(living, living.c.id == Allocation.consumer_id)
        .where(
            Allocation.purpose.not_in((volumes.PURPOSE, volume_snapshots.PURPOSE)),
            ~sa.and_(Allocation.purpose == volume_moves.PURPOSE, _is_moving(Allocation.consumer_id)),
            sa.or_(
                living.c.id.is_(None),
                sa.and_(Allocation.purpose == INSTANCE, Allocation.node_id != living.c.node_id),
                sa.and_(Allocation.purpose != INSTANCE, living.c.resize.is_(None)),
            ),
            ~sa.exists().where(
                Operation.id == Allocation.consumer_id,
                Operation.resource_id == Allocation.node_id,
                Operation.state.in_(OPEN_OPERATION_STATES),
            ),
        )
    )
    for consumer_id, purpose, *values in session.execute(stray):
        yield Difference(Kind.ALLOCATION, consumer_id, "none", f"{_claim(*values)} for {purpose}")


def _is_moving(volume_id: Any) -> sa.ColumnElement[bool]:
    """An operation goes on that may bring the volume to another place."""
    return sa.exists().where(Operation.resource_id == volume_id, Operation.state.in_(OPEN_OPERATION_STATES))


_OF_VOLUME = sa.alias(Volume.__table__)


def volume_allocations(session: Session) -> Iterator[Difference]:
    """A living volume or snapshot on a node has one allocation there, of its size; nothing else has one of its kind.

    One in a Ceph pool has one of nothing: it says which node works on it. A volume that is being extended has that of its
    new size already.
    """
    for model, purpose in ((Volume, volumes.PURPOSE), (VolumeSnapshot, volume_snapshots.PURPOSE)):
        its_volume = model.id if model is Volume else VolumeSnapshot.volume_id
        in_pool = sa.exists().where(_OF_VOLUME.c.id == its_volume, _OF_VOLUME.c.backend == RBD)
        living = (
            sa.select(
                model.id, model.node_id, model.status, sa.case((in_pool, 0), else_=model.size_gib).label("size_gib")
            )
            .where(model.deleted.is_(False), model.node_id.is_not(None))
            .subquery()
        )  # fmt: skip
        claims = sa.select(Allocation).where(Allocation.purpose == purpose).subquery()
        query = (
            sa.select(
                sa.func.coalesce(living.c.id, claims.c.consumer_id), living.c.node_id, living.c.size_gib,
                claims.c.node_id, claims.c.disk_gib,
            )
            .select_from(sa.outerjoin(living, claims, claims.c.consumer_id == living.c.id, full=True))
            .where(
                sa.or_(
                    living.c.id.is_(None),
                    claims.c.consumer_id.is_(None),
                    claims.c.node_id != living.c.node_id,
                    sa.and_(claims.c.disk_gib != living.c.size_gib, living.c.status != VolumeStatus.EXTENDING),
                )
            )
        )  # fmt: skip
        for resource_id, node_id, size, claimed_on, claimed in session.execute(query):
            yield Difference(
                Kind.ALLOCATION, resource_id, _claim(node_id, 0, 0, size or 0), _claim(claimed_on, 0, 0, claimed or 0)
            )


def _larger(amount: str) -> sa.ColumnElement[int]:
    """Of the flavor and the one that an unconfirmed resize leads from or to."""
    has, other = Instance.flavor[amount].as_integer(), Instance.resize["flavor"][amount].as_integer()
    return sa.case((other > has, other), else_=has)


def quota_usage(session: Session) -> Iterator[Difference]:
    """Each project's (for keypairs: user's) counters are the counts of its rows."""
    living = sa.and_(Instance.deleted.is_(False), Instance.vm_state != VmState.SOFT_DELETED)
    counted = [
        _count(Instance.project_id, "instances", sa.func.count(), living),
        _count(Instance.project_id, "cores", sa.func.sum(_larger("vcpus")), living),
        _count(Instance.project_id, "ram", sa.func.sum(_larger("memory_mib")), living),
        _count(Network.project_id, "network"),
        _count(Subnet.project_id, "subnet"),
        _count(Port.project_id, "port"),
        _count(SecurityGroup.project_id, "security_group"),
        _count(SecurityGroupRule.project_id, "security_group_rule"),
        _count(ServerGroup.project_id, "server_groups"),
        _count(Router.project_id, "router"),
        _count(FloatingIp.project_id, "floatingip"),
        _count(RbacPolicy.project_id, "rbac_policy"),
        _count(SubnetPool.project_id, "subnetpool"),
        _count(Trunk.project_id, "trunk"),
        *_volume_counts(),
        _count(sa.func.substr(sa.literal("user:") + Keypair.user_id, 1, 64), "key_pairs"),
    ]
    kept = sa.select(
        QuotaUsage.project_id.label("project_id"), QuotaUsage.resource.label("resource"),
        sa.literal(0).label("there"), QuotaUsage.in_use.label("said"),
    )  # fmt: skip
    both = sa.union_all(kept, *counted).subquery()
    there, said = sa.func.sum(both.c.there), sa.func.sum(both.c.said)
    query = (
        sa.select(both.c.project_id, both.c.resource, there, said)
        .group_by(both.c.project_id, both.c.resource)
        .having(there != said)
    )
    for project_id, resource, is_there, is_said in session.execute(query):
        yield Difference(Kind.QUOTA, project_id, f"{resource} {is_there}", f"{resource} {is_said}")


def ports(session: Session) -> Iterator[Difference]:
    """An instance's port is bound where the instance is, at its epoch, and goes when the instance goes.

    A port that a user made and only says it belongs to some server, without being bound, is the user's business.
    """
    query = (
        sa.select(
            Port.id, Port.device_id, Instance.id, Instance.node_id, Instance.epoch, Port.binding_node_id,
            Port.binding_epoch,
        )
        .outerjoin(Instance, sa.and_(Instance.id == Port.device_id, Instance.deleted.is_(False)))
        .where(
            Port.device_owner.like("compute:%"),
            sa.or_(Port.delete_with_instance.is_(True), Port.binding_node_id.is_not(None)),
            sa.or_(
                Instance.id.is_(None),
                sa.func.coalesce(Port.binding_node_id, "") != sa.func.coalesce(Instance.node_id, ""),
                sa.and_(Instance.node_id.is_not(None), Port.binding_epoch != Instance.epoch),
            ),
        )
    )  # fmt: skip
    for port_id, device_id, instance_id, node_id, epoch, bound_to, bound_epoch in session.execute(query):
        if instance_id is None:
            yield Difference(Kind.PORT, port_id, "a living server", f"server {device_id}, which is gone")
        else:
            yield Difference(
                Kind.PORT, port_id, f"node {node_id} epoch {epoch}", f"node {bound_to} epoch {bound_epoch}"
            )


def addresses(session: Session) -> Iterator[Difference]:
    """Each address belongs to a port of the same network, lies in its subnet, and is there once in its network."""
    query = (
        sa.select(
            IpAllocation.ip_address, IpAllocation.port_id, IpAllocation.network_id, IpAllocation.subnet_id,
            Subnet.network_id, Subnet.cidr, Port.network_id,
        )
        .outerjoin(Subnet, Subnet.id == IpAllocation.subnet_id)
        .outerjoin(Port, Port.id == IpAllocation.port_id)
    )  # fmt: skip
    ranges: dict[str, Any] = {}
    seen: dict[tuple[str, Any], str] = {}
    for text, port_id, network_id, subnet_id, subnet_network, cidr, port_network in session.execute(query):
        if port_network is None or cidr is None:
            missing = f"port {port_id}" if port_network is None else f"subnet {subnet_id}"
            yield Difference(Kind.ADDRESS, port_id, missing, f"{text} of none")
            continue
        if not network_id == subnet_network == port_network:
            yield Difference(
                Kind.ADDRESS, port_id, f"{text} in network {port_network}", f"{network_id}, subnet of {subnet_network}"
            )
        reach = ranges.setdefault(cidr, ipaddress.ip_network(cidr))
        address = ipaddress.ip_address(text)
        if address not in reach:
            yield Difference(Kind.ADDRESS, port_id, f"an address in {cidr}", text)
        if (other := seen.setdefault((network_id, address), port_id)) != port_id:
            yield Difference(Kind.ADDRESS, port_id, f"{text} once", f"{text} also of port {other}")


def tasks(session: Session) -> Iterator[Difference]:
    """An instance that is being worked on has the open operation that does it, and the other way round."""
    held = sa.or_(Instance.task_state.is_not(None), Instance.operation_id.is_not(None))
    instances = (
        sa.select(Instance.id, Instance.task_state, Instance.operation_id, Operation.state)
        .outerjoin(Operation, Operation.id == Instance.operation_id)
        .where(
            held,
            sa.or_(
                Instance.deleted.is_(True),
                Instance.task_state.is_(None),
                Operation.id.is_(None),
                Operation.resource_id != Instance.id,
                Operation.state.not_in(OPEN_OPERATION_STATES),
            ),
        )
    )
    for instance_id, task, operation_id, state in session.execute(instances):
        yield Difference(
            Kind.TASK, instance_id, "no task, or an open operation",
            f"task {task} by operation {operation_id} ({state or 'unknown'})",
        )  # fmt: skip
    operations = (
        sa.select(Operation.id, Operation.kind, Operation.state, Instance.id, Instance.deleted)
        .outerjoin(Instance, Instance.id == Operation.resource_id)
        .where(
            Operation.resource_type == "instance",
            Operation.state.in_(OPEN_OPERATION_STATES),
            sa.or_(
                Instance.id.is_(None),
                sa.and_(
                    Operation.operation_class == OperationClass.EXCLUSIVE,
                    sa.or_(Instance.deleted.is_(True), Instance.task_state.is_(None)),
                ),
                sa.and_(
                    Operation.operation_class == OperationClass.PREEMPTING,
                    Instance.deleted.is_(False),
                    Instance.task_state.is_(None),
                ),
            ),
        )
    )
    for operation_id, kind, state, instance_id, deleted in session.execute(operations):
        found = "no server" if instance_id is None else f"server {instance_id} {'deleted' if deleted else 'free'}"
        yield Difference(Kind.TASK, operation_id, "a server that it holds", f"{found} while {kind} is {state}")


def states(session: Session) -> Iterator[Difference]:
    """deleted and vm_state agree; what is being built is being worked on; node id and name are the same node's."""
    gone = Instance.vm_state == VmState.DELETED
    query = (
        sa.select(Instance.id, Instance.vm_state, Instance.deleted, Instance.node_name, Node.name)
        .outerjoin(Node, Node.id == Instance.node_id)
        .where(
            sa.or_(
                Instance.deleted != gone,
                sa.and_(
                    Instance.deleted.is_(False),
                    sa.or_(
                        sa.and_(Instance.vm_state == VmState.BUILDING, Instance.task_state.is_(None)),
                        sa.func.coalesce(Node.name, "") != sa.func.coalesce(Instance.node_name, ""),
                        sa.and_(Instance.vm_state.in_(ON_NODE), Instance.node_id.is_(None)),
                    ),
                ),
            )
        )
    )
    for instance_id, vm_state, deleted, said, name in session.execute(query):
        yield Difference(
            Kind.STATE, instance_id, "a state that fits the rest of the row",
            f"{vm_state}, deleted {deleted}, node {said}, id of node {name}, nothing being done",
        )  # fmt: skip


CHECKS: tuple[Callable[[Session], Iterator[Difference]], ...] = (
    nodes_used, cells_taken, rates_claimed, allocations, volume_allocations, quota_usage, ports, addresses, tasks, states,
)  # fmt: skip


def lock_nodes(session: Session) -> None:
    """Hold every node's row, so that no claim is in between: a statement of its own, the next one sees all claims."""
    session.execute(sa.select(Node.id).order_by(Node.id).with_for_update()).all()


def recount_nodes(session: Session) -> int:
    """Write used_* from the allocations where they differ; how many nodes. Call lock_nodes first."""
    sums = {
        f"used_{name}": sa.select(sa.func.coalesce(sa.func.sum(getattr(Allocation, name)), 0))
        .where(Allocation.node_id == Node.id)
        .scalar_subquery()
        for name in ("vcpus", "memory_mib", "disk_gib", "pcpus")
    }
    done = session.execute(
        sa.update(Node)
        .where(sa.or_(*(getattr(Node, name) != value for name, value in sums.items())))
        .values(**sums, change_seq=sa.select(sa.func.coalesce(sa.func.max(Node.change_seq), 0) + 1).scalar_subquery())
        .execution_options(synchronize_session=False)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


def _wanted_amounts() -> dict[str, sa.ColumnElement[int]]:
    """What an instance claims, as common/placement/request.py adds it up: disk is root, ephemeral and swap in GiB."""
    flavor = Instance.flavor
    root = sa.func.coalesce(flavor["root_gib"].as_integer(), 0)
    image_bytes = sa.cast(sa.func.coalesce(Instance.image["virtual_size_bytes"].as_string(), "0"), sa.BigInteger)
    swap = (sa.func.coalesce(flavor["swap_mib"].as_integer(), 0) + 1023) // 1024
    on_volume = Instance.image["volume_backed"].as_boolean().is_(True)
    disk = sa.case((on_volume, 0), (root > 0, root), else_=(image_bytes + (_GIB - 1)) // _GIB)
    ephemeral = sa.func.coalesce(flavor["ephemeral_gib"].as_integer(), 0)
    return {
        "vcpus": flavor["vcpus"].as_integer(),
        "memory_mib": flavor["memory_mib"].as_integer(),
        "disk_gib": disk + ephemeral + swap,
    }


def _volume_counts() -> list[sa.Select[Any]]:
    """What block storage counts: volumes and snapshots also by the type of the volume."""
    backup_lives = VolumeBackup.deleted.is_(False)
    found = [
        _count(VolumeGroup.project_id, "groups"),
        _count(VolumeBackup.project_id, "backups", condition=backup_lives),
        _count(VolumeBackup.project_id, "backup_gigabytes", sa.func.sum(VolumeBackup.size_gib), backup_lives),
    ]
    kind = Volume.volume_type_id
    of_snapshot = sa.select(kind).where(Volume.id == VolumeSnapshot.volume_id).scalar_subquery()
    for model, name, its_kind in ((Volume, "volumes", kind), (VolumeSnapshot, "snapshots", of_snapshot)):
        lives, size = model.deleted.is_(False), sa.func.sum(model.size_gib)
        found += [_count(model.project_id, name, None, lives), _count(model.project_id, "gigabytes", size, lives)]
        for resource, amount in ((name, None), ("gigabytes", size)):
            of_kind = sa.literal(f"{resource}_") + its_kind
            found.append(_count(model.project_id, of_kind, amount, sa.and_(lives, its_kind.is_not(None)), its_kind))
    return found


def _count(owner: Any, resource: Any, amount: Any = None, condition: Any = None, *by: Any) -> sa.Select[Any]:
    """resource: its name, or an expression of `by`, the columns that it is counted by beside its owner."""
    named = sa.literal(resource) if isinstance(resource, str) else resource
    query = sa.select(
        owner.label("project_id"), named.label("resource"),
        (sa.func.count() if amount is None else amount).label("there"), sa.literal(0).label("said"),
    ).group_by(owner, *by)  # fmt: skip
    return query if condition is None else query.where(condition)


def _amounts(vcpus: int, memory_mib: int, disk_gib: int, pcpus: int = 0) -> str:
    return f"{vcpus} vCPUs, {memory_mib} MiB, {disk_gib} GiB" + (f", {pcpus} CPUs of its own" if pcpus else "")


def _claim(node_id: str | None, *amounts: int) -> str:
    return "none" if node_id is None else f"{_amounts(*amounts)} on node {node_id}"
