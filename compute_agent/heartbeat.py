"""The heartbeat: that the node lives, what it has, and what its guests are doing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from common import log
from common.clock import Clock
from common.errors import BusUnavailable, CloudError
from common.rpc.compute_v1 import DomainDigest, FromAgent, Heartbeat, Inventory, PowerState
from compute_agent.hypervisor.base import DomainState, Hypervisor
from compute_agent.inventory import InventoryReader
from compute_agent.lanes import Lanes
from compute_agent.metrics import Metrics
from compute_agent.networking.base import Networking
from compute_agent.outbox import Outbox
from compute_agent.specs import Specs
from compute_agent.task import Job
from compute_agent.watchdog.stopped import StoppedGuests

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NodeFacts:
    """What stays the same while the agent lives."""

    node: str
    node_id: str
    boot_id: str
    started_at: datetime


class Heartbeats:
    """`send` raises BusUnavailable; a lost heartbeat is made up for by the next."""

    def __init__(
        self,
        facts: NodeFacts,
        *,
        clock: Clock,
        send: Callable[[FromAgent], None],
        inventory: InventoryReader,
        hypervisor: Hypervisor,
        networking: Networking,
        specs: Specs,
        lanes: Lanes[Job],
        outbox: Outbox,
        metrics: Metrics,
        stopped: StoppedGuests,
    ) -> None:
        self._facts = facts
        self._clock = clock
        self._send = send
        self._inventory = inventory
        self._hypervisor = hypervisor
        self._networking = networking
        self._specs = specs
        self._lanes = lanes
        self._outbox = outbox
        self._metrics = metrics
        self._stopped = stopped
        self._last_inventory: Inventory | None = None
        self._last_sent: float | None = None

    def beat(self) -> bool:
        """Send one heartbeat; False when it could not be made or sent."""
        message = self._make()
        if message is None:
            return False
        try:
            self._send(message)
            sent = True
            self._last_sent = self._clock.monotonic()
        except BusUnavailable as err:
            sent = False
            log.event(logger, "heartbeat.lost", logging.WARNING, reason=err.detail[:300])
        self._metrics.beaten(message.domains, self._outbox.unacknowledged(), sent=sent)
        return sent

    def age_s(self) -> float | None:
        """Seconds since the last one that the broker took; None before the first."""
        return None if self._last_sent is None else self._clock.monotonic() - self._last_sent

    def run(self, interval_s: float, stop: threading.Event) -> None:
        while not stop.is_set():
            self.beat()
            stop.wait(interval_s)

    def _make(self) -> Heartbeat | None:
        sent_boottime_ms = int(self._clock.boottime() * 1000)  # before all else: the lease may only seem older
        domains, complete = self.digest()
        try:
            found = self._inventory.read()
            self._last_inventory = msgspec.structs.replace(found, vlans=self._networking.tags_frames())
        except CloudError as err:
            log.event(logger, "heartbeat.no_inventory", logging.WARNING, reason=err.message, detail=err.detail)
        if self._last_inventory is None:
            return None  # nothing true can be said of this node yet
        return Heartbeat(
            node=self._facts.node, node_id=self._facts.node_id, sent_at=self._clock.now(),
            boot_id=self._facts.boot_id, agent_started_at=self._facts.started_at, inventory=self._last_inventory,
            domains=domains, network_version=self._networking.applied_version(), complete=complete,
            sent_boottime_ms=sent_boottime_ms,
        )  # fmt: skip

    def digest(self) -> tuple[list[DomainDigest], bool]:
        """What was worked on while the list was made may be wrong in it, and is marked busy."""
        try:
            with self._lanes.watch() as touched:
                found = self._hypervisor.list_domains()
        except CloudError as err:
            log.event(logger, "heartbeat.no_domains", logging.ERROR, reason=err.message, detail=err.detail)
            return [], False
        return [self._digest_of(state, busy=state.instance_id in touched) for state in found], True

    def _digest_of(self, state: DomainState, *, busy: bool) -> DomainDigest:
        """The generation is the last obeyed: a stop doesn't define the domain anew."""
        known = self._specs.get(state.instance_id)
        generation = state.generation
        if known is not None and not known.gone and known.epoch == state.epoch:
            generation = max(generation, known.generation)
        off = state.power in (PowerState.SHUTDOWN, PowerState.CRASHED)
        return DomainDigest(
            instance_id=state.instance_id, epoch=state.epoch, generation=generation, power=state.power, busy=busy,
            starved=state.starved, stopped_by_node=off and self._stopped.holds(state.instance_id, state.epoch, state.generation),
        )  # fmt: skip
