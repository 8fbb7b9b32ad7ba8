"""The scheduler process's parts, put together: workers over a queue of operation ids, the sweep, the reconcilers.

Everything can also be stepped without threads (`run_due`), which is how the whole-cloud tests drive it.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
from collections.abc import Callable

import msgspec
from prometheus_client import Counter, Gauge, Histogram

from common import log
from common.clock import Clock
from common.config import Config
from common.db import operations, scheduler_services
from common.db.session import Database
from common.deadlines import (
    ACK_BATCH_S,
    BROKER_SYNC_S,
    HEARTBEAT_S,
    LIVENESS_S,
    RECONCILE_S,
    ROUTER_PLACES_S,
    SWEEP_BATCH,
)
from common.errors import DatabaseUnavailable
from common.ids import new_id
from common.placement.view import NodeViews
from common.rpc.bus import REPORTS, SCHEDULERS, Bus
from common.rpc.transport import Incoming
from common.saga.engine import Engine
from scheduler.reconcilers.broker import BrokerSync
from scheduler.reconcilers.liveness import Liveness
from scheduler.reconcilers.network_sync import NetworkSync
from scheduler.reconcilers.passing import Passing
from scheduler.reconcilers.router_places import RouterPlaces
from scheduler.reconcilers.shelved import Shelved
from scheduler.reports import ReportHandler
from scheduler.sagas import SAGAS

logger = logging.getLogger(__name__)
TURNS = Histogram("cumulet_scheduler_work_seconds", "Time a worker spent on an operation at a stretch")
FAILED = Counter("cumulet_scheduler_failures_total", "Unexpected errors in a scheduler thread", ["where"])
OPERATIONS = Gauge("cumulet_operations", "Operations by state", ["state"])
MAX_QUEUED = 10_000
DATABASE_PAUSE_S = 1.0


class Scheduler:
    """One per process."""

    def __init__(self, *, config: Config, db: Database, bus: Bus, clock: Clock) -> None:
        self.config, self.db, self.bus, self.clock = config, db, bus, clock
        self.name = config.scheduler.name or socket.gethostname()
        self.placement = NodeViews()
        db.tell_by(bus.tell)
        self.engine = Engine(
            db=db,
            bus=bus,
            clock=clock,
            config=config,
            sagas=SAGAS,
            placement=self.placement,
            owner=f"{self.name}/{new_id()[:8]}",
        )
        self.network_sync = NetworkSync(db=db, bus=bus, clock=clock)
        self.shelved = Shelved(db=db, bus=bus, clock=clock, config=config)
        self.passing = Passing(db=db, bus=bus, clock=clock, config=config)
        self.liveness = Liveness(db=db, bus=bus, clock=clock)
        self.router_places = RouterPlaces(db=db, clock=clock)
        self.broker_sync = BrokerSync(db=db, bus=bus, config=config)
        self.reports = ReportHandler(db=db, bus=bus, clock=clock, config=config, engine=self.engine, submit=self.submit)
        self.stop_event = threading.Event()
        self._queue: queue.Queue[str] = queue.Queue(MAX_QUEUED)
        self._queued: set[str] = set()
        self._threads: list[threading.Thread] = []

    def submit(self, operation_id: str) -> None:
        """Let a worker look at an operation soon. When the queue is full the sweep will find the row."""
        if operation_id in self._queued:
            return
        try:
            self._queue.put_nowait(operation_id)
            self._queued.add(operation_id)
        except queue.Full:
            log.event(logger, "scheduler.queue_full", logging.WARNING)

    def on_report(self, incoming: Incoming) -> None:
        """As ReportHandler.handle; without the database a message goes back to the broker slowly, not to the dead ones."""
        try:
            self.reports.handle(incoming)
        except DatabaseUnavailable:
            self.stop_event.wait(DATABASE_PAUSE_S)
            raise

    def on_hint(self, incoming: Incoming) -> None:
        self.submit(str(msgspec.json.decode(incoming.body)["operation_id"]))

    def sweep(self) -> int:
        """Find due operations whose hint or report was lost, or whose worker died; how many."""
        with self.db.read() as session:
            due = operations.due(session, self.clock.now(), SWEEP_BATCH)
        for operation_id in due:
            self.submit(operation_id)
        return len(due)

    def run_due(self) -> int:
        """Work on everything that is due now, in this thread; how many operations moved."""
        self.sweep()
        moved = self.reports.acks.send()
        while not self._queue.empty():
            moved += self._work_one(self._queue.get_nowait())
        return moved

    def beat(self) -> None:
        """Show this scheduler in the service list, and count operations for /metrics."""
        self.db.run(lambda session: scheduler_services.beat(session, self.name, self.clock.now()))
        with self.db.read() as session:
            for state, count in operations.count_by_state(session).items():
                OPERATIONS.labels(state).set(count)

    def start(self) -> None:
        workers = [self._forever("worker", self._next) for _ in range(self.config.scheduler.workers)]
        timers = [
            self._forever("sweep", self.sweep, self.config.scheduler.sweep_interval_s),
            self._forever("network_sync", self.network_sync.run, 0.3),
            self._forever("broker_sync", self.broker_sync.run, BROKER_SYNC_S),
            self._forever("beat", self.beat, HEARTBEAT_S),
            self._forever("router_places", self.router_places.run, ROUTER_PLACES_S),
            self._forever("liveness", self.liveness.run, LIVENESS_S),
            self._forever("shelved", self.shelved.run, RECONCILE_S),
            self._forever("passing", self.passing.run, RECONCILE_S),
            self._forever("acks", self.reports.acks.send, ACK_BATCH_S),
        ]
        consumers = [
            lambda: self.bus.consume(SCHEDULERS, self.on_hint, self.stop_event),
            lambda: self.bus.consume(REPORTS, self.on_report, self.stop_event),
        ]
        for number, target in enumerate([*workers, *timers, *consumers]):
            thread = threading.Thread(target=target, name=f"scheduler-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout_s: float = 10.0) -> None:
        """End after the present turns; leases of what was cut off run out by themselves."""
        self.stop_event.set()
        for thread in self._threads:
            thread.join(timeout_s)

    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def _next(self) -> None:
        try:
            operation_id = self._queue.get(timeout=0.5)
        except queue.Empty:
            return
        self._work_one(operation_id)

    def _work_one(self, operation_id: str) -> bool:
        self._queued.discard(operation_id)
        with TURNS.time():
            return self.engine.work(operation_id)

    def _forever(self, where: str, work: Callable[[], object], pause_s: float = 0.0) -> Callable[[], None]:
        def loop() -> None:
            while not self.stop_event.is_set():
                try:
                    work()
                except DatabaseUnavailable as err:
                    log.event(logger, "scheduler.database_unavailable", logging.WARNING, where=where, detail=err.detail)
                    self.stop_event.wait(DATABASE_PAUSE_S)
                except Exception:
                    FAILED.labels(where).inc()
                    logger.exception("scheduler.pass_failed", extra={"facts": {"where": where}})
                    self.stop_event.wait(1.0)
                if pause_s:
                    self.stop_event.wait(pause_s)

        return loop
