"""Routers of a gateway node that is silent, and those that have none, go to one that is heard of."""

from __future__ import annotations

import logging

from common import log
from common.clock import Clock
from common.db import router_places
from common.db.session import Database

logger = logging.getLogger(__name__)


class RouterPlaces:
    """One transaction per router: any number of schedulers may do it side by side."""

    def __init__(self, *, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    def run(self) -> int:
        """How many routers moved."""
        now = self._clock.now()
        lost, back = self._db.run(lambda session: router_places.mark_gateways(session, now))
        if lost or back:
            log.event(logger, "routers.gateways_changed", logging.WARNING, lost=lost, back=back)
        with self._db.read() as session:
            waiting = router_places.stranded(session, now)
        return sum(self._rescue(router_id) for router_id in waiting)

    def _rescue(self, router_id: str) -> bool:
        now = self._clock.now()
        target = self._db.run(lambda session: router_places.rescue(session, router_id, now))
        if target is not None:
            log.event(logger, "routers.moved", logging.WARNING, router_id=router_id, node_id=target)
        return target is not None
