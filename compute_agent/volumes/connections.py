"""The volumes of other nodes that guests of this node have: a socket for each, behind which a daemon waits and goes on.

A guest's disk is that socket and never the network: QEMU's own NBD client gives a disk up when the server goes, and
libvirt 9 can't tell it to wait.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

from common import log
from common.clock import Clock
from common.deadlines import UNPLUG_S
from common.errors import StorageError
from common.rpc.volume_commands import VolumeExport
from compute_agent.storage import ownership
from compute_agent.volumes.daemons import StorageDaemons
from compute_agent.volumes.kept_daemons import KeptDaemons
from compute_agent.volumes.nbd_daemons import Connection, of_connection
from compute_agent.volumes.notes import checked

logger = logging.getLogger(__name__)
_YOUNG_S = 600.0  # a connection is made before its instance's spec is remembered
_SOCKET_MODE = 0o660


class Connections:
    """records: folder of what is to be reached. run_dir: of the present boot, through which QEMU may pass."""

    def __init__(self, records: Path, run_dir: Path, tls_dir: Path, clock: Clock) -> None:
        self._clock, self._tls_dir = clock, tls_dir
        self._unwanted: dict[str, datetime] = {}  # since when, by export
        self._group = ownership.qemu_group()
        ownership.make_folder(run_dir, self._group)
        self._daemons = StorageDaemons(run_dir)
        self._kept: KeptDaemons[Connection] = KeptDaemons(records, Connection, self._daemons, self._start)

    def connect(self, export: VolumeExport, *, read_only: bool) -> Path:
        known = self._kept.get(checked(export.id))
        connection = Connection(
            id=export.id, address=export.address, port=export.port, server_name=export.server_name,
            read_only=read_only, made_at=known.made_at if known else self._clock.now(),
        )  # fmt: skip
        try:
            self._kept.ensure(connection)
        except StorageError as err:
            raise StorageError(
                f"node {export.server_name} does not give this node the volume: is it up, and its port {export.port} open?",
                detail=err.detail,
            ) from err
        return self._daemons.socket(export.id)

    def disconnect(self, export_id: str) -> None:
        self._kept.end(checked(export_id))

    def renew(self, export_id: str) -> None:
        """What the daemon learns when it connects, such as the size, it learns again. Succeeds without a connection."""
        with self._kept.ended(checked(export_id)):
            log.event(logger, "nbd.connection_renewed", export_id=export_id)

    def disconnect_others(self, wanted: Collection[str]) -> None:
        """Not those that have just become so: a spec says that a volume is gone while the guest is asked to let it go."""
        now = self._clock.now()
        young, patience = timedelta(seconds=_YOUNG_S), timedelta(seconds=UNPLUG_S)
        others = {each.id: each for each in self._kept.all() if each.id not in wanted}
        self._unwanted = {each: self._unwanted.get(each, now) for each in others}
        for each in others.values():
            if each.made_at < now - young and self._unwanted[each.id] <= now - patience:
                log.event(logger, "nbd.connection_forgotten", logging.WARNING, export_id=each.id)
                self.disconnect(each.id)

    def heal(self) -> int:
        return self._kept.heal()

    def _start(self, connection: Connection) -> bool:
        socket = self._daemons.socket(connection.id)
        started = self._daemons.ensure(connection.id, of_connection(connection, self._tls_dir, socket))
        try:
            ownership.give(socket, _SOCKET_MODE, self._group)
        except OSError as err:
            raise StorageError(f"the socket of export {connection.id} is not usable", detail=str(err)) from err
        return started
