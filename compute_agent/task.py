"""A command on its way through the agent, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from common.clock import Clock
from common.ids import new_id
from common.killpoints import reach
from common.rpc.backup_commands import BackupCommand, EnsureBackupAbsent
from common.rpc.compute_v1 import (
    AckReports,
    Command,
    EnsureAbsent,
    LeaseRenewed,
    PowerState,
    Report,
    ReportKind,
    SyncNetwork,
)
from common.rpc.volume_commands import (
    VolumeCommand,
)

NETWORK_LANE = "network"
LOOK_FIRST_S, LOOK_MOST_S = 0.02, 0.2


class Phase(StrEnum):
    """How far a reboot has come; written down before each step, so that a restarted agent doesn't reboot twice."""

    NEW = ""
    ASKED = "asked"  # the power button was pressed; the guest has not been started again
    CUTTING = "cutting"  # power is being cut; the guest has not been started again
    STARTING = "starting"  # it was seen off, and is being started


@dataclass
class Task:
    """One command. resumed: an earlier life of the agent may have begun it. timings_ms: by step, for the report."""

    command: Command
    received_at: datetime
    phase: Phase = Phase.NEW
    phase_at: datetime | None = None
    resumed: bool = False
    pressed_at: float | None = None
    begun_at: float | None = None
    copies_lost: int = 0
    timings_ms: dict[str, float] = field(default_factory=dict)
    pause_s: float = LOOK_FIRST_S / 2

    @property
    def lane(self) -> str:
        """A volume that a server here has is worked on in that server's lane, a backup's objects in one of its own."""
        if isinstance(self.command, BackupCommand):
            return self.command.backup_id
        if isinstance(self.command, VolumeCommand):
            return self.command.instance_id or self.command.volume_id
        return NETWORK_LANE if isinstance(self.command, SyncNetwork) else self.command.instance_id

    @property
    def urgent(self) -> bool:
        """A removal goes before what it makes pointless; of network states the newest makes the others so."""
        return isinstance(self.command, EnsureAbsent | EnsureBackupAbsent | SyncNetwork)

    @property
    def pair(self) -> tuple[int, int]:
        return (self.command.epoch, self.command.generation)

    def look_again(self, left_s: float = LOOK_MOST_S) -> Again:
        """What goes on outside is looked at soon, and after ever longer: who waits for something short waits no longer.

        left_s: until its patience ends.
        """
        self.pause_s = min(2 * self.pause_s, LOOK_MOST_S)
        return Again(min(self.pause_s, left_s))

    @contextmanager
    def measure(self, name: str, clock: Clock) -> Iterator[None]:
        """Add the block's duration to the report's timings."""
        reach("agent", self.command.step, name, "before")
        began = clock.monotonic()
        try:
            yield
        finally:
            took_ms = (clock.monotonic() - began) * 1000
            self.timings_ms[name] = round(self.timings_ms.get(name, 0.0) + took_ms, 3)
        reach("agent", self.command.step, name, "after")


@dataclass(frozen=True)
class Restart:
    """A guest that ran before its host rebooted, and is to run again."""

    instance_id: str


Job = Task | Restart


@dataclass(frozen=True)
class Again:
    """Not over: look at it again in so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What a final report says. code is "" on success; the other fields are as in compute_v1.Report."""

    power: PowerState = PowerState.UNKNOWN
    absent: bool = False
    code: str = ""
    message: str = ""
    detail: str = ""
    retry_elsewhere: bool = False
    objects: int = 0


def final_report(task: Task, outcome: Outcome, node: str) -> Report:
    kind = ReportKind.FAILED if outcome.code else ReportKind.DONE
    return _report(task.command, kind, node, outcome, task.timings_ms)


def accepted_report(command: Command, node: str) -> Report:
    return _report(command, ReportKind.ACCEPTED, node, Outcome(), {})


def _report(command: Command, kind: ReportKind, node: str, outcome: Outcome, timings_ms: dict[str, float]) -> Report:
    assert not isinstance(command, AckReports | LeaseRenewed)  # answered by nothing
    return Report(
        id=new_id(),
        kind=kind,
        node=node,
        command_id=command.id,
        operation_id=command.operation_id,
        step=command.step,
        request_id=command.request_id,
        instance_id=command.instance_id,
        epoch=command.epoch,
        generation=command.generation,
        code=outcome.code,
        message=outcome.message,
        detail=outcome.detail[:4000],
        retry_elsewhere=outcome.retry_elsewhere,
        absent=outcome.absent,
        power=outcome.power,
        timings_ms=timings_ms,
        objects=outcome.objects,
    )
