"""The broker has what the database says: exchanges, dead letters, and every enrolled node's queues, user and rights.

Every scheduler does it; all of it is idempotent. A broker whose data was wiped is whole again after one pass, and the
agents, which try to connect all the time, go on with the passwords that they have.
"""

from __future__ import annotations

import logging

from common import log
from common.config import Config
from common.db import node_tokens
from common.db.session import Database
from common.errors import BusUnavailable
from common.rpc.broker import Broker
from common.rpc.bus import Bus

logger = logging.getLogger(__name__)


class BrokerSync:
    """Nothing to do on filesystem:// and memory://."""

    def __init__(self, *, db: Database, bus: Bus, config: Config) -> None:
        """Raises ConfigError for a [bus] management_url that is none."""
        self._db = db
        self._is_rabbitmq = bus.transport.is_rabbitmq
        self._broker = Broker(config.bus, bus.transport)
        self._failed = False

    def run(self) -> int:
        """How many users were made, changed or removed; 0 also when the broker does not answer: the next pass will."""
        if not self._is_rabbitmq:
            return 0
        try:
            changed = self._broker.reconcile(self._accounts)
        except BusUnavailable as err:
            if not self._failed:  # once, not every few seconds
                log.event(logger, "broker.not_reconciled", logging.WARNING, reason=err.message, detail=err.detail)
            self._failed = True
            return 0
        if self._failed:
            log.event(logger, "broker.reconciled_again", users_changed=changed)
        self._failed = False
        return changed

    def _accounts(self) -> dict[str, str]:
        with self._db.read() as session:
            return node_tokens.broker_accounts(session)
