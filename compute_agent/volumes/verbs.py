"""The verbs about volumes' bytes: make, remove, grow, copy, bring back.

What a running guest has open its hypervisor works on, while the guest goes on, and what is served to a node the daemon
that serves it; everything else is done to files. A copy gets its final name when it is whole, so that a killed agent
begins anew with half a one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from common import log
from common.clock import Clock
from common.errors import HypervisorError, StaleCommand, StorageError
from common.rpc.compute_v1 import (
    PowerState,
)
from common.rpc.volume_commands import (
    DiscardVolumeCopy,
    EnsureVolume,
    EnsureVolumeAbsent,
    EnsureVolumeSnapshotAbsent,
    ExportVolume,
    ResizeVolume,
    RevertVolume,
    SnapshotVolume,
    UploadVolume,
    VolumeCommand,
    WithdrawExport,
)
from compute_agent.hypervisor.base import CopyState, Hypervisor
from compute_agent.instances import Interrupted
from compute_agent.task import Again, Outcome, Task
from compute_agent.volumes.base import VolumeFile, VolumeStore

logger = logging.getLogger(__name__)
LOOK_S = 0.2
_GIB = 1024**3
_ON = (PowerState.RUNNING, PowerState.PAUSED)
_QCOW2 = "qcow2"


class Volumes:
    """Calls for one volume are serial. `stopping` says that the agent ends."""

    def __init__(
        self, *, clock: Clock, hypervisor: Hypervisor, store: VolumeStore, stopping: Callable[[], bool]
    ) -> None:
        self._clock, self._hypervisor, self._store, self._stopping = clock, hypervisor, store, stopping

    def obey(self, task: Task, command: VolumeCommand) -> Outcome | Again:
        """Raises StaleCommand, StorageError, HypervisorError, ImageDamaged, ImageRefused."""
        if command.generation < self._store.generation(command.volume_id):
            raise StaleCommand(f"a later command for volume {command.volume_id} was obeyed before")
        self._store.obeyed(command.volume_id, command.generation)
        match command:
            case EnsureVolume():
                return self._make(task, command)
            case SnapshotVolume():
                target = self._store.snapshot_file(command.snapshot_id)
                source = self._store.file(command.volume_id, command.disk_format)
                return self._copied(task, command, source, target, _QCOW2, command.volume_id) or Outcome()
            case UploadVolume():
                return self._upload(task, command)
            case ResizeVolume():
                self._resize(task, command)
            case ExportVolume():
                file = self._store.file(command.volume_id, command.disk_format)
                with task.measure("export", self._clock):
                    self._store.served.export(command, file.path)
            case WithdrawExport():
                with task.measure("export", self._clock):
                    self._store.served.withdraw(command.export_id)
            case RevertVolume():
                self._refuse_served(command.volume_id, "brought back to a snapshot")
                snapshot = self._snapshot(command.snapshot_id)
                with task.measure("volume", self._clock):
                    self._store.replace(command.volume_id, command.disk_format, command.size_gib, snapshot)
            case EnsureVolumeAbsent():
                self._end_copy(command)
                self._store.served.withdraw_all(command.volume_id)
                self._store.remove(command.volume_id)
            case EnsureVolumeSnapshotAbsent():
                self._end_copy(command)
                _forget(self._store.snapshot_file(command.snapshot_id))
            case DiscardVolumeCopy():
                self._end_copy(command)
                _forget(self._store.copy_file(command.image_id))
        return Outcome()

    def _make(self, task: Task, command: EnsureVolume) -> Outcome | Again:
        volume_id, disk_format, size_gib = command.volume_id, command.disk_format, command.size_gib
        if self._store.exists(volume_id):
            self._store.file(volume_id, disk_format)
            return Outcome()
        if command.image is not None:
            measure = lambda name: task.measure(name, self._clock)  # noqa: E731
            self._store.make_from_image(volume_id, disk_format, size_gib, command.image, measure)
            return Outcome()
        source = None
        if command.snapshot_id:
            source = self._snapshot(command.snapshot_id)
        elif command.source_volume_id:
            source = self._store.file(command.source_volume_id, command.source_format)
            if self._is_open(command.instance_id, command.source_volume_id):
                return self._make_from_guest(task, command, source)
        with task.measure("volume", self._clock):
            if source is None:
                self._store.make_empty(volume_id, disk_format, size_gib)
            else:
                self._store.make_from(volume_id, disk_format, size_gib, source)
        return Outcome()

    def _make_from_guest(self, task: Task, command: EnsureVolume, source: VolumeFile) -> Outcome | Again:
        """A volume that a guest may write to: its bytes of one moment first, then a volume from these."""
        passing = self._store.copy_file(command.volume_id)
        again = self._copied(task, command, source, passing, _QCOW2, command.source_volume_id)
        if again is not None:
            return again
        try:
            with task.measure("volume", self._clock):
                copy = VolumeFile(passing, _QCOW2)
                self._store.make_from(command.volume_id, command.disk_format, command.size_gib, copy)
        finally:
            _forget(passing)
        return Outcome()

    def _resize(self, task: Task, command: ResizeVolume) -> None:
        with task.measure("volume", self._clock):
            if command.instance_id and self._runs(command.instance_id):
                size_bytes = command.size_gib * _GIB
                self._hypervisor.resize_disk(command.instance_id, command.device, size_bytes)
            else:
                self._refuse_served(command.volume_id, "made larger")
                self._store.resize(command.volume_id, command.disk_format, command.size_gib)

    def _upload(self, task: Task, command: UploadVolume) -> Outcome | Again:
        copy = self._store.copy_file(command.image_id)
        source = self._store.file(command.volume_id, command.disk_format)
        again = self._copied(task, command, source, copy, command.image_format, command.volume_id)
        if again is not None:
            return again
        with task.measure("upload", self._clock):
            self._store.upload(command.url, copy, self._checkpoint)
        _forget(copy)
        return Outcome()

    def _copied(
        self, task: Task, command: SnapshotVolume | UploadVolume | EnsureVolume, source: VolumeFile, target: Path,
        target_format: str, volume_id: str,
    ) -> Again | None:  # fmt: skip
        """None: the copy is whole. In looks that hold no worker while a hypervisor or a daemon copies."""
        if target.exists():
            return None
        self._checkpoint()
        if not self._is_open(command.instance_id, volume_id):
            with task.measure("volume", self._clock):
                self._store.copy(source, target, target_format)
            return None
        part = target.with_name(target.name + ".part")
        if self._store.served.exported(volume_id):
            again = self._copied_served(task, volume_id, source, part)
        else:
            again = self._copied_live(task, command.instance_id, command.device, part)
        if again is not None:
            return again
        if target_format == _QCOW2:
            part.rename(target)
        else:
            with task.measure("volume", self._clock):
                self._store.copy(VolumeFile(part, _QCOW2), target, target_format)
            part.unlink(missing_ok=True)
        return None

    def _copied_live(self, task: Task, instance_id: str, device: str, part: Path) -> Again | None:
        if task.phase_at is None:  # not written down: a restarted agent begins anew
            task.phase_at = self._clock.now()
            with task.measure("domain", self._clock):
                self._hypervisor.begin_copy(instance_id, device, part, quiesce=False)
        match self._hypervisor.copy_state(instance_id):
            case CopyState.RUNNING:
                return Again(LOOK_S)
            case CopyState.DONE:
                return None
        if self._runs(instance_id):
            raise HypervisorError(f"disk {device} of server {instance_id} could not be copied", instance_id=instance_id)
        log.event(logger, "volume_copy.guest_went_off", instance_id=instance_id)  # now its disk stands still
        task.phase_at = None
        return Again(0.0)

    def _copied_served(self, task: Task, volume_id: str, source: VolumeFile, part: Path) -> Again | None:
        served = self._store.served
        if task.phase_at is None:  # as above
            task.phase_at = self._clock.now()
            with task.measure("export", self._clock):
                served.begin_copy(volume_id, part, self._store.virtual_size(source))
        match served.copy_state(volume_id):
            case CopyState.RUNNING:
                return Again(LOOK_S)
            case CopyState.DONE:
                return None
        if served.exported(volume_id):
            raise StorageError(f"volume {volume_id} could not be copied while it is served", volume_id=volume_id)
        task.phase_at = None  # it was detached in the middle of it
        return Again(0.0)

    def _refuse_served(self, volume_id: str, what: str) -> None:
        if self._store.served.exported(volume_id):
            raise StorageError(
                f"volume {volume_id} is attached over NBD and can't be {what} meanwhile: detach it before",
                volume_id=volume_id,
            )

    def _is_open(self, instance_id: str, volume_id: str) -> bool:
        return self._store.served.exported(volume_id) or bool(instance_id and self._runs(instance_id))

    def _end_copy(self, command: VolumeCommand) -> None:
        self._store.served.end_copy(command.volume_id)
        if command.instance_id:
            self._hypervisor.end_copy(command.instance_id)

    def _snapshot(self, snapshot_id: str) -> VolumeFile:
        path = self._store.snapshot_file(snapshot_id)
        if not path.exists():
            raise StorageError(f"snapshot {snapshot_id} is not on this node")
        return VolumeFile(path, _QCOW2)

    def _runs(self, instance_id: str) -> bool:
        state = self._hypervisor.state(instance_id)
        return state is not None and state.power in _ON

    def _checkpoint(self) -> None:
        if self._stopping():
            raise Interrupted


def _forget(path: Path) -> None:
    for each in (path, path.with_name(path.name + ".part"), path.with_name(path.name + ".new")):
        each.unlink(missing_ok=True)
