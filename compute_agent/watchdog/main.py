"""`cumulet-node-watchdog`: looks at the node's lease every second. A supervisor starts it again when it ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading

from common import config as configuration
from common import log
from common.clock import SystemClock
from common.deadlines import SELF_FENCE_S, WATCHDOG_LOOK_S
from common.errors import CloudError
from compute_agent import identity
from compute_agent.hypervisor.factory import choose_driver, make_hypervisor
from compute_agent.watchdog.lease import LeaseFile, folder
from compute_agent.watchdog.stopped import StoppedGuests
from compute_agent.watchdog.watch import Watchdog

logger = logging.getLogger(__name__)
_WITHOUT_GUESTS = ("fake", "none")  # drivers whose guests are no other process's business


def main() -> int:
    """0 after SIGTERM or SIGINT; 1 when it could not start, or when libvirt hangs and only a new process helps."""
    os.umask(0o077)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        config = configuration.load()
        log.setup(config.cloud, "node-watchdog")
        if choose_driver(config.agent.driver) in _WITHOUT_GUESTS:
            log.event(logger, "watchdog.idle", driver=config.agent.driver)
            stop.wait()
            return 0
        clock, boot_id = SystemClock(), identity.current_boot()
        run_folder = folder(config.cloud.run_dir, config.agent.node or socket.gethostname())
        hypervisor = make_hypervisor(config.agent, cloud_uuid=config.cloud.uuid, clock=clock)
    except (CloudError, OSError) as err:
        sys.stderr.write(f"cumulet-node-watchdog: {err}\n")
        return 1
    watchdog = Watchdog(
        lease=LeaseFile(run_folder), stopped=StoppedGuests(run_folder, boot_id), hypervisor=hypervisor, clock=clock,
        boot_id=boot_id, limit_s=SELF_FENCE_S,
    )  # fmt: skip
    log.event(logger, "watchdog.started", lease=str(run_folder), limit_s=SELF_FENCE_S)
    while hypervisor.healthy():
        watchdog.look()
        if stop.wait(WATCHDOG_LOOK_S):
            log.event(logger, "watchdog.ended")
            return 0
    log.event(logger, "watchdog.hypervisor_hangs", logging.CRITICAL)
    return 1


if __name__ == "__main__":
    sys.exit(main())
