"""Takes shelved servers from their nodes when the time is over that they may keep their place there."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from common import log
from common.clock import Clock
from common.config import Config
from common.context import RequestContext
from common.db import instances, node_life, servers_on_node
from common.db.session import Database
from common.errors import StateConflict
from common.ids import new_request_id
from common.rpc.bus import Bus
from common.states import Action

logger = logging.getLogger(__name__)
BATCH = 50


class Shelved:
    def __init__(self, *, db: Database, bus: Bus, clock: Clock, config: Config) -> None:
        self._db, self._bus, self._clock = db, bus, clock
        self._keep_s = config.compute.shelved_offload_time_s

    def run(self) -> int:
        """How many servers are taken from their nodes now."""
        if self._keep_s < 0:
            return 0
        before = self._clock.now() - timedelta(seconds=self._keep_s)
        with self._db.read() as session:
            found = servers_on_node.shelved(session, BATCH)
        due = [row.id for row in found if row.shelved and datetime.fromisoformat(row.shelved["at"]) <= before]
        begun = [operation_id for server_id in due if (operation_id := self._begin(server_id))]
        for operation_id in begun:
            self._bus.hint(operation_id)
        return len(begun)

    def _begin(self, server_id: str) -> str | None:
        """None: something else is being done with it, or its node is down."""

        def work(session: Session) -> str | None:
            now = self._clock.now()
            instance = instances.get(session, server_id)
            if instance.node_id is None or node_life.is_down(session, instance.node_id, now):
                return None
            by = RequestContext(request_id=new_request_id(), project_id=instance.project_id)
            return instances.begin(session, instance, Action.SHELVE_OFFLOAD, by, now).id

        try:
            return self._db.run(work)
        except StateConflict as err:  # another scheduler, or its user, was quicker
            log.event(logger, "shelved.left", reason=err.message, instance_id=server_id)
            return None
