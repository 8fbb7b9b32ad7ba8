"""The argument lists of storage daemons: what serves a volume to one node, and what brings it to a guest there.

Both speak NBD over TLS with certificates on both sides. The one that serves admits the certificate of one node only; the
one that connects wants the name of the serving node in its certificate. Nothing here guesses a format.
Source: qemu-storage-daemon(1), QEMU 7.2; `tls-hostname` and `open-timeout` of the NBD client are there since 7.0.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from common.deadlines import NBD_OPEN_S, NBD_RECONNECT_S
from common.errors import StorageError
from common.rpc.volume_commands import VolumeExport
from compute_agent.storage import qemu_img
from compute_agent.volumes.daemons import escaped

NODE, COPY = "volume", "copy"
MOST_CONNECTIONS = 16  # of one client, whose broken ones may linger
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_FORMATS = ("qcow2", "raw")


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """What this node serves. client_name: the only node that may have it. direct: past the page cache."""

    id: str
    volume_id: str
    path: str
    disk_format: str
    address: str
    port: int
    client_name: str
    read_only: bool
    shareable: bool
    direct: bool
    writethrough: bool


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """What a guest of this node reaches."""

    id: str
    address: str
    port: int
    server_name: str
    read_only: bool
    made_at: datetime


def of_export(export: Export, tls_dir: Path) -> list[str]:
    """Raises StorageError for a name or format that can't be."""
    if not _NAME.fullmatch(export.client_name) or export.disk_format not in _FORMATS:
        raise StorageError(
            f"volume {export.volume_id} can't be served to {export.client_name[:80]!r} as {export.disk_format[:20]!r}"
        )
    file = {
        "driver": "file", "filename": export.path, "discard": "unmap", "read-only": export.read_only,
        "cache": {"direct": export.direct}, "locking": "off" if export.shareable else "on",
    }  # fmt: skip
    node = {
        "driver": export.disk_format, "node-name": NODE, "discard": "unmap", "read-only": export.read_only,
        "file": file,
    }  # fmt: skip
    served = {
        "type": "nbd", "id": "export", "node-name": NODE, "name": export.id, "writable": not export.read_only,
        "writethrough": export.writethrough,
    }  # fmt: skip
    who = {"qom-type": "authz-simple", "id": "client", "identity": f"CN={export.client_name}"}
    listens = {
        "addr": {"type": "inet", "host": export.address, "port": str(export.port)}, "tls-creds": "tls",
        "tls-authz": "client", "max-connections": MOST_CONNECTIONS,
    }  # fmt: skip
    return [
        "--object", _credentials("server", tls_dir), "--object", _json(who), "--blockdev", _json(node),
        "--nbd-server", qemu_img.flat(listens), "--export", _json(served),
    ]  # fmt: skip


def of_connection(connection: Connection, tls_dir: Path, socket: Path) -> list[str]:
    """Raises StorageError for a name that can't be."""
    if not _NAME.fullmatch(connection.server_name):
        raise StorageError(f"{connection.server_name[:80]!r} is no name of a node")
    node = {
        "driver": "nbd", "node-name": NODE, "discard": "unmap", "read-only": connection.read_only,
        "server": {"type": "inet", "host": connection.address, "port": str(connection.port)},
        "export": connection.id, "tls-creds": "tls", "tls-hostname": connection.server_name,
        "reconnect-delay": int(NBD_RECONNECT_S), "open-timeout": int(NBD_OPEN_S),
    }  # fmt: skip
    served = {
        "type": "nbd", "id": "export", "node-name": NODE, "name": connection.id, "writable": not connection.read_only,
    }  # fmt: skip
    return [
        "--object", _credentials("client", tls_dir), "--blockdev", _json(node),
        "--nbd-server", f"addr.type=unix,addr.path={escaped(socket)},max-connections={MOST_CONNECTIONS}",
        "--export", _json(served),
    ]  # fmt: skip


def source_of(export: VolumeExport, tls_dir: Path) -> qemu_img.Source:
    """What qemu-img reads an export of another node by. Raises StorageError for a name that can't be."""
    if not _NAME.fullmatch(export.server_name):
        raise StorageError(f"{export.server_name[:80]!r} is no name of a node")
    node = {
        "driver": "nbd", "export": export.id, "tls-creds": "tls", "tls-hostname": export.server_name,
        "open-timeout": int(NBD_OPEN_S),
        "server": {"type": "inet", "host": export.address, "port": str(export.port)},
    }  # fmt: skip
    return qemu_img.Source(qemu_img.flat(node), ("--object", _credentials("client", tls_dir)))


def _credentials(end: str, tls_dir: Path) -> str:
    return _json(
        {"qom-type": "tls-creds-x509", "id": "tls", "endpoint": end, "dir": str(tls_dir), "verify-peer": True}
    )  # fmt: skip


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value)
