"""What requests about logs mean; nodes with ports that a log hears of learn of each change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.network.problems import check_revision
from api.request import ApiRequest
from common.context import RequestContext
from common.db import network_logs, port_lists, ports, security_groups
from common.db.filters import Filters
from common.db.models import NetworkLog
from common.db.paging import Page
from common.db.port_logs import Event
from common.errors import Conflict
from common.ids import new_id


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[NetworkLog]:
    """All or none. Raises NotFound for a group or port that is not there, Conflict for a port that is not in the group."""
    now = request.services.clock.now()

    def work(session: Session) -> list[NetworkLog]:
        made = []
        for body in bodies:
            _check(session, request.context, body.get("resource_id"), body.get("target_id"))
            row = NetworkLog(
                id=new_id(), project_id=body["project_id"], name=body.get("name", ""),
                description=body.get("description", ""), resource_type=body["resource_type"],
                resource_id=body.get("resource_id"), target_id=body.get("target_id"),
                event=body.get("event", Event.ALL.value), enabled=body.get("enabled", True),
                revision_number=0, created_at=now, updated_at=now,
            )  # fmt: skip
            network_logs.add(session, row)
            made.append(row)
        return made

    return request.services.db.run(work)


def _check(session: Session, context: RequestContext, group_id: str | None, port_id: str | None) -> None:
    if group_id is not None:
        security_groups.get_visible(session, group_id, context)
    if port_id is None:
        return
    port_lists.get_visible(session, port_id, context)
    if group_id is not None and group_id not in ports.groups_for(session, [port_id]).get(port_id, ()):
        raise Conflict(
            f"The port {port_id} is not in the security group {group_id}, so there is nothing to log.",
            neutron_type="InvalidResourceConstraint",
        )


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[NetworkLog]:
    with request.services.db.read() as session:
        return network_logs.list_(session, filters, page)


def show(request: ApiRequest, log_id: str) -> NetworkLog:
    with request.services.db.read() as session:
        return network_logs.get(session, log_id)


def update(request: ApiRequest, log_id: str, changes: Mapping[str, Any]) -> NetworkLog:
    now = request.services.clock.now()

    def work(session: Session) -> NetworkLog:
        row = network_logs.get(session, log_id, lock=True)
        check_revision(request.headers, row.revision_number)
        for name, value in changes.items():
            setattr(row, name, value)
        row.revision_number, row.updated_at = row.revision_number + 1, now
        session.flush()
        network_logs.touch(session, row)
        return row

    return request.services.db.run(work)


def delete(request: ApiRequest, log_id: str) -> None:
    request.services.db.run(lambda session: network_logs.delete(session, network_logs.get(session, log_id, lock=True)))
