"""Acknowledgements to agents: several reports of one node in one command, because each costs the broker as much as all.

What is lost here is repeated by the agent and acknowledged then.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from datetime import timedelta

from common import log
from common.clock import Clock
from common.errors import BusUnavailable
from common.ids import new_id
from common.rpc.bus import Bus
from common.rpc.compute_v1 import AckReports

logger = logging.getLogger(__name__)
_VALID = timedelta(minutes=5)
_MOST = 200  # reports in one command


class Acknowledgements:
    """`add` takes note; `send` sends what was noted since. Both may be called by any thread."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus, self._clock = bus, clock
        self._lock = threading.Lock()
        self._waiting: dict[str, list[str]] = defaultdict(list)

    def add(self, node: str, report_id: str) -> None:
        with self._lock:
            self._waiting[node].append(report_id)

    def send(self) -> int:
        """How many commands were sent."""
        with self._lock:
            waiting, self._waiting = self._waiting, defaultdict(list)
        batches = [
            (node, ids[first : first + _MOST]) for node, ids in waiting.items() for first in range(0, len(ids), _MOST)
        ]
        for node, report_ids in batches:
            command = AckReports(
                id=new_id(), operation_id="", step="", request_id="", instance_id="", epoch=0, generation=0,
                deadline=self._clock.now() + _VALID, report_ids=report_ids,
            )  # fmt: skip
            try:
                self._bus.send_command(node, command)
            except BusUnavailable as err:
                log.event(logger, "report.ack_lost", logging.WARNING, node=node, reason=err.detail)
        return len(batches)
