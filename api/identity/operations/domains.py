"""What the calls about domains mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.identity.bodies import check_immutable, split_extras
from api.identity.operations.access import domain_filter, refused
from api.request import Services
from common.context import RequestContext
from common.db import domains
from common.db.models import Domain
from common.db.paging import Page

_COLUMNS = ("name", "description", "enabled", "tags")


def list_domains(services: Services, context: RequestContext, filters: dict[str, Any], page: Page) -> list[Domain]:
    """A domain's token shows that domain only."""
    with services.db.read() as session:
        return domains.page(session, domain_filter(context, filters, "id"), page)


def show(services: Services, context: RequestContext, domain_id: str) -> Domain:
    """Anybody may see the domain of its own user or scope. Raises Forbidden for others, NotFound."""
    own = (context.user_domain_id, context.project_domain_id, context.domain_id)
    if not (context.reads_all or domain_id in own):
        raise refused("get_domain")
    with services.db.read() as session:
        return domains.get(session, domain_id)


def create(services: Services, given: Mapping[str, Any]) -> Domain:
    """Raises AlreadyExists."""
    values = {"description": "", "enabled": True, "tags": [], "extra": {}, **_columns_of(given, {})}
    now = services.clock.now()
    return services.db.run(lambda session: domains.create(session, values, now))


def update(services: Services, domain_id: str, given: dict[str, Any]) -> Domain:
    """Raises NotFound, AlreadyExists, InvalidRequest."""
    changes = check_immutable(given, {"id": domain_id})
    now = services.clock.now()

    def work(session: Session) -> Domain:
        domain = domains.get(session, domain_id)
        domains.update(session, domain, _columns_of(changes, domain.extra), now)
        return domain

    return services.db.run(work)


def delete(services: Services, domain_id: str) -> None:
    """Raises NotFound, Forbidden while it is enabled."""
    services.db.run(lambda session: domains.delete(session, domains.get(session, domain_id)))


def _columns_of(given: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    """Options are accepted for the clients' sake; none has a meaning for a domain yet."""
    values = split_extras({key: value for key, value in given.items() if key != "options"}, _COLUMNS, extras)
    if "description" in values:
        values["description"] = values["description"] or ""
    return values
