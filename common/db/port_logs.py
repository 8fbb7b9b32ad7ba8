"""Which logs hear of a port's packets, for what nodes are told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import NetworkLog, Port


class Event(StrEnum):
    """What a log hears of, in Neutron's words."""

    ACCEPT = "ACCEPT"
    DROP = "DROP"
    ALL = "ALL"


def hearing(
    session: Session, ports: Sequence[Port], groups_of: Mapping[str, Collection[str]]
) -> dict[str, list[NetworkLog]]:
    """The enabled logs of each port that has any, by port id; one statement. Administrators make them: they are few."""
    logs = list(session.scalars(_ENABLED))
    found = {port.id: [log for log in logs if _hears(log, port, groups_of.get(port.id, ()))] for port in ports}
    return {port_id: of_port for port_id, of_port in found.items() if of_port}


_ENABLED = (
    sa.select(NetworkLog)
    .where(NetworkLog.enabled.is_(True))
    .order_by(NetworkLog.id)
    .execution_options(populate_existing=True)
)


def _hears(log: NetworkLog, port: Port, group_ids: Collection[str]) -> bool:
    if not port.port_security_enabled:
        return False
    if log.resource_id is None and log.target_id is None:
        return log.project_id == port.project_id
    return log.target_id in (None, port.id) and (log.resource_id is None or log.resource_id in group_ids)


def accepting(logs: Sequence[NetworkLog], group_id: str) -> tuple[str, ...]:
    """The logs that hear of what a rule of this group accepts."""
    return tuple(
        log.id for log in logs if log.event in (Event.ACCEPT, Event.ALL) and log.resource_id in (None, group_id)
    )


def dropping(logs: Sequence[NetworkLog]) -> tuple[str, ...]:
    """The logs that hear of what no group of the port accepts: it is dropped by no group in particular."""
    return tuple(log.id for log in logs if log.event in (Event.DROP, Event.ALL))
