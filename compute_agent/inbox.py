"""Commands as they arrive: decoded, written down, then acknowledged to the broker; never the other way round.

A command that was written down is worked on until it has a result, however often the agent is killed meanwhile. Its id
makes repetitions harmless: one with a result is answered with that result, one in progress with a second "accepted".
What is no valid command raises, so that the bus dead-letters it.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from common import log
from common.clock import Clock
from common.errors import InvalidRequest
from common.ids import is_uuid
from common.killpoints import reach
from common.rpc import compute_v1
from common.rpc.compute_v1 import (
    AckReports,
    Command,
    DeviceCommand,
    EnsureInstance,
    EnsureRunning,
    LeaseRenewed,
    PlugPort,
    RebootInstance,
    RebuildInstance,
    SyncNetwork,
)
from common.rpc.volume_commands import (
    PlugVolume,
    UnplugVolume,
    VolumeCommand,
)
from compute_agent import durable
from compute_agent.outbox import Outbox
from compute_agent.task import Phase, Task, accepted_report

logger = logging.getLogger(__name__)
_DEVICE = re.compile(r"[a-z]{3,6}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")


class _Written(msgspec.Struct, frozen=True, kw_only=True):
    command: Command
    received_at: datetime
    phase: Phase = Phase.NEW
    phase_at: datetime | None = None


class Inbox:
    """`submit` queues a task for work. `handle` is called by one thread, the rest by any."""

    def __init__(
        self, state_dir: Path, *, node: str, clock: Clock, outbox: Outbox, submit: Callable[[Task], None],
        on_lease: Callable[[LeaseRenewed], None],
    ) -> None:  # fmt: skip
        self._folder = durable.make_folder(state_dir / "inbox")
        self._node = node
        self._clock = clock
        self._outbox = outbox
        self._submit = submit
        self._on_lease = on_lease
        self._lock = threading.Lock()
        self._open: set[str] = set()

    def handle(self, body: bytes) -> None:
        """Take one message. When this returns, the broker may forget it.

        Raises msgspec.ValidationError, msgspec.DecodeError or InvalidRequest for what is no command, OSError when it
        can't be written down.
        """
        command = compute_v1.decode_command(body)
        check(command)
        if isinstance(command, AckReports):
            self._outbox.acknowledge(command.report_ids)
            return
        if isinstance(command, LeaseRenewed):
            self._on_lease(command)
            return
        with log.bind(request_id=command.request_id, operation_id=command.operation_id, command_id=command.id):
            if self._repeated(command):
                return
            task = Task(command, self._clock.now())
            reach("agent", command.step, "received")
            self._write(task)
            reach("agent", command.step, "written")
            with self._lock:
                self._open.add(command.id)
            log.event(
                logger, "command.accepted", kind=_kind(command), instance_id=command.instance_id,
                epoch=command.epoch, generation=command.generation,
            )  # fmt: skip
            self._outbox.hold(accepted_report(command, self._node))
            self._submit(task)
            reach("agent", command.step, "submitted")

    def unfinished(self) -> list[Task]:
        """Commands written down in an earlier life that have no result yet, in the order they came. For the start."""
        found = sorted(durable.read_all(self._folder, _Written), key=lambda written: written.received_at)
        tasks = []
        for written in found:
            if self._outbox.repeat(written.command.id):  # killed between the report and the removal of the command
                self._path(written.command.id).unlink(missing_ok=True)
                continue
            with self._lock:
                self._open.add(written.command.id)
            task = Task(written.command, written.received_at, written.phase, written.phase_at, resumed=True)
            tasks.append(task)
        return tasks

    def note_phase(self, task: Task, phase: Phase) -> None:
        """Write down how far a task has come, before it goes further. Raises OSError."""
        reach("agent", task.command.step, f"phase_{phase}", "before")
        task.phase, task.phase_at = phase, self._clock.now()
        self._write(task)
        reach("agent", task.command.step, f"phase_{phase}", "after")

    def close(self, task: Task) -> None:
        """The task's final report is in the outbox: the command itself is no longer needed."""
        self._path(task.command.id).unlink(missing_ok=True)
        with self._lock:
            self._open.discard(task.command.id)

    def _repeated(self, command: Command) -> bool:
        """Answer a command that is known. In progress first: a command leaves that set after its report is kept."""
        with self._lock:
            in_progress = command.id in self._open
        if in_progress:
            self._outbox.post(accepted_report(command, self._node))
            return True
        return self._outbox.repeat(command.id)

    def _write(self, task: Task) -> None:
        written = _Written(command=task.command, received_at=task.received_at, phase=task.phase, phase_at=task.phase_at)
        durable.write(self._path(task.command.id), msgspec.json.encode(written))

    def _path(self, command_id: str) -> Path:
        return self._folder / f"{command_id}{durable.SUFFIX}"


def check(command: Command) -> None:
    """What the types can't say: ids that may become file names, a deadline that can be compared, one instance only.

    Raises InvalidRequest.
    """
    if not _FILE_NAME.fullmatch(command.id):
        raise InvalidRequest(f"command id {command.id[:200]!r} is not an id")
    if command.deadline.tzinfo is None:
        raise InvalidRequest(f"command {command.id} has a deadline without time zone")
    if isinstance(command, AckReports | LeaseRenewed):
        return
    if isinstance(command, SyncNetwork):
        if command.generation != command.state.version:
            raise InvalidRequest(f"command {command.id}: generation and version of the network state differ")
        return
    if isinstance(command, VolumeCommand):
        _check_volume(command)
        return
    if not _is_id(command.instance_id):
        raise InvalidRequest(f"command {command.id}: {command.instance_id[:200]!r} is not an instance id")
    if isinstance(command, EnsureInstance | EnsureRunning | RebootInstance | RebuildInstance):
        named = {command.spec.id, *(port.instance_id for port in command.spec.ports)}
        if named != {command.instance_id}:
            raise InvalidRequest(f"command {command.id} for instance {command.instance_id} has the spec of another")
    if isinstance(command, DeviceCommand):
        _check_device(command)


def _check_device(command: DeviceCommand) -> None:
    """What is plugged in is what the command says it is about."""
    told = command.device_id
    match command:
        case PlugPort():
            told = command.port.id if command.port.instance_id == command.instance_id else ""
        case PlugVolume():
            told = command.volume.id if _DEVICE.fullmatch(command.volume.device) else ""
        case UnplugVolume():
            told = command.device_id if _DEVICE.fullmatch(command.device) else ""
    if told != command.device_id or not _is_id(told):
        raise InvalidRequest(f"command {command.id} for device {command.device_id[:80]} has the spec of another")


def _check_volume(command: VolumeCommand) -> None:
    if not _is_id(command.volume_id) or not (command.instance_id == "" or _is_id(command.instance_id)):
        raise InvalidRequest(
            f"command {command.id}: {command.volume_id[:200]!r} is not a volume id, or its server none"
        )
    if command.device and not _DEVICE.fullmatch(command.device):
        raise InvalidRequest(f"command {command.id}: {command.device[:80]!r} is not a device")


def _is_id(text: str) -> bool:
    return is_uuid(text) and len(text) == 36 and text.lower() == text


def _kind(command: Command) -> str:
    return str(command.__struct_config__.tag)
