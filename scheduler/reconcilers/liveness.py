"""Nodes that have fallen silent: those who wait for them are told, and after a while the cloud goes on without them.

Silence counts only as long as this scheduler could hear: while the broker is away, and for `CUT_OFF_S` after that or
after the scheduler's own start, no node is cut off, for the fault may be ours.
"""

from __future__ import annotations

import logging

from prometheus_client import Gauge

from common import log
from common.clock import Clock
from common.db import node_life
from common.db.session import Database
from common.deadlines import CUT_OFF_S
from common.errors import BusUnavailable
from common.rpc.bus import Bus
from common.rpc.events_v1 import NodeChanged, NodeState

logger = logging.getLogger(__name__)
NODES = Gauge("cumulet_nodes", "Nodes by state: up, down, cut_off", ["state"])


class Liveness:
    """Remembers which nodes it has seen down; another scheduler, or a restart, merely tells once more."""

    def __init__(self, *, db: Database, bus: Bus, clock: Clock) -> None:
        self._db, self._bus, self._clock = db, bus, clock
        self._listening_since = clock.now()
        self._down: dict[str, str] = {}

    def run(self) -> int:
        """How many nodes were found down or back, or were cut off."""
        now = self._clock.now()
        try:
            self._bus.transport.ping()
        except BusUnavailable:
            self._listening_since = now
            return 0
        with self._db.read() as session:
            down = node_life.down(session, now)
            for state, count in node_life.counts(session, now).items():
                NODES.labels(state).set(count)
        changed = {**down, **self._down}
        changed = {node_id: name for node_id, name in changed.items() if (node_id in down) != (node_id in self._down)}
        for node_id, name in sorted(changed.items()):
            log.event(logger, "node.down" if node_id in down else "node.up", logging.WARNING, node=name)
        cut: list[str] = []
        if down and (now - self._listening_since).total_seconds() >= CUT_OFF_S:
            cut = self._db.run(lambda session: node_life.cut_off(session, list(down), now))
            for node_id in cut:
                log.event(logger, "node.cut_off", logging.WARNING, node=down[node_id], silent_s=CUT_OFF_S)
        told = {**changed, **{node_id: down[node_id] for node_id in cut}}
        if told:
            self._db.run(lambda session: node_life.wake_waiting(session, list(told), list(told.values()), now))
        for node_id, name in changed.items():
            self._tell(node_id, name, NodeState.DOWN if node_id in down else NodeState.UP)
        for node_id in cut:
            self._tell(node_id, down[node_id], NodeState.CUT_OFF)
        self._down = down
        return len(told)

    def _tell(self, node_id: str, name: str, state: NodeState) -> None:
        self._bus.tell(NodeChanged(node_id=node_id, node=name, state=state, at=self._clock.now()))
