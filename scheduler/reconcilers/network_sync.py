"""Nodes whose agents have not confirmed the newest network state get it, whole and versioned."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from common import log
from common.clock import Clock
from common.db import network_state, nodes
from common.db.session import Database
from common.deadlines import NODE_DOWN_S, SYNC_NETWORK_S
from common.errors import BusUnavailable
from common.ids import new_id, new_request_id
from common.rpc.bus import Bus
from common.rpc.compute_v1 import SyncNetwork

logger = logging.getLogger(__name__)
NETWORK_STEP = "sync_network"
RESEND_S = 3.0


class NetworkSync:
    """Remembers only when it last sent what; a restart merely sends once more."""

    def __init__(self, *, db: Database, bus: Bus, clock: Clock) -> None:
        self._db, self._bus, self._clock = db, bus, clock
        self._sent: dict[str, tuple[int, datetime]] = {}

    def run(self) -> int:
        """Send what is due; how many nodes were sent to."""
        now = self._clock.now()
        with self._db.read() as session:
            waiting = [
                (node.id, node.name, node.network_wanted)
                for node in nodes.behind_on_network(session)
                if node.last_heartbeat_at and now - node.last_heartbeat_at < timedelta(seconds=NODE_DOWN_S)
            ]
        return sum(self._send(*node, now) for node in waiting)

    def _send(self, node_id: str, name: str, wanted: int, now: datetime) -> bool:
        version, at = self._sent.get(name, (0, now))
        if version == wanted and now - at < timedelta(seconds=RESEND_S):
            return False
        with self._db.read() as session:
            state = network_state.for_node(session, node_id)
        command = SyncNetwork(
            id=new_id(),
            operation_id="",
            step=NETWORK_STEP,
            request_id=new_request_id(),
            instance_id="",
            epoch=0,
            generation=state.version,
            deadline=now + timedelta(seconds=SYNC_NETWORK_S),
            state=state,
        )
        try:
            self._bus.send_command(name, command)
        except BusUnavailable as err:
            log.event(logger, "network_sync.send_failed", logging.WARNING, node=name, reason=err.detail)
            return False
        self._sent[name] = (state.version, now)
        return True
