"""Server groups of the caller's project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.compute.operations.quota_defaults import defaults
from api.request import Services
from common.context import RequestContext
from common.db import server_groups
from common.db.models import ServerGroup
from common.errors import Forbidden


@dataclass(frozen=True)
class Shown:
    group: ServerGroup
    members: Sequence[str]


def list_page(
    services: Services, context: RequestContext, *, every_project: bool, limit: int, offset: int
) -> list[Shown]:
    """Raises Forbidden when all projects are asked for by others than administrators."""
    if every_project and not context.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:os-server-groups:index:all_projects to be performed.")
    with services.db.read() as session:
        found = server_groups.list_page(session, None if every_project else context.project_id or "", limit, offset)
        members = server_groups.members(session, [row.id for row in found])
        return [Shown(row, members.get(row.id, ())) for row in found]


def show(services: Services, context: RequestContext, group_id: str) -> Shown:
    """Raises NotFound."""
    with services.db.read() as session:
        found = server_groups.get_visible(session, group_id, context)
        return Shown(found, server_groups.members(session, [found.id]).get(found.id, ()))


def create(services: Services, context: RequestContext, name: str, policy: str, max_per_node: int | None) -> Shown:
    """Raises Forbidden without a project, QuotaExceeded."""
    if context.project_id is None:
        raise Forbidden("A token for a project is needed to create a server group.")

    def work(session: Session) -> Shown:
        made = server_groups.create(
            session, context, name=name, policy=policy, max_per_node=max_per_node,
            limits=defaults(services.config.quota), now=services.clock.now(),
        )  # fmt: skip
        return Shown(made, ())

    return services.db.run(work)


def delete(services: Services, context: RequestContext, group_id: str) -> None:
    """Its servers stay, and are nobody's neighbours any more. Raises NotFound."""
    services.db.run(
        lambda session: server_groups.delete(session, server_groups.get_visible(session, group_id, context))
    )
