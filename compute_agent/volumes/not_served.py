"""For nodes that serve no volumes and reach none: those without a certificate, and drivers whose guests have no disks.

`PretendedVolumes` has a file for each export and connection, so that nodes made of files start no daemon.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from common.errors import StorageError
from common.rpc.volume_commands import ExportVolume, VolumeExport
from compute_agent.hypervisor.base import CopyState
from compute_agent.hypervisor.fake import EMPTY_COPY
from compute_agent.storage.rbd_image import RbdImage
from compute_agent.volumes.notes import checked
from compute_agent.volumes.place import Bytes, VolumeBytes


class NotServedVolumes:
    """Implements served.ServedVolumes by refusing."""

    def export(self, command: ExportVolume, path: Path) -> None:  # noqa: ARG002 - the interface's
        raise _refused(command.volume_id)

    def withdraw(self, export_id: str) -> None: ...

    def withdraw_all(self, volume_id: str) -> None: ...

    def exported(self, volume_id: str) -> bool:  # noqa: ARG002
        return False

    def interrupted(self, volume_id: str) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def begin_copy(self, volume_id: str, target: Path, size_bytes: int) -> None:  # noqa: ARG002
        raise _refused(volume_id)

    def copy_state(self, volume_id: str) -> CopyState:  # noqa: ARG002
        return CopyState.FAILED

    def end_copy(self, volume_id: str) -> None: ...

    def connect(self, export: VolumeExport, *, read_only: bool) -> Path:  # noqa: ARG002
        raise StorageError("this node can't reach volumes of others: [storage] nbd_cert_file names no certificate")

    def source(self, export: VolumeExport) -> Bytes:
        raise StorageError(
            f"this node can't reach the volume on node {export.server_name}: [storage] nbd_cert_file names no certificate"
        )

    def renew(self, export_id: str) -> None: ...

    def disconnect(self, export_id: str) -> None: ...

    def disconnect_others(self, wanted: Collection[str]) -> None: ...

    def heal_exports(self) -> int:
        return 0

    def heal(self) -> int:
        return 0


class NothingTaken:
    """Implements base.Bytes: there are none."""

    def copy_to(self, path: Path, disk_format: str) -> None: ...

    def copy_into(self, image: RbdImage) -> None: ...

    def compare(self, volume: VolumeBytes) -> None: ...


class PretendedVolumes:
    """Implements served.ServedVolumes: <folder>/exports/<export id> holds the volume's id; connections are empty."""

    def __init__(self, folder: Path) -> None:
        self._exports, self._connections = folder / "exports", folder / "connections"
        for each in (self._exports, self._connections):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)

    def export(self, command: ExportVolume, path: Path) -> None:
        if not path.exists():
            raise StorageError(f"volume {command.volume_id} is not on this node")
        if not command.shareable:
            self.withdraw_all(command.volume_id)
        (self._exports / checked(command.export.id)).write_text(command.volume_id)

    def withdraw(self, export_id: str) -> None:
        (self._exports / checked(export_id)).unlink(missing_ok=True)

    def withdraw_all(self, volume_id: str) -> None:
        for path in self._of(volume_id):
            path.unlink(missing_ok=True)

    def exported(self, volume_id: str) -> bool:
        return bool(self._of(volume_id))

    def interrupted(self, volume_id: str) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def begin_copy(self, volume_id: str, target: Path, size_bytes: int) -> None:  # noqa: ARG002
        target.write_bytes(EMPTY_COPY)

    def copy_state(self, volume_id: str) -> CopyState:  # noqa: ARG002
        return CopyState.DONE

    def end_copy(self, volume_id: str) -> None: ...

    def connect(self, export: VolumeExport, *, read_only: bool) -> Path:  # noqa: ARG002
        path = self._connections / checked(export.id)
        path.touch()
        return path

    def source(self, export: VolumeExport) -> Bytes:  # noqa: ARG002
        return NothingTaken()

    def renew(self, export_id: str) -> None: ...

    def disconnect(self, export_id: str) -> None:
        (self._connections / checked(export_id)).unlink(missing_ok=True)

    def disconnect_others(self, wanted: Collection[str]) -> None:
        for path in self._connections.iterdir():
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def heal_exports(self) -> int:
        return 0

    def heal(self) -> int:
        return 0

    def _of(self, volume_id: str) -> list[Path]:
        return [path for path in self._exports.iterdir() if path.read_text() == volume_id]


def _refused(volume_id: str) -> StorageError:
    return StorageError(
        f"this node can't serve volume {volume_id} to others: [storage] nbd_cert_file names no certificate"
    )
