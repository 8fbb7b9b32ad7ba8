"""Entry point of `cumulet-scheduler`."""

from __future__ import annotations

import logging
import signal
import sys
import threading

import sqlalchemy as sa

from common import config as configuration
from common import health, log, memory
from common.clock import SystemClock
from common.db.session import Database
from common.errors import CloudError
from common.placement import policy
from common.rpc.bus import Bus
from common.rpc.transport import Transport
from scheduler.service import Scheduler

logger = logging.getLogger(__name__)


def main() -> int:
    memory.give_back_what_is_freed()
    clock = SystemClock()
    try:
        config = configuration.load()
        policy.from_config(config.scheduler)  # refuses here what would otherwise fail every claim
        log.setup(config.cloud, "scheduler")
        db = Database(config.database, clock)
        bus = Bus(Transport(config.bus), clock)
        scheduler = Scheduler(config=config, db=db, bus=bus, clock=clock)
    except CloudError as err:
        sys.stderr.write(f"cumulet-scheduler: {err.message}\n")
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    health.serve(config.scheduler.health_port, lambda: _problems(scheduler))
    scheduler.start()
    log.event(logger, "scheduler.started", name=scheduler.name, workers=config.scheduler.workers)
    stop.wait()
    scheduler.stop()
    bus.close()
    db.close()
    log.event(logger, "scheduler.stopped")
    return 0


def _problems(scheduler: Scheduler) -> dict[str, str]:
    problems = {} if scheduler.alive() else {"threads": "a scheduler thread has ended"}
    try:
        with scheduler.db.read() as session:
            session.connection().exec_driver_sql("SELECT 1")
    except sa.exc.SQLAlchemyError as err:
        problems["database"] = type(err).__name__
    try:
        scheduler.bus.transport.ping()
    except CloudError as err:
        problems["broker"] = err.message
    return problems


if __name__ == "__main__":
    sys.exit(main())
