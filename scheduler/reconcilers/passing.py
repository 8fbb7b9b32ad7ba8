"""Ends what may only last for a time: resizes that nobody confirms are confirmed, deleted servers go for good."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from common import log
from common.clock import Clock
from common.config import Config
from common.context import RequestContext
from common.db import instances, node_life, resizes, soft_deletion
from common.db.session import Database
from common.errors import NotFound, StateConflict
from common.ids import new_request_id
from common.rpc.bus import Bus
from common.states import Action

logger = logging.getLogger(__name__)
BATCH = 50


class Passing:
    def __init__(self, *, db: Database, bus: Bus, clock: Clock, config: Config) -> None:
        self._db, self._bus, self._clock = db, bus, clock
        self._confirm_after_s = config.compute.resize_confirm_after_s
        self._reclaim_after_s = config.compute.reclaim_deleted_after_s

    def run(self) -> int:
        """How many servers are confirmed or deleted now."""
        due = [(Action.CONFIRM_RESIZE, server_id) for server_id in self._unconfirmed()]
        due += [(Action.DELETE, server_id) for server_id in self._deleted()]
        begun = [operation_id for action, server_id in due if (operation_id := self._begin(action, server_id))]
        for operation_id in begun:
            self._bus.hint(operation_id)
        return len(begun)

    def _unconfirmed(self) -> Sequence[str]:
        if self._confirm_after_s <= 0:
            return ()
        before = self._clock.now() - timedelta(seconds=self._confirm_after_s)
        with self._db.read() as session:
            found = resizes.unconfirmed(session, BATCH)
        return [row.id for row in found if row.resize and datetime.fromisoformat(row.resize["at"]) <= before]

    def _deleted(self) -> Sequence[str]:
        """With a time of 0 also those that were deleted when there was one."""
        before = self._clock.now() - timedelta(seconds=self._reclaim_after_s)
        with self._db.read() as session:
            return soft_deletion.deleted_before(session, before, BATCH)

    def _begin(self, action: Action, server_id: str) -> str | None:
        """None: something else is being done with it, or its node is down."""

        def work(session: Session) -> str | None:
            now = self._clock.now()
            instance = instances.get(session, server_id)
            if action == Action.CONFIRM_RESIZE and (
                instance.node_id is None or node_life.is_down(session, instance.node_id, now)
            ):
                return None
            by = RequestContext(request_id=new_request_id(), project_id=instance.project_id)
            return instances.begin(session, instance, action, by, now).id

        try:
            return self._db.run(work)
        except (StateConflict, NotFound) as err:  # another scheduler, or its user, was quicker
            log.event(logger, "passing.left", reason=err.message, instance_id=server_id)
            return None
