"""Volumes served over NBD with TLS: this node's exports, and its guests' connections to exports, as one part.

<state_dir>/nbd/exports/<export id>.json        what this node serves, and to whom
<state_dir>/nbd/connections/<export id>.json    what guests of this node reach
<state_dir>/nbd/tls/                            links to this node's certificate, under the names QEMU looks for
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from common.clock import Clock
from common.errors import ConfigError
from common.rpc.volume_commands import ExportVolume, VolumeExport
from compute_agent.hypervisor.base import CopyState
from compute_agent.volumes.connections import Connections
from compute_agent.volumes.exports import Exports
from compute_agent.volumes.nbd_daemons import source_of
from compute_agent.volumes.place import Bytes
from compute_agent.volumes.taken_over import ReadBytes


@dataclass(frozen=True)
class TlsFiles:
    """This node's certificate, for both ends: its subject is CN=<node name>, which is its DNS name, too."""

    ca_file: Path
    cert_file: Path
    key_file: Path


class NbdVolumes:
    """Implements served.ServedVolumes. run_dir: of the machine's present boot; its path must be short."""

    def __init__(
        self, state_dir: Path, run_dir: Path, tls: TlsFiles, *, address: str, writethrough: bool, clock: Clock
    ) -> None:
        """Raises ConfigError when a file of the certificate is missing."""
        folder = state_dir / "nbd"
        self._tls_dir = tls_dir = _tls_folder(folder / "tls", tls)
        self._exports = Exports(
            folder / "exports", run_dir / "exports", tls_dir, address=address, writethrough=writethrough
        )
        self._connections = Connections(folder / "connections", run_dir / "guests", tls_dir, clock)

    def export(self, command: ExportVolume, path: Path) -> None:
        self._exports.export(command, path)

    def withdraw(self, export_id: str) -> None:
        self._exports.withdraw(export_id)

    def withdraw_all(self, volume_id: str) -> None:
        self._exports.withdraw_all(volume_id)

    def exported(self, volume_id: str) -> bool:
        return self._exports.exported(volume_id)

    def interrupted(self, volume_id: str) -> AbstractContextManager[None]:
        return self._exports.interrupted(volume_id)

    def begin_copy(self, volume_id: str, target: Path, size_bytes: int) -> None:
        self._exports.begin_copy(volume_id, target, size_bytes)

    def copy_state(self, volume_id: str) -> CopyState:
        return self._exports.copy_state(volume_id)

    def end_copy(self, volume_id: str) -> None:
        self._exports.end_copy(volume_id)

    def connect(self, export: VolumeExport, *, read_only: bool) -> Path:
        return self._connections.connect(export, read_only=read_only)

    def source(self, export: VolumeExport) -> Bytes:
        return ReadBytes(source_of(export, self._tls_dir), f"export {export.id} of node {export.server_name}")

    def renew(self, export_id: str) -> None:
        self._connections.renew(export_id)

    def disconnect(self, export_id: str) -> None:
        self._connections.disconnect(export_id)

    def disconnect_others(self, wanted: Collection[str]) -> None:
        self._connections.disconnect_others(wanted)

    def heal_exports(self) -> int:
        return self._exports.heal()

    def heal(self) -> int:
        return self._exports.heal() + self._connections.heal()


def _tls_folder(folder: Path, tls: TlsFiles) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = {
        "ca-cert.pem": tls.ca_file, "server-cert.pem": tls.cert_file, "server-key.pem": tls.key_file,
        "client-cert.pem": tls.cert_file, "client-key.pem": tls.key_file,
    }  # fmt: skip
    for name, file in names.items():
        if not file.is_file():
            raise ConfigError(
                f"[storage] nbd_*_file: {file} is missing; docs/operations.md says how certificates are made"
            )
        link = folder / name
        if not link.is_symlink() or link.readlink() != file.absolute():
            link.unlink(missing_ok=True)
            link.symlink_to(file.absolute())
    return folder
