"""What this node serves of its volumes, each export to one node, and copies of volumes while they are served."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from common.errors import StorageError, ToolFailed
from common.rpc.volume_commands import ExportVolume
from compute_agent.hypervisor.base import CopyState
from compute_agent.storage import ownership, qemu_img
from compute_agent.volumes.daemons import StorageDaemons
from compute_agent.volumes.kept_daemons import KeptDaemons
from compute_agent.volumes.nbd_daemons import COPY, NODE, Export, of_export
from compute_agent.volumes.notes import checked
from compute_agent.volumes.qmp import Monitor, monitor

_ENDED = "concluded"


class Exports:
    """records: folder of what is served. run_dir: of the present boot. address: of this node, where it serves."""

    def __init__(self, records: Path, run_dir: Path, tls_dir: Path, *, address: str, writethrough: bool) -> None:
        self._address, self._writethrough = address, writethrough
        ownership.make_folder(run_dir, None)
        self._daemons = StorageDaemons(run_dir)
        self._kept: KeptDaemons[Export] = KeptDaemons(
            records, Export, self._daemons, lambda export: self._daemons.ensure(export.id, of_export(export, tls_dir))
        )

    def export(self, command: ExportVolume, path: Path) -> None:
        if not command.shareable:
            self.withdraw_all(command.volume_id, but=command.export.id)
        export = Export(
            id=checked(command.export.id), volume_id=command.volume_id, path=str(path),
            disk_format=command.disk_format,
            address=self._address, port=command.export.port, client_name=command.client_name,
            read_only=command.read_only, shareable=command.shareable, direct=_can_direct(path),
            writethrough=self._writethrough,
        )  # fmt: skip
        of_export(export, Path("/"))  # says what is wrong with it before it is noted
        self._kept.ensure(export)

    def withdraw(self, export_id: str) -> None:
        self._kept.end(checked(export_id))

    def withdraw_all(self, volume_id: str, *, but: str = "") -> None:
        for export in self._of(volume_id):
            if export.id != but:
                self.withdraw(export.id)

    def exported(self, volume_id: str) -> bool:
        return bool(self._of(volume_id))

    @contextmanager
    def interrupted(self, volume_id: str) -> Iterator[None]:
        """Nobody has the volume's file open within the block; who reads or writes by an export waits meanwhile."""
        with ExitStack() as stack:
            for export in self._of(volume_id):
                stack.enter_context(self._kept.ended(export.id))
            yield

    def heal(self) -> int:
        return self._kept.heal()

    def begin_copy(self, volume_id: str, target: Path, size_bytes: int) -> None:
        self.end_copy(volume_id)
        try:
            target.unlink(missing_ok=True)
            target.touch(mode=ownership.PRIVATE)
            qemu_img.create_empty(target, disk_format="qcow2", size_bytes=size_bytes)
        except (OSError, ToolFailed) as err:
            raise StorageError(f"a copy of volume {volume_id} can't be made on this node", detail=str(err)) from err
        with self._monitor_of(volume_id) as daemon:
            file = {"driver": "file", "filename": str(target)}
            daemon.execute("blockdev-add", driver="qcow2", node_name=COPY, file=file)
            daemon.execute("blockdev-backup", job_id=COPY, device=NODE, target=COPY, sync="full", auto_dismiss=False)

    def copy_state(self, volume_id: str) -> CopyState:
        """DONE is said once: the daemon then lets the copy go."""
        if not self.exported(volume_id):
            return CopyState.FAILED
        with self._monitor_of(volume_id) as daemon:
            job = _job(daemon)
            if job is not None and job["status"] != _ENDED:
                return CopyState.RUNNING
            _clear(daemon)
            return CopyState.FAILED if job is None or job.get("error") else CopyState.DONE

    def end_copy(self, volume_id: str) -> None:
        if len(self._of(volume_id)) != 1:
            return
        with self._monitor_of(volume_id) as daemon:
            job = _job(daemon)
            if job is not None and job["status"] != _ENDED:
                daemon.execute("block-job-cancel", device=COPY, force=True)
                daemon.wait_for("JOB_STATUS_CHANGE", id=COPY, status=_ENDED)
            _clear(daemon)

    @contextmanager
    def _monitor_of(self, volume_id: str) -> Iterator[Monitor]:
        """Of the daemon that serves the volume. Raises StorageError when several do: each sees its own writes only."""
        exports = self._of(volume_id)
        if len(exports) != 1:
            raise StorageError(
                f"volume {volume_id} is served to {len(exports)} servers at once, and nothing sees the writes of all:"
                " detach it from all but one to copy it"
            )
        with monitor(self._daemons.control(exports[0].id)) as daemon:
            yield daemon

    def _of(self, volume_id: str) -> list[Export]:
        return [each for each in self._kept.all() if each.volume_id == volume_id]


def _job(daemon: Monitor) -> dict[str, Any] | None:
    return next((job for job in daemon.execute("query-jobs") if job["id"] == COPY), None)


def _clear(daemon: Monitor) -> None:
    """Let an ended job and its target go."""
    if _job(daemon) is not None:
        daemon.execute("job-dismiss", id=COPY)
    if any(node.get("node-name") == COPY for node in daemon.execute("query-named-block-nodes", flat=True)):
        daemon.execute("blockdev-del", node_name=COPY)


def _can_direct(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        return False  # tmpfs, some FUSE
    return True
