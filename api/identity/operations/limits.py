"""What the calls about unified limits mean, by Keystone's model `flat`: a project's limit knows no parents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.identity.bodies import check_immutable
from api.identity.operations.access import refused
from api.request import Services
from common.context import RequestContext
from common.db import catalog, domains, projects
from common.db import limits as stored
from common.db.limits import Limit
from common.db.models import RegisteredLimit
from common.db.paging import Page
from common.errors import Forbidden, InvalidRequest, NotFound


def list_registered(services: Services, filters: Mapping[str, Any], page: Page) -> list[RegisteredLimit]:
    with services.db.read() as session:
        return stored.page_registered(session, filters, page)


def show_registered(services: Services, limit_id: str) -> RegisteredLimit:
    """Raises NotFound."""
    with services.db.read() as session:
        return stored.get_registered(session, limit_id)


def create_registered(services: Services, given: Sequence[Mapping[str, Any]]) -> list[RegisteredLimit]:
    """All or none. Raises InvalidRequest (no such service or region), AlreadyExists."""

    def work(session: Session) -> list[RegisteredLimit]:
        for each in given:
            _check_place(session, each)
        return [stored.create_registered(session, each) for each in given]

    return services.db.run(work)


def update_registered(services: Services, limit_id: str, given: dict[str, Any]) -> RegisteredLimit:
    """Raises NotFound, InvalidRequest, AlreadyExists, Forbidden while projects have limits of their own."""

    def work(session: Session) -> RegisteredLimit:
        limit = stored.get_registered(session, limit_id)
        changes = check_immutable(given, {"id": limit_id})
        _check_place(session, changes)
        stored.update_registered(session, limit, changes)
        return limit

    return services.db.run(work)


def delete_registered(services: Services, limit_id: str) -> None:
    """Raises NotFound, Forbidden while projects have limits of their own."""
    services.db.run(lambda session: stored.delete_registered(session, stored.get_registered(session, limit_id)))


def list_limits(services: Services, context: RequestContext, filters: dict[str, Any], page: Page) -> list[Limit]:
    """On the system all, on a domain its own and its projects', in a project its own; without a scope none."""
    within = None
    if context.domain_id is not None:
        within = context.domain_id
    elif not context.system_scope:
        if filters.get("project_id", context.project_id) != context.project_id or context.project_id is None:
            return []
        filters = {**filters, "project_id": context.project_id}
    with services.db.read() as session:
        return stored.page(session, filters, page, within_domain=within)


def show(services: Services, context: RequestContext, limit_id: str) -> Limit:
    """Raises NotFound, Forbidden for what is neither the caller's project's nor in its domain."""
    with services.db.read() as session:
        try:
            limit, registered = stored.get(session, limit_id)
        except NotFound as err:
            if context.reads_all:
                raise
            raise refused("get_limit") from err
        if not _may_see(session, context, limit.project_id, limit.domain_id):
            raise refused("get_limit")
        return limit, registered


def create(services: Services, given: Sequence[Mapping[str, Any]]) -> list[Limit]:
    """All or none. Raises InvalidRequest, Forbidden (no such registered limit), AlreadyExists."""
    return services.db.run(lambda session: [_create(session, each) for each in given])


def update(services: Services, limit_id: str, given: dict[str, Any]) -> Limit:
    """Raises NotFound, InvalidRequest for another id."""

    def work(session: Session) -> Limit:
        limit, registered = stored.get(session, limit_id)
        stored.update(session, limit, check_immutable(given, {"id": limit_id}))
        return limit, registered

    return services.db.run(work)


def delete(services: Services, limit_id: str) -> None:
    """Raises NotFound."""
    services.db.run(lambda session: stored.delete(session, stored.get(session, limit_id)[0]))


def _create(session: Session, given: Mapping[str, Any]) -> Limit:
    _check_place(session, given)
    project_id, domain_id = given.get("project_id"), given.get("domain_id")
    with _as_invalid("project_id" if project_id else "domain_id"):
        if project_id is not None:
            projects.get(session, project_id)
        else:
            domains.get(session, str(domain_id))
    registered = stored.find_registered(session, given["service_id"], given.get("region_id"), given["resource_name"])
    if registered is None:
        raise Forbidden("Unable to create a limit that has no corresponding registered limit.")
    values = {"project_id": project_id, "domain_id": domain_id}
    own = {name: given.get(name) for name in ("resource_limit", "description")}
    return stored.create(session, registered, {**values, **own})


def _check_place(session: Session, given: Mapping[str, Any]) -> None:
    if given.get("service_id") is not None:
        with _as_invalid("service_id"):
            catalog.get_service(session, given["service_id"])
    if given.get("region_id") is not None:
        with _as_invalid("region_id"):
            catalog.get_region(session, given["region_id"])


class _as_invalid:  # noqa: N801 - reads as a statement where it is used
    """What a body names and is not there makes the body invalid, not the path unknown."""

    def __init__(self, field: str) -> None:
        self._field = field

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, err: BaseException | None, _trace: object) -> None:
        if isinstance(err, NotFound):
            raise InvalidRequest(f"Expecting to find valid {self._field}: {err.message}") from err


def _may_see(session: Session, context: RequestContext, project_id: str | None, domain_id: str | None) -> bool:
    if context.domain_id is not None:
        if domain_id is None and project_id is not None:
            domain_id = projects.get(session, project_id).domain_id
        return domain_id == context.domain_id
    return context.reads_all or (project_id is not None and project_id == context.project_id)
