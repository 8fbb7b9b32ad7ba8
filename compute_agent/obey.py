"""From a task to its final report: is it in time, is it in order, do it, keep the result.

Whatever a verb raises becomes a FAILED report with a stable code; nothing is lost and no worker dies of it.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from common import log
from common.clock import Clock
from common.errors import CloudError, CommandExpired, ConfigError, InvalidRequest, NotFound, StaleCommand
from common.killpoints import reach
from common.rpc.backup_commands import BackupCommand, EnsureBackupAbsent
from common.rpc.compute_v1 import (
    AckReports,
    Command,
    DeviceCommand,
    DiscardSnapshot,
    EnsureAbsent,
    EnsureInstance,
    EnsurePaused,
    EnsureRunning,
    EnsureSaved,
    EnsureStopped,
    LeaseRenewed,
    RebootInstance,
    RebuildInstance,
    ResizeInstance,
    SnapshotInstance,
    SyncNetwork,
    UploadSnapshot,
)
from common.rpc.disks_v1 import DiscardKeptDisks, RestoreKeptDisks
from common.rpc.volume_commands import (
    EnsureVolume,
    EnsureVolumeAbsent,
    VolumeCommand,
)
from compute_agent.backups.verbs import Backups
from compute_agent.devices import Devices
from compute_agent.held_memory import HeldMemory
from compute_agent.hypervisor.base import DomainState, Hypervisor
from compute_agent.inbox import Inbox
from compute_agent.instances import CreationUndone, Instances, Interrupted
from compute_agent.metrics import Metrics
from compute_agent.networking.base import Networking
from compute_agent.ordering import Verdict, judge
from compute_agent.outbox import Outbox
from compute_agent.power import Power
from compute_agent.snapshots import Snapshots
from compute_agent.specs import Specs
from compute_agent.task import Again, Outcome, Phase, Task, final_report
from compute_agent.volumes.verbs import Volumes

logger = logging.getLogger(__name__)
_SETTLED_SLACK_S = 120.0  # clocks of scheduler and node may differ by so much
_DISK_PAUSE_S = 1.0
_REMOVALS = (EnsureAbsent, EnsureVolumeAbsent, EnsureBackupAbsent)
_SAME_EVERYWHERE = (InvalidRequest, ConfigError, NotFound, StaleCommand, CommandExpired)


class CreationInterrupted(CloudError):
    """The agent died after it had taken a failed creation back and before it could say why it had failed."""

    code = "creation_interrupted"


class Obey:
    """`run` is what the lanes' workers call."""

    def __init__(
        self,
        *,
        node: str,
        clock: Clock,
        hypervisor: Hypervisor,
        networking: Networking,
        specs: Specs,
        instances: Instances,
        power: Power,
        held_memory: HeldMemory,
        snapshots: Snapshots,
        volumes: Volumes,
        backups: Backups,
        devices: Devices,
        inbox: Inbox,
        outbox: Outbox,
        metrics: Metrics,
    ) -> None:
        self._node = node
        self._clock = clock
        self._hypervisor = hypervisor
        self._networking = networking
        self._specs = specs
        self._instances = instances
        self._power = power
        self._held_memory = held_memory
        self._snapshots = snapshots
        self._volumes = volumes
        self._backups = backups
        self._devices = devices
        self._inbox = inbox
        self._outbox = outbox
        self._metrics = metrics

    def run(self, task: Task) -> float | None:
        """Work on a task until it is over (None), or until it wants to be looked at again (seconds)."""
        command = task.command
        with log.bind(
            request_id=command.request_id, operation_id=command.operation_id, instance_id=command.instance_id,
            command_id=command.id,
        ):  # fmt: skip
            try:
                result = self._outcome(task)
            except Interrupted:
                log.event(logger, "command.interrupted")
                return None
            if isinstance(result, Again):
                return result.seconds
            try:
                self._finish(task, result)
            except OSError:  # the state folder can't be written: the command stays open, and is done once more
                logger.exception("command.result_not_written")
                return _DISK_PAUSE_S
        return None

    def _outcome(self, task: Task) -> Outcome | Again:
        try:
            return self._obey(task)
        except CreationUndone as undone:
            return self._failed(task, undone.reason, absent=True)
        except Interrupted:
            raise
        except Exception as err:  # noqa: BLE001 - a verb's bug is that command's failure, not the end of the worker
            return self._failed(task, err, absent=self._honestly_absent(task))

    def _obey(self, task: Task) -> Outcome | Again:
        command = task.command
        assert not isinstance(command, AckReports | LeaseRenewed)  # the inbox keeps those
        if self._is_too_late(task):
            raise CommandExpired(
                f"the command {command.step or command.id} reached node {self._node} after its deadline"
            )
        if isinstance(command, SyncNetwork):
            with task.measure("network", self._clock):
                self._networking.apply(command.state)
            return Outcome()
        if isinstance(command, VolumeCommand):
            return self._volumes.obey(task, command)
        if isinstance(command, BackupCommand):
            return self._backups.obey(task, command)
        with task.measure("state", self._clock):
            state = self._hypervisor.state(command.instance_id)
        known = self._specs.get(command.instance_id)
        if known is not None and known.gone and known.command_id == command.id and isinstance(command, EnsureInstance):
            raise CreationUndone(CreationInterrupted("the node was restarted while it took a failed creation back"))
        verdict = judge(command, known, state)
        if verdict is Verdict.STALE:
            raise StaleCommand(
                f"a later command for server {command.instance_id} was obeyed before",
                detail=f"epoch {command.epoch} generation {command.generation}, known {known.pair if known else None}",
            )
        if verdict is Verdict.LATER_EPOCH_LIVES and isinstance(command, EnsureAbsent):
            return self._instances.leave_later_epoch(command, state)
        if isinstance(command, DeviceCommand):
            return self._devices.obey(task, command, state)
        return self._do(task, state)

    def _do(self, task: Task, state: DomainState | None) -> Outcome | Again:
        match task.command:
            case EnsureInstance() as command:
                return self._instances.ensure_instance(task, command, state)
            case EnsureRunning() as command:
                return self._instances.ensure_running(task, command, state)
            case EnsureStopped() as command:
                return self._power.ensure_stopped(task, command, state)
            case RebootInstance() as command:
                return self._power.reboot(task, command, state)
            case RebuildInstance() as command:
                return self._instances.rebuild(task, command)
            case EnsurePaused() as command:
                return self._held_memory.ensure_paused(task, command, state)
            case EnsureSaved() as command:
                return self._held_memory.ensure_saved(task, command, state)
            case EnsureAbsent() as command:
                return self._instances.ensure_absent(task, command, state)
        return self._do_with_copies(task, state)

    def _do_with_copies(self, task: Task, state: DomainState | None) -> Outcome | Again:
        """What makes or uses copies of disks."""
        match task.command:
            case ResizeInstance() as command:
                return self._instances.resize(task, command)
            case RestoreKeptDisks() as command:
                return self._instances.restore_kept(task, command)
            case DiscardKeptDisks() as command:
                return self._instances.discard_kept(task, command)
            case SnapshotInstance() as command:
                return self._snapshots.take(task, command, state)
            case UploadSnapshot() as command:
                return self._snapshots.upload(task, command)
            case DiscardSnapshot() as command:
                return self._snapshots.discard(command)
        raise InvalidRequest(f"command {task.command.id} is of a kind this agent does not know")

    def _is_too_late(self, task: Task) -> bool:
        """Expired and not begun. A removal is always done; a creation begun must be taken back by its own verb."""
        command = task.command
        if self._clock.now() <= command.deadline or isinstance(command, _REMOVALS):
            return False
        if task.phase is not Phase.NEW or task.phase_at is not None:
            return False
        known = self._specs.get(command.instance_id)
        return not (known is not None and not known.gone and known.created_by == command.id)

    def _honestly_absent(self, task: Task) -> bool:
        if isinstance(task.command, SyncNetwork | VolumeCommand | BackupCommand):
            return False
        return self._instances.absent(task.command.instance_id, task.command.epoch)

    def _failed(self, task: Task, err: Exception, *, absent: bool) -> Outcome:
        elsewhere = _can_be_elsewhere(task.command) and not isinstance(err, _SAME_EVERYWHERE)
        if isinstance(err, CloudError):
            log.event(
                logger, "command.failed", logging.WARNING, code=err.code, reason=err.message, detail=err.detail,
                absent=absent,
            )  # fmt: skip
            return Outcome(
                code=err.code, message=err.message, detail=err.detail, retry_elsewhere=elsewhere, absent=absent
            )
        logger.error("command.bug", exc_info=err)
        return Outcome(
            code=CloudError.code, message="the node failed unexpectedly; its log says more", detail=repr(err),
            retry_elsewhere=elsewhere, absent=absent,
        )  # fmt: skip

    def _finish(self, task: Task, outcome: Outcome) -> None:
        """Result on the disk first, then the command may go; killed between the two, the start clears up."""
        reach("agent", task.command.step, "worked")
        report = final_report(task, outcome, self._node)
        last_use = max(task.command.deadline, self._clock.now())
        self._outbox.keep(report, last_use + timedelta(seconds=_SETTLED_SLACK_S))
        reach("agent", task.command.step, "kept")
        self._inbox.close(task)
        self._metrics.command_ended(task, report)
        log.event(
            logger, "command.ended", kind=report.kind.value, step=report.step, epoch=report.epoch,
            generation=report.generation, code=report.code, power=report.power.value, timings_ms=report.timings_ms,
        )  # fmt: skip


def _can_be_elsewhere(command: Command) -> bool:
    """True for what another node could do as well: a volume made of another's bytes is made where those are."""
    if isinstance(command, EnsureVolume):
        return not command.snapshot_id and not command.source_volume_id
    return isinstance(command, EnsureInstance)
