"""What another service tells about servers: that their network changed, that a volume grew.

Our own network service writes the database that nodes are told from, so that `network-changed` and its kin mean: tell
the server's node again. What the other events speak of doesn't exist here; they are taken, as Nova takes them, and logged.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.request import Services
from common import log
from common.db import network_state, servers
from common.db.models import Instance

logger = logging.getLogger(__name__)
TAKEN, NO_SERVER, ON_NO_NODE = 200, 404, 422
_OF_NETWORK = frozenset({"network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted"})


@dataclass(frozen=True)
class Event:
    """tag says which port or volume; status is completed unless told otherwise."""

    name: str
    server_id: str
    status: str = "completed"
    tag: str | None = None


def take(services: Services, events: Sequence[Event]) -> list[int]:
    """The code of each event, in order: taken, no such server, or a server that is on no node."""

    def work(session: Session) -> list[int]:
        found = servers.living(session, {event.server_id for event in events})
        touched = {row.node_id for event in events if (row := found.get(event.server_id)) and event.name in _OF_NETWORK}
        network_state.touch(session, touched)
        return [_code(found.get(event.server_id)) for event in events]

    codes = services.db.run(work)
    for event, code in zip(events, codes, strict=True):
        log.event(
            logger, "server.external_event", event=event.name, instance_id=event.server_id, status=event.status,
            tag=event.tag, code=code,
        )  # fmt: skip
    return codes


def _code(instance: Instance | None) -> int:
    if instance is None:
        return NO_SERVER
    return TAKEN if instance.node_id is not None else ON_NO_NODE
