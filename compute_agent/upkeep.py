"""What is looked after at intervals: network, old files, guests that ran out of disk, and whether the hypervisor answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from common import log
from common.clock import Clock
from common.errors import CloudError
from compute_agent.metrics import Metrics
from compute_agent.networking.base import Networking
from compute_agent.outbox import Outbox
from compute_agent.specs import Specs
from compute_agent.starved import StarvedGuests
from compute_agent.storage.base import Storage
from compute_agent.volumes.base import VolumeStores
from compute_agent.volumes.watch import VolumeWatch

logger = logging.getLogger(__name__)
HEAL_S = 5.0
PURGE_S = 600.0


class Upkeep:
    """`on_unhealthy` is called when the hypervisor driver has given up: only a new process helps then."""

    def __init__(
        self, *, clock: Clock, networking: Networking, storage: Storage, volumes: VolumeStores, specs: Specs,
        volume_watch: VolumeWatch, starved: StarvedGuests,
        outbox: Outbox, metrics: Metrics, healthy: Callable[[], bool], on_unhealthy: Callable[[], None],
    ) -> None:  # fmt: skip
        self._clock = clock
        self._networking = networking
        self._storage = storage
        self._volumes = volumes
        self._volume_watch = volume_watch
        self._specs = specs
        self._outbox = outbox
        self._metrics = metrics
        self._starved = starved
        self._healthy = healthy
        self._on_unhealthy = on_unhealthy
        self._purged_at: float | None = None

    def look(self) -> None:
        """One round."""
        if not self._healthy():
            log.event(logger, "agent.driver_unhealthy", logging.CRITICAL)
            self._on_unhealthy()
            return
        try:
            self._metrics.healed(len(self._networking.heal()))
            self._starved.look()
            self._purge()
        except (CloudError, OSError) as err:
            detail = err.detail if isinstance(err, CloudError) else ""
            log.event(logger, "upkeep.failed", logging.ERROR, reason=str(err), detail=detail)

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(HEAL_S):
            self.look()

    def _purge(self) -> None:
        now = self._clock.monotonic()
        if self._purged_at is not None and now - self._purged_at < PURGE_S:
            return
        self._purged_at = now
        log.event(logger, "upkeep.purged", tombstones=self._specs.purge(), reports=self._outbox.purge())
        self._storage.upkeep()
        self._volume_watch.forget()
        self._volumes.upkeep()
