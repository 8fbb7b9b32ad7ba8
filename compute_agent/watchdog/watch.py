"""What the watchdog does: look at the lease, and when it is too old cut the power of every evacuable guest of this cloud.

It asks nobody but the lease file and libvirt, so it works when the agent hangs, the bus is dead or the node is cut off.
Guests on local disks run on: nobody else could start them, so stopping them would help nobody.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from common import log
from common.clock import Clock
from common.errors import CloudError
from common.rpc.compute_v1 import PowerState
from compute_agent.hypervisor.base import DomainState, Hypervisor
from compute_agent.watchdog.lease import Lease, LeaseFile
from compute_agent.watchdog.stopped import StoppedGuests

logger = logging.getLogger(__name__)
_OFF = (PowerState.SHUTDOWN, PowerState.CRASHED, PowerState.ABSENT)
_AT_ONCE = 8  # the power of many guests must be off within the 15 s that an evacuation waits beyond T_self


class Watchdog:
    """`look` is one round. limit_s: T_self; boot_id: the machine's present boot."""

    def __init__(
        self, *, lease: LeaseFile, stopped: StoppedGuests, hypervisor: Hypervisor, clock: Clock, boot_id: str,
        limit_s: float,
    ) -> None:  # fmt: skip
        self._lease = lease
        self._stopped = stopped
        self._hypervisor = hypervisor
        self._clock = clock
        self._boot_id = boot_id
        self._limit_s = limit_s
        self._last: Lease | None = None
        self._expired = False

    def look(self) -> int:
        """How many guests were stopped. A node that had no lease since it booted has nothing that others could run."""
        self._last = lease = self._lease.read() or self._last  # a lease whose file is lost runs out like any other
        if lease is None or lease.boot_id != self._boot_id:
            return 0
        age_s = lease.age_s(self._clock.boottime())
        if age_s <= self._limit_s:
            if self._expired:
                log.event(logger, "watchdog.lease_renewed", age_s=round(age_s, 1))
            self._expired = False
            return 0
        if not self._expired:
            log.event(logger, "watchdog.lease_expired", logging.WARNING, age_s=round(age_s, 1), limit_s=self._limit_s)
        self._expired = True
        return self._stop_all()

    def _stop_all(self) -> int:
        try:
            running = [each for each in self._hypervisor.list_domains() if each.evacuable and each.power not in _OFF]
        except CloudError as err:  # the next round asks again
            log.event(logger, "watchdog.no_domains", logging.ERROR, reason=err.message, detail=err.detail)
            return 0
        if not running:
            return 0
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="stop") as pool:
            return sum(pool.map(self._stop, running))

    def _stop(self, guest: DomainState) -> bool:
        try:
            self._stopped.note(guest.instance_id, guest.epoch, guest.generation)
        except OSError as err:  # it must not run on for want of a record; it will then be shown as switched off
            log.event(logger, "watchdog.not_recorded", logging.ERROR, instance_id=guest.instance_id, reason=str(err))
        try:
            self._hypervisor.ensure_stopped(guest.instance_id)
        except CloudError as err:
            log.event(
                logger, "watchdog.not_stopped", logging.CRITICAL, instance_id=guest.instance_id, reason=err.message,
                detail=err.detail,
            )  # fmt: skip
            return False
        log.event(logger, "watchdog.stopped", logging.WARNING, instance_id=guest.instance_id, epoch=guest.epoch)
        return True
