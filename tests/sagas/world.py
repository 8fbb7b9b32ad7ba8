"""A database, an engine and nodes that obey commands at once: what the saga harness runs sagas in.

The nodes are the smallest thing that keeps the agent's promises (idempotent, epochs, reports); the real agent has tests
of its own and the whole-cloud fixture puts it together with the scheduler.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.clock import ManualClock
from common.config import ComputeConfig, Config, DatabaseConfig
from common.context import RequestContext
from common.db import (
    audit,
    device_operations,
    instances,
    node_life,
    nodes,
    ports,
    quotas,
    remains,
    resizes,
    server_migrations,
    soft_deletion,
)
from common.db.base import Base
from common.db.models import Allocation, Image, Instance, Network, Node, Operation, Port, QuotaUsage, Subnet
from common.db.server_migrations import MigrationType
from common.db.session import Database
from common.deadlines import NODE_DOWN_S
from common.ids import new_id, new_request_id
from common.placement.view import NodeViews
from common.rpc.backup_commands import BackupCommand, EnsureBackupAbsent, StoreBackup
from common.rpc.compute_v1 import (
    Command,
    DeviceCommand,
    DiscardSnapshot,
    EnsureAbsent,
    EnsureInstance,
    EnsurePaused,
    EnsureRunning,
    EnsureSaved,
    EnsureStopped,
    PlugPort,
    PowerState,
    RebootInstance,
    RebuildInstance,
    Report,
    ReportKind,
    ResizeInstance,
    SnapshotInstance,
    UploadSnapshot,
    WantedPower,
)
from common.rpc.disks_v1 import DiscardKeptDisks, RestoreKeptDisks
from common.rpc.volume_commands import (
    CopyVolume,
    DiscardVolumeCopy,
    DiscardVolumeFile,
    EnsureVolume,
    EnsureVolumeAbsent,
    EnsureVolumeSnapshotAbsent,
    ExportVolume,
    PlugVolume,
    SnapshotVolume,
    TakeOverVolume,
    VolumeCommand,
    WithdrawExport,
)
from common.saga.engine import Engine
from common.saga.model import Saga
from common.states import ACTIONS, OPEN_OPERATION_STATES, Action, VmState
from scheduler.sagas import SAGAS

_REMOVALS = (EnsureAbsent, EnsureVolumeAbsent, EnsureVolumeSnapshotAbsent, EnsureBackupAbsent, DiscardVolumeFile)
PROJECT, USER = "a" * 32, "b" * 32
#: what brings an active server into a state
LEADS_THERE = {
    VmState.STOPPED: Action.STOP,
    VmState.PAUSED: Action.PAUSE,
    VmState.SUSPENDED: Action.SUSPEND,
    VmState.SHELVED: Action.SHELVE,
    VmState.RESIZED: Action.RESIZE,
    VmState.RESCUED: Action.RESCUE,
    VmState.SOFT_DELETED: Action.SOFT_DELETE,
}
LIMITS = {"instances": 10, "cores": 20, "ram": 9999}
BIGGER = {"id": "2", "name": "g", "vcpus": 2, "memory_mib": 256, "root_gib": 2}
RESCUE_DISK = {"kind": "disk", "bus": "", "first": True}


@dataclass
class SimNode:
    """domains: instance id -> (epoch, power). fail: how many commands to fail, and how."""

    name: str
    domains: dict[str, tuple[int, PowerState]] = field(default_factory=dict)
    volumes: set[str] = field(default_factory=set)
    taken_over: set[tuple[str, str]] = field(default_factory=set)  # volumes' files from elsewhere, with their format
    snapshots: set[str] = field(default_factory=set)
    backups: set[str] = field(default_factory=set)  # locations
    copies: set[str] = field(default_factory=set)
    exports: dict[str, str] = field(default_factory=dict)  # export id: the node it is for
    #: by instance id, then device id: the generation of the last command about it, and whether it is plugged in
    devices: dict[str, dict[str, tuple[int, bool]]] = field(default_factory=dict)
    fail: int = 0
    fail_absent: bool = False
    fail_step: str = ""  # only commands of this step
    fails_only: type | None = None  # the one kind of command that fails; None: of any kind
    retry_elsewhere: bool = False
    dead: bool = False
    commands: list[Command] = field(default_factory=list)

    def obey(self, command: Command) -> Report | None:
        self.commands.append(command)
        if self.dead:
            return None
        may_fail = self.fails_only is None or isinstance(command, self.fails_only)
        may_fail = may_fail and self.fail_step in ("", command.step)
        if self.fail and may_fail and (self.fail_absent or not isinstance(command, _REMOVALS)):
            self.fail -= 1
            return self.report(
                command,
                ReportKind.FAILED,
                code="hypervisor_error",
                message="it broke",
                retry_elsewhere=self.retry_elsewhere,
                absent=not self.fail_absent,
            )
        power = PowerState.UNKNOWN
        if isinstance(command, VolumeCommand):
            self._obey_volume(command)
        elif isinstance(command, BackupCommand):
            self._obey_backup(command)
        elif isinstance(command, EnsureAbsent):
            epoch, _ = self.domains.get(command.instance_id, (0, power))
            if epoch <= command.epoch:
                self.domains.pop(command.instance_id, None)
                self.devices.pop(command.instance_id, None)
            power = PowerState.ABSENT
        elif isinstance(command, DeviceCommand):
            _, power = self.domains.get(command.instance_id, (0, PowerState.ABSENT))
            devices = self.devices.setdefault(command.instance_id, {})
            if devices.get(command.device_id, (0, False))[0] <= command.generation:
                devices[command.device_id] = (command.generation, isinstance(command, PlugPort | PlugVolume))
        elif isinstance(command, RestoreKeptDisks):
            self.domains.pop(command.instance_id, None)
        elif isinstance(command, SnapshotInstance | UploadSnapshot | DiscardSnapshot | DiscardKeptDisks):
            _, power = self.domains.get(command.instance_id, (0, PowerState.ABSENT))
        elif isinstance(command, EnsurePaused):
            power = PowerState.PAUSED if command.paused else PowerState.RUNNING
            self.domains[command.instance_id] = (command.epoch, power)
        elif isinstance(command, EnsureStopped | EnsureSaved):
            power = PowerState.SHUTDOWN
            self.domains[command.instance_id] = (command.epoch, power)
        elif isinstance(command, EnsureInstance | EnsureRunning | RebootInstance | RebuildInstance | ResizeInstance):
            told = isinstance(command, EnsureInstance | RebuildInstance | ResizeInstance)
            stopped = told and command.power == WantedPower.STOPPED
            power = PowerState.SHUTDOWN if stopped else PowerState.RUNNING
            if isinstance(command, EnsureInstance):
                disks = {disk.id: (command.generation, True) for disk in command.spec.volumes}
                self.devices[command.instance_id] = self.devices.get(command.instance_id, {}) | disks
            self.domains[command.instance_id] = (command.epoch, power)
        return self.report(command, ReportKind.DONE, power=power, absent=power == PowerState.ABSENT)

    def _obey_volume(self, command: VolumeCommand) -> None:
        match command:
            case EnsureVolume():
                self.volumes.add(command.volume_id)
            case TakeOverVolume():
                self.taken_over.add((command.volume_id, command.disk_format))
            case DiscardVolumeFile():
                self.exports.pop(command.export_id, None)
                self._discard(command)
            case EnsureVolumeAbsent():
                self.volumes.discard(command.volume_id)
                self.taken_over = {each for each in self.taken_over if each[0] != command.volume_id}
            case SnapshotVolume():
                self.snapshots.add(command.snapshot_id)
            case ExportVolume():
                self.exports[command.export.id] = command.client_name
            case WithdrawExport():
                self.exports.pop(command.export_id, None)
            case EnsureVolumeSnapshotAbsent():
                self.snapshots.discard(command.snapshot_id)
            case CopyVolume():
                self.copies.add(command.backup_id)
            case DiscardVolumeCopy():
                self.copies.discard(command.image_id)

    def _discard(self, command: DiscardVolumeFile) -> None:
        self.taken_over.discard((command.volume_id, command.disk_format))
        if not command.taken_over:
            self.volumes.discard(command.volume_id)

    def _obey_backup(self, command: BackupCommand) -> None:
        match command:
            case StoreBackup():
                self.backups.add(command.location)
                self.copies.discard(command.backup_id)
            case EnsureBackupAbsent():
                self.backups.discard(command.location)
                self.copies.discard(command.backup_id)

    def report(self, command: Command, kind: ReportKind, **more: Any) -> Report:
        return Report(
            id=new_id(),
            kind=kind,
            node=self.name,
            command_id=command.id,
            operation_id=command.operation_id,
            step=command.step,
            request_id=command.request_id,
            instance_id=command.instance_id,
            epoch=command.epoch,
            generation=command.generation,
            **more,
        )


class RecordingBus:
    """Where the engine's commands go; `duplicate` delivers each twice."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Command]] = []
        self.duplicate = False

    def send_command(self, node: str, command: Command) -> None:
        self.sent += [(node, command)] * (2 if self.duplicate else 1)


@cache
def _empty_tables() -> bytes:
    """A SQLite file with all tables: made once, since hundreds of worlds begin with it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.sqlite"
        database = Database(DatabaseConfig(url=f"sqlite:///{file}"))
        Base.metadata.create_all(database.engine)
        database.close()
        return file.read_bytes()


class World:
    def __init__(self, folder: Path, sagas: dict[str, Saga] | None = None, node_count: int = 2, url: str = "") -> None:
        self.clock = ManualClock()
        if url:
            self.db = Database(DatabaseConfig(url=url), self.clock)
            Base.metadata.create_all(self.db.engine)
        else:
            (folder / "world.sqlite").write_bytes(_empty_tables())
            self.db = Database(DatabaseConfig(url=f"sqlite:///{folder}/world.sqlite"), self.clock)
        self.config = Config(compute=ComputeConfig(shelved_offload_time_s=-1))
        self.bus = RecordingBus()
        self.sagas = sagas or SAGAS
        self.nodes = {f"n{i}": SimNode(f"n{i}") for i in range(1, node_count + 1)}
        self.rng = random.Random(1)
        with self.db.write() as session:
            for name in self.nodes:
                node = nodes.enrol(
                    session,
                    node_id=new_id(),
                    name=name,
                    address="",
                    secret_hash="",
                    config=self.config.scheduler,
                    now=self.clock.now(),
                )
                node.vcpus, node.memory_mib, node.disk_gib = 4, 8192, 100
            network = Network(
                id=new_id(), project_id=PROJECT, name="net", created_at=self.clock.now(), updated_at=self.clock.now()
            )
            session.add(network)
            session.flush()
            quotas.count(session, PROJECT, {"network": 1, "subnet": 1})
            session.add(
                Subnet(
                    id=new_id(),
                    network_id=network.id,
                    project_id=PROJECT,
                    ip_version=4,
                    cidr="10.0.0.0/24",
                    gateway_ip="10.0.0.1",
                    allocation_pools=[{"start": "10.0.0.2", "end": "10.0.0.254"}],
                    dns_nameservers=[],
                    host_routes=[],
                    created_at=self.clock.now(),
                    updated_at=self.clock.now(),
                )
            )
            self.network_id = network.id
        self.beat()
        self.engine = self.make_engine("worker-1")

    def make_engine(self, owner: str) -> Engine:
        return Engine(
            db=self.db,
            bus=self.bus,
            clock=self.clock,
            config=self.config,
            sagas=self.sagas,  # type: ignore[arg-type]
            placement=NodeViews(full_refresh_s=0.0),
            owner=owner,
        )

    def beat(self) -> None:
        """All living nodes have just been heard of."""
        with self.db.write() as session:
            for name, sim in self.nodes.items():
                node = nodes.by_name(session, name)
                assert node is not None
                if not sim.dead:
                    nodes.heartbeat(
                        session,
                        node,
                        address="",
                        boot_id="b",
                        domains=0,
                        network_applied=0,
                        now=self.clock.now(),
                        inventory={
                            "vcpus": 4,
                            "memory_mib": 8192,
                            "disk_gib": 100,
                            "volume_backends": ["files", "nbd", "rbd"],
                            "nbd_address": f"{name}.example",
                            "backups": "directory",
                        },
                    )

    def cut_off(self, name: str) -> bool:
        """What the scheduler's look at the nodes does; False for a node that is not silent for long enough."""
        with self.db.write() as session:
            node = nodes.by_name(session, name)
            assert node is not None
            return bool(node_life.cut_off(session, [node.id], self.clock.now()))

    def context(self) -> RequestContext:
        return RequestContext(
            request_id=new_request_id(), user_id=USER, project_id=PROJECT, roles=frozenset({"member"})
        )

    def new_instance(self, **changes: Any) -> str:
        """An instance as the API leaves it before its first action: quota taken, one port, BUILD."""
        now = self.clock.now()
        flavor = {"id": "1", "name": "f", "vcpus": 1, "memory_mib": 128, "root_gib": 1}
        image = {
            "id": new_id(),
            "sha512": "0" * 128,
            "size_bytes": 1,
            "disk_format": "qcow2",
            "virtual_size_bytes": 1,
            "properties": {},
        }
        with self.db.write() as session:
            quotas.take(session, PROJECT, {"instances": 1, "cores": 1, "ram": 128}, LIMITS)
            values: dict[str, Any] = {
                "id": new_id(),
                "project_id": PROJECT,
                "user_id": USER,
                "name": "i",
                "hostname": "i",
                "vm_state": VmState.BUILDING,
                "flavor_id": "1",
                "flavor": flavor,
                "image_id": image["id"],
                "image": image,
                "created_at": now,
                "updated_at": now,
            }
            instance = Instance(**{**values, **changes})
            session.add(instance)
            session.flush()
            self._new_port(session, instance.id, order=0)
            return instance.id

    def _new_port(self, session: Session, instance_id: str, order: int) -> None:
        new = ports.NewPort(
            id=new_id(),
            network_id=self.network_id,
            project_id=PROJECT,
            device_id=instance_id,
            device_owner="compute:nova",
            security_groups=(),
            delete_with_instance=True,
            nic_order=order,
        )
        quota = {"port": 100, "security_group": 100, "security_group_rule": 1000}
        ports.create(session, new, self.clock.now(), mac_prefix="fa:16:3e", quota=quota)

    def begin(self, instance_id: str, action: Action, **params: Any) -> str:
        with self.db.write() as session:
            if action == Action.ATTACH_INTERFACE:
                self._new_port(session, instance_id, order=1)
            if action in (Action.ATTACH_INTERFACE, Action.DETACH_INTERFACE):
                port = ports.for_instance(session, instance_id)[-1]
                return device_operations.begin(
                    session, instances.get(session, instance_id), action, port.id, self.context(), self.clock.now(),
                    {"mac_address": port.mac_address},
                )  # fmt: skip
            if action in (Action.CREATE_IMAGE, Action.CREATE_BACKUP, Action.SHELVE, Action.RESIZE, Action.MIGRATE):
                params = {"image_id": self._image(session)} | params
            return self._begin(session, instances.get(session, instance_id), action, params).id

    def _begin(self, session: Session, instance: Instance, action: Action, params: dict[str, Any]) -> Operation:
        """As the API does."""
        now = self.clock.now()
        if action == Action.RESTORE:
            return soft_deletion.restore(session, instance, self.context(), now, LIMITS)
        if action in (Action.RESCUE, Action.UNRESCUE):
            params = {"rescue": instance.rescue or {**RESCUE_DISK, "image": instance.image}} | params
        if action not in (Action.RESIZE, Action.MIGRATE):
            return instances.begin(session, instance, action, self.context(), now, params)
        flavor = params.pop("flavor", BIGGER if action == Action.RESIZE else instance.flavor)
        resizes.take_quota(session, instance, flavor, LIMITS)
        state = VmState(instance.vm_state)
        operation = instances.begin(session, instance, action, self.context(), now, params)
        instances.get(session, instance.id).resize = resizes.asked(flavor, state)
        server_migrations.begin(session, instance, operation, MigrationType.RESIZE, flavor, now)
        return operation

    def _image(self, session: Session) -> str:
        """An image as the API registers it, with the bytes that no node sends here."""
        now = self.clock.now()
        image = Image(
            id=new_id(),
            name="x",
            owner=PROJECT,
            status="active",
            visibility="private",
            disk_format="qcow2",
            container_format="bare",
            size=1,
            virtual_size=1,
            os_hash_value="0" * 128,
            properties={},
            created_at=now,
            updated_at=now,
        )
        session.add(image)
        session.flush()
        return image.id

    def placed_instance(self, state: VmState = VmState.ACTIVE) -> str:
        """An instance that was created on a node and brought to a state, by the sagas themselves."""
        instance_id = self.new_instance()
        self.begin(instance_id, Action.CREATE)
        self.run()
        if state in LEADS_THERE:
            self.begin(instance_id, LEADS_THERE[state])
            self.run()
        assert self.instance(instance_id).vm_state == state
        return instance_id

    def prepared(self, action: Action) -> str:
        """An instance in a state that `action` may start in."""
        if action == Action.CREATE:
            return self.new_instance()
        allowed = ACTIONS[action].allowed
        return self.placed_instance(next(state for state in (VmState.ACTIVE, *LEADS_THERE) if state in allowed))

    def deleted_while_down(self, instance_id: str) -> str:
        """Delete an instance whose node is silent, then let the node be back: the operation that clears up there."""
        node = self.nodes[str(self.instance(instance_id).node_name)]
        node.dead = True
        self.clock.advance(NODE_DOWN_S + 1)
        self.beat()
        self.engine.work(self.begin(instance_id, Action.DELETE))
        assert self.instance(instance_id).deleted
        node.dead = False
        self.beat()
        with self.db.read() as session:
            return session.scalars(sa.select(Operation.id).where(Operation.kind == remains.SAGA)).one()

    def run(self, engine: Engine | None = None, limit: int = 200, patience_s: float = 3600.0) -> None:
        """Work, deliver, wait as time tells, until no operation is open."""
        engine = engine or self.engine
        end = self.clock.now() + timedelta(seconds=patience_s)
        for _ in range(limit):
            self.deliver(engine)
            due = self.due()
            for operation_id in due:
                engine.work(operation_id)
            if self.bus.sent or due:
                continue
            next_at = self.next_due()
            if next_at is None or next_at > end:
                return
            self.clock.advance(max((next_at - self.clock.now()).total_seconds(), 0.001))
            self.beat()
        raise AssertionError("the operations did not come to rest")

    def deliver(self, engine: Engine) -> None:
        sent, self.bus.sent = self.bus.sent, []
        for name, command in sent:
            report = self.nodes[name].obey(command)
            if report is not None:
                engine.deliver(report)

    def due(self) -> list[str]:
        with self.db.read() as session:
            from common.db import operations

            return operations.due(session, self.clock.now(), 100)

    def next_due(self) -> Any:
        with self.db.read() as session:
            rows = session.execute(
                sa.select(Operation.run_at, Operation.lease_until).where(Operation.state.in_(OPEN_OPERATION_STATES))
            ).all()
        times = [max(run_at, lease + timedelta(milliseconds=1)) if lease else run_at for run_at, lease in rows]
        return min(times, default=None)

    def instance(self, instance_id: str) -> Instance:
        with self.db.read() as session:
            return instances.get(session, instance_id, deleted=True)

    def operation(self, operation_id: str) -> Operation:
        with self.db.read() as session:
            found = session.get(Operation, operation_id)
            assert found is not None
            return found

    def claims(self) -> tuple[int, int, int]:
        """Rows of allocations, and vCPUs and memory in use on all nodes together."""
        with self.db.read() as session:
            rows = session.scalar(sa.select(sa.func.count()).select_from(Allocation)) or 0
            vcpus, memory = session.execute(
                sa.select(sa.func.sum(Node.used_vcpus), sa.func.sum(Node.used_memory_mib))
            ).one()
            return rows, vcpus, memory

    def bound_ports(self) -> int:
        with self.db.read() as session:
            return (
                session.scalar(sa.select(sa.func.count()).select_from(Port).where(Port.binding_node_id.is_not(None)))
                or 0
            )

    def differences(self) -> list[Any]:
        """What the product's own audit finds in the database."""
        with self.db.read() as session:
            return audit.differences(session)

    def usage(self) -> dict[str, int]:
        with self.db.read() as session:
            rows = session.execute(
                sa.select(QuotaUsage.resource, QuotaUsage.in_use).where(QuotaUsage.project_id == PROJECT)
            )
            return {row[0]: row[1] for row in rows}

    def guests(self) -> int:
        return sum(len(sim.domains) for sim in self.nodes.values())
