"""What requests about security groups mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.network.operations.common import check_owner
from api.network.problems import check_revision, neutron_quota
from api.request import ApiRequest
from common.db import network_quota, security_groups, sharing
from common.db.filters import Filters
from common.db.models import SecurityGroup, SecurityGroupRule
from common.db.paging import Page
from common.db.security_groups import NewGroup
from common.errors import Conflict


@dataclass(frozen=True)
class ShownGroup:
    group: SecurityGroup
    rules: Sequence[SecurityGroupRule]
    shared: bool  # with the caller's project


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[ShownGroup]:
    """All or none; the project's default group is made with the first."""
    limits, now = network_quota.defaults(request.services.config.quota), request.services.clock.now()
    for body in bodies:
        security_groups.check_name_free(body.get("name", ""))

    def work(session: Session) -> list[ShownGroup]:
        made = []
        for body in bodies:
            security_groups.ensure_default(session, body["project_id"], now)
            new = NewGroup(
                body["project_id"], body.get("name", ""), body.get("description", ""), body.get("stateful", True)
            )
            made.append(security_groups.create(session, new, now, limits))
        return _shown(session, request, made)

    with neutron_quota():
        return request.services.db.run(work)


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[ShownGroup]:
    """A project that lists its groups finds its default group among them, always."""
    _ensure_default(request, filters)
    with request.services.db.read() as session:
        return _shown(session, request, security_groups.list_groups(session, request.context, filters, page))


def _ensure_default(request: ApiRequest, filters: Filters) -> None:
    """For the caller's project, or the one that an administrator asks about."""
    project_id = request.context.project_id
    if request.context.is_admin and len(filters.get("project_id", [])) == 1:
        project_id = filters["project_id"][0]
    if not project_id:
        return
    with request.services.db.read() as session:
        if security_groups.find_default(session, project_id) is not None:
            return
    now = request.services.clock.now()
    request.services.db.run(lambda session: security_groups.ensure_default(session, project_id, now))


def show(request: ApiRequest, group_id: str) -> ShownGroup:
    with request.services.db.read() as session:
        return _shown(session, request, [security_groups.get_visible(session, group_id, request.context)])[0]


def _shown(session: Session, request: ApiRequest, rows: Sequence[SecurityGroup]) -> list[ShownGroup]:
    ids = [row.id for row in rows]
    rules, shared = security_groups.rules_of(session, ids), sharing.shared_among(session, ids, request.context)
    return [ShownGroup(row, rules[row.id], row.id in shared) for row in rows]


def update(request: ApiRequest, group_id: str, changes: dict[str, Any]) -> ShownGroup:
    now = request.services.clock.now()

    def work(session: Session) -> ShownGroup:
        group = security_groups.get_visible(session, group_id, request.context, lock=True)
        check_owner(request.context, group.project_id, "update_security_group")
        check_revision(request.headers, group.revision_number)
        if group.default_of is not None and changes.get("name", group.name) != group.name:
            raise Conflict(
                "Updating default security group not allowed.", neutron_type="SecurityGroupCannotUpdateDefault"
            )
        if group.default_of is None and "name" in changes:
            security_groups.check_name_free(changes["name"])
        security_groups.update(session, group, changes, now)
        return _shown(session, request, [group])[0]

    return request.services.db.run(work)


def delete(request: ApiRequest, group_id: str) -> None:
    def work(session: Session) -> None:
        group = security_groups.get_visible(session, group_id, request.context)
        check_owner(request.context, group.project_id, "delete_security_group")
        check_revision(request.headers, group.revision_number)
        security_groups.delete(session, group, even_default=request.context.is_admin)

    request.services.db.run(work)
