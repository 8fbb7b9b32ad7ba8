"""The verbs about volumes' bytes: make, remove, grow, copy, bring back.

What a running guest has open its hypervisor works on, while the guest goes on, and what is served to a node the daemon
that serves it; everything else the store does, and all of it where that can hold the bytes of one moment. A copy gets its
final name when it is whole, so that a killed agent begins anew with half a one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from common import log
from common.clock import Clock
from common.errors import HypervisorError, StaleCommand, StorageError
from common.rpc.compute_v1 import (
    PowerState,
)
from common.rpc.volume_commands import (
    CopyVolume,
    DiscardVolumeCopy,
    DiscardVolumeFile,
    EnsureVolume,
    EnsureVolumeAbsent,
    EnsureVolumeSnapshotAbsent,
    ExportVolume,
    ReimageVolume,
    ResizeVolume,
    RestoreVolume,
    RevertVolume,
    SnapshotVolume,
    TakeOverVolume,
    UploadVolume,
    VolumeCommand,
    WithdrawExport,
)
from compute_agent.backups.verbs import Backups
from compute_agent.hypervisor.base import CopyState, Hypervisor
from compute_agent.instances import Interrupted
from compute_agent.storage import ownership
from compute_agent.task import Again, Outcome, Task
from compute_agent.volumes.base import Moments, NewVolume, VolumeStore, VolumeStores, forget
from compute_agent.volumes.place import VolumeBytes, VolumeFile
from compute_agent.volumes.qmp import DaemonSilent

logger = logging.getLogger(__name__)
COPIES = 4  # of a served volume that are begun, before it is given up
DAEMON_RESTART_S = 2.0
SOCKET_S = 20.0  # a guest's QEMU has so long to connect to its socket again
_GIB = 1024**3
_ON = (PowerState.RUNNING, PowerState.PAUSED)
_QCOW2, _RAW = "qcow2", "raw"


class Volumes:
    """Calls for one volume are serial. `stopping` says that the agent ends."""

    def __init__(
        self, *, clock: Clock, hypervisor: Hypervisor, stores: VolumeStores, backups: Backups,
        stopping: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._clock, self._hypervisor, self._stores, self._stopping = clock, hypervisor, stores, stopping
        self._backups = backups
        self._served, self._passing = stores.folder.served, stores.folder.copy_file

    def obey(self, task: Task, command: VolumeCommand) -> Outcome | Again:
        """Raises StaleCommand, StorageError, HypervisorError, ImageDamaged, ImageRefused."""
        store = self._stores.of(command.backend)
        if command.generation < store.generation(command.volume_id):
            raise StaleCommand(f"a later command for volume {command.volume_id} was obeyed before")
        store.obeyed(command.volume_id, command.generation)
        match command:
            case EnsureVolume():
                return self._make(task, command)
            case SnapshotVolume():
                return self._make_snapshot(task, command) or Outcome()
            case UploadVolume():
                return self._upload(task, command)
            case CopyVolume():
                return self._copy_for_backup(task, command) or Outcome()
            case ResizeVolume():
                return self._resize(task, command) or Outcome()
            case ExportVolume():
                self._export(task, command)
            case WithdrawExport():
                with task.measure("export", self._clock):
                    self._served.withdraw(command.export_id)
            case RevertVolume() | ReimageVolume():
                self._replace(task, command)
            case RestoreVolume() | TakeOverVolume():
                self._bring(task, command)
            case EnsureVolumeAbsent() | EnsureVolumeSnapshotAbsent() | DiscardVolumeCopy() | DiscardVolumeFile():
                self._remove(command)
        return Outcome()

    def _export(self, task: Task, command: ExportVolume) -> None:
        file = self._store(command).file(command.volume_id, command.disk_format)
        if not isinstance(file, VolumeFile):
            raise StorageError(f"volume {command.volume_id} is in a pool, which its users reach themselves")
        with task.measure("export", self._clock):
            self._served.export(command, file.path)

    def _store(self, command: VolumeCommand) -> VolumeStore:
        return self._stores.of(command.backend)

    def _remove(
        self, command: EnsureVolumeAbsent | EnsureVolumeSnapshotAbsent | DiscardVolumeCopy | DiscardVolumeFile
    ) -> None:
        store, volume_id = self._store(command), command.volume_id
        match command:
            case EnsureVolumeAbsent():
                self._end_copy(command)
                self._served.withdraw_all(volume_id)
                if command.unmanaged_as:
                    store.hand_out(volume_id, command.disk_format, command.unmanaged_as)
                store.remove(volume_id)
            case EnsureVolumeSnapshotAbsent():
                self._end_copy(command)
                store.remove_snapshot(volume_id, command.snapshot_id, unmanaged_as=command.unmanaged_as)
            case DiscardVolumeCopy():
                self._end_copy(command)
                forget(self._passing(command.image_id))
            case DiscardVolumeFile():
                if command.export_id:
                    self._served.withdraw(command.export_id)
                store.discard(volume_id, command.disk_format, taken_over=command.taken_over)

    def _bring(self, task: Task, command: RestoreVolume | TakeOverVolume) -> None:
        if isinstance(command, TakeOverVolume):
            self._take_over(task, command)
        else:
            self._restore(task, command)

    def _take_over(self, task: Task, command: TakeOverVolume) -> None:
        """It is not interrupted, as other copies of files are not; half a one is begun anew."""
        if command.export is not None:
            source = self._served.source(command.export)
        else:
            self._refuse_served(command.volume_id, "given another format")
            source = self._stores.of(command.source_backend).source(command.volume_id, command.source_format)
        new = NewVolume(command.volume_id, command.disk_format, command.size_gib, command.shareable)
        with task.measure("volume", self._clock):
            self._store(command).take_over(new, source)

    def _make_snapshot(self, task: Task, command: SnapshotVolume) -> Again | None:
        store = self._store(command)
        if command.existing:
            store.take_in_snapshot(command.snapshot_id, command.existing)
            return None
        if store.moments is not None:
            with task.measure("volume", self._clock):
                store.moments.take(command.volume_id, command.snapshot_id)
            return None
        return self._copied(task, command, store, store.snapshot_file(command.snapshot_id), _QCOW2, command.volume_id)

    def _make(self, task: Task, command: EnsureVolume) -> Outcome | Again:
        store = self._store(command)
        new = NewVolume(command.volume_id, command.disk_format, command.size_gib, command.shareable)
        if command.existing:
            return self._take_in(command)
        if store.exists(new.id):
            store.file(new.id, new.format)
            return Outcome()
        if command.image is not None:
            store.make_from_image(new, command.image, lambda name: task.measure(name, self._clock))
            return Outcome()
        sources = self._stores.of(command.source_backend)
        source_id = "" if command.snapshot_id else command.source_volume_id
        if source_id and (sources.moments is not None or self._is_open(command.instance_id, source_id)):
            return self._make_from_guest(task, command, new)
        source: VolumeBytes | None = None
        if command.snapshot_id:
            source = sources.snapshot(command.source_volume_id, command.snapshot_id)
        elif source_id:
            source = sources.file(command.source_volume_id, command.source_format)
        with task.measure("volume", self._clock):
            if source is None:
                store.make(new)
            else:
                store.make_from(new, source)
        return Outcome()

    def _take_in(self, command: EnsureVolume) -> Outcome:
        """As large as the row says: a whole number of GiB."""
        store = self._store(command)
        store.take_in(command.volume_id, command.disk_format, command.existing)
        store.resize(command.volume_id, command.disk_format, command.size_gib)
        return Outcome()

    def _make_from_guest(self, task: Task, command: EnsureVolume, new: NewVolume) -> Outcome | Again:
        """Of a volume that a guest may write to: its bytes of one moment first, then a volume from these."""
        store, sources = self._store(command), self._stores.of(command.source_backend)
        if sources.moments is not None:
            with (
                task.measure("volume", self._clock),
                _moment(sources.moments, command.source_volume_id, new.id) as held,
            ):
                store.make_from(new, held)
            return Outcome()
        passing = self._passing(new.id)
        again = self._copied(
            task, command, sources, passing, _QCOW2, command.source_volume_id, disk_format=command.source_format
        )
        if again is not None:
            return again
        try:
            with task.measure("volume", self._clock):
                store.make_from(new, VolumeFile(passing, _QCOW2))
        finally:
            forget(passing)
        return Outcome()

    def _restore(self, task: Task, command: RestoreVolume) -> None:
        """The volume is as it was until all bytes are here and have been found to be the right ones."""
        self._refuse_served(command.volume_id, "restored")
        store = self._store(command)
        store.file(command.volume_id, command.disk_format)
        passing = self._passing(command.volume_id)
        forget(passing)
        try:
            passing.touch(mode=ownership.PRIVATE)
            self._backups.fetch(task, command.backup_location, passing)
            with task.measure("volume", self._clock):
                source = VolumeFile(passing, _RAW)
                store.replace(command.volume_id, command.disk_format, command.size_gib, source)
        finally:
            forget(passing)

    def _copy_for_backup(self, task: Task, command: CopyVolume) -> Again | None:
        target, store = self._passing(command.backup_id), self._store(command)
        if command.snapshot_id:
            self._checkpoint()
            if not target.exists():
                with task.measure("volume", self._clock):
                    store.copy(store.snapshot(command.volume_id, command.snapshot_id), target, _RAW)
            return None
        return self._copied(task, command, store, target, _RAW, command.volume_id)

    def _resize(self, task: Task, command: ResizeVolume) -> Again | None:
        if command.export_id:
            return self._show_size(task, command)
        with task.measure("volume", self._clock):
            if command.instance_id and self._runs(command.instance_id):
                size_bytes = command.size_gib * _GIB
                self._hypervisor.resize_disk(command.instance_id, command.device, size_bytes)
            else:
                with self._served.interrupted(command.volume_id):
                    self._store(command).resize(command.volume_id, command.disk_format, command.size_gib)
        return None

    def _show_size(self, task: Task, command: ResizeVolume) -> Again | None:
        """Let a guest see that what is served to it has grown: the connection and QEMU learn it as they connect again.

        A guest that reads or writes just then pauses for a moment, as when the daemon dies. In looks that hold no worker.
        """
        now = self._clock.monotonic()
        if task.begun_at is None:  # not written down: a restarted agent connects once more
            task.begun_at = now
            with task.measure("connection", self._clock):
                self._served.renew(command.export_id)
        if not self._runs(command.instance_id):
            return None
        self._hypervisor.resume_stalled(command.instance_id)
        try:
            with task.measure("domain", self._clock):
                size_bytes = command.size_gib * _GIB
                self._hypervisor.read_disk(command.instance_id, command.device)
                self._hypervisor.resize_disk(command.instance_id, command.device, size_bytes)
        except HypervisorError:
            if now - task.begun_at >= SOCKET_S:
                raise
            return task.look_again()
        self._hypervisor.resume_stalled(command.instance_id)
        return None

    def _replace(self, task: Task, command: RevertVolume | ReimageVolume) -> None:
        """All of its bytes by others'; never under a guest."""
        volume_id, disk_format, size_gib = command.volume_id, command.disk_format, command.size_gib
        self._refuse_served(volume_id, "given other bytes")
        if self._is_open(command.instance_id, volume_id):
            raise StorageError(f"volume {volume_id} is a disk of a guest that runs; its bytes stay as they are")
        store = self._store(command)
        if isinstance(command, ReimageVolume):
            measure = lambda name: task.measure(name, self._clock)  # noqa: E731
            store.replace_by_image(volume_id, disk_format, size_gib, command.image, measure)
            return
        with task.measure("volume", self._clock):
            store.revert(volume_id, disk_format, size_gib, command.snapshot_id)

    def _upload(self, task: Task, command: UploadVolume) -> Outcome | Again:
        copy = self._passing(command.image_id)
        again = self._copied(task, command, self._store(command), copy, command.image_format, command.volume_id)
        if again is not None:
            return again
        with task.measure("upload", self._clock):
            self._stores.folder.upload(command.url, copy, self._checkpoint)
        forget(copy)
        return Outcome()

    def _copied(
        self, task: Task, command: SnapshotVolume | UploadVolume | CopyVolume | EnsureVolume, store: VolumeStore,
        target: Path, target_format: str, volume_id: str, *, disk_format: str = "",
    ) -> Again | None:  # fmt: skip
        """None: the copy is whole. In looks that hold no worker while a hypervisor or a daemon copies.

        disk_format: of the volume, where it is not that of the command.
        """
        if target.exists():
            return None
        self._checkpoint()
        source = store.file(volume_id, disk_format or command.disk_format)
        if store.moments is not None:
            with task.measure("volume", self._clock), _moment(store.moments, volume_id, target.name) as held:
                store.copy(held, target, target_format)
            return None
        if not self._is_open(command.instance_id, volume_id):
            with task.measure("volume", self._clock):
                store.copy(source, target, target_format)
            return None
        part = target.with_name(target.name + ".part")
        if self._served.exported(volume_id):
            again = self._copied_served(task, volume_id, store.virtual_size(source), part)
        else:
            again = self._copied_live(task, command.instance_id, command.device, part)
        if again is not None:
            return again
        if target_format == _QCOW2:
            part.rename(target)
        else:
            with task.measure("volume", self._clock):
                store.copy(VolumeFile(part, _QCOW2), target, target_format)
            part.unlink(missing_ok=True)
        return None

    def _copied_live(self, task: Task, instance_id: str, device: str, part: Path) -> Again | None:
        if task.phase_at is None:  # not written down: a restarted agent begins anew
            task.phase_at = self._clock.now()
            with task.measure("domain", self._clock):
                self._hypervisor.begin_copy(instance_id, device, part, quiesce=False)
        match self._hypervisor.copy_state(instance_id):
            case CopyState.RUNNING:
                return task.look_again()
            case CopyState.DONE:
                return None
        if self._runs(instance_id):
            raise HypervisorError(f"disk {device} of server {instance_id} could not be copied", instance_id=instance_id)
        log.event(logger, "volume_copy.guest_went_off", instance_id=instance_id)  # now its disk stands still
        task.phase_at = None
        return Again(0.0)

    def _copied_served(self, task: Task, volume_id: str, size_bytes: int, part: Path) -> Again | None:
        """A daemon that dies takes the copy along: it is begun anew, of a later moment, but not for ever."""
        served = self._served
        try:
            if task.phase_at is None:  # as above
                task.phase_at = self._clock.now()
                with task.measure("export", self._clock):
                    served.begin_copy(volume_id, part, size_bytes)
            state = served.copy_state(volume_id)
        except DaemonSilent as err:
            log.event(logger, "volume_copy.daemon_silent", logging.WARNING, volume_id=volume_id, detail=err.detail)
            state = CopyState.FAILED
        match state:
            case CopyState.RUNNING:
                return task.look_again()
            case CopyState.DONE:
                return None
        task.phase_at = None
        if not served.exported(volume_id):  # it was detached in the middle of it
            return Again(0.0)
        task.copies_lost += 1
        if task.copies_lost >= COPIES:
            raise StorageError(f"volume {volume_id} could not be copied while it is served", volume_id=volume_id)
        return Again(DAEMON_RESTART_S)

    def _refuse_served(self, volume_id: str, what: str) -> None:
        if self._served.exported(volume_id):
            raise StorageError(
                f"volume {volume_id} is attached over NBD and can't be {what} meanwhile: detach it before",
                volume_id=volume_id,
            )

    def _is_open(self, instance_id: str, volume_id: str) -> bool:
        return self._served.exported(volume_id) or bool(instance_id and self._runs(instance_id))

    def _end_copy(self, command: VolumeCommand) -> None:
        self._served.end_copy(command.volume_id)
        if command.instance_id:
            self._hypervisor.end_copy(command.instance_id)

    def _runs(self, instance_id: str) -> bool:
        state = self._hypervisor.state(instance_id)
        return state is not None and state.power in _ON

    def _checkpoint(self) -> None:
        if self._stopping():
            raise Interrupted


@contextmanager
def _moment(moments: Moments, volume_id: str, name: str) -> Iterator[VolumeBytes]:
    held = moments.hold(volume_id, name)
    try:
        yield held
    finally:
        moments.let_go(volume_id, name)
