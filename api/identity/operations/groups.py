"""What the calls about groups mean."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.identity.bodies import check_immutable, split_extras
from api.identity.operations.access import (
    check_manage,
    check_read,
    check_self_or_read,
    domain_filter,
    hiding,
    refused,
)
from api.request import Services
from common import log
from common.context import RequestContext
from common.db import domains, groups, users
from common.db.models import Group, User
from common.db.paging import Page
from common.errors import NotFound

logger = logging.getLogger(__name__)
_COLUMNS = ("name", "description", "domain_id")


def list_groups(services: Services, context: RequestContext, filters: dict[str, Any], page: Page) -> list[Group]:
    with services.db.read() as session:
        return groups.page(session, domain_filter(context, filters), page)


def list_of_user(
    services: Services, context: RequestContext, user_id: str, filters: dict[str, Any], page: Page
) -> list[Group]:
    """Raises NotFound, Forbidden for a user that the caller may not see."""
    with services.db.read() as session, hiding(context, "list_groups_for_user"):
        user = users.get(session, user_id)
        check_self_or_read(context, "list_groups_for_user", user.id, user.domain_id)
        return groups.of_user(session, user_id, domain_filter(context, filters), page)


def show(services: Services, context: RequestContext, group_id: str) -> Group:
    """Raises NotFound, Forbidden."""
    with services.db.read() as session, hiding(context, "get_group"):
        group = groups.get(session, group_id)
        check_read(context, "get_group", group.domain_id)
        return group


def create(services: Services, context: RequestContext, given: Mapping[str, Any]) -> Group:
    """Raises NotFound (domain), AlreadyExists, Forbidden for another domain than a manager's."""
    values = {"description": "", "extra": {}, **_columns_of(given, {})}
    if not context.is_admin and given.get("domain_id") is None:
        raise refused("create_group")

    def work(session: Session) -> Group:
        chosen = values.get("domain_id") or context.domain_id or context.project_domain_id or domains.DEFAULT_ID
        check_manage(context, "create_group", chosen)
        return groups.create(session, {**values, "domain_id": domains.get(session, chosen).id})

    return services.db.run(work)


def update(services: Services, context: RequestContext, group_id: str, given: dict[str, Any]) -> Group:
    """Raises NotFound, AlreadyExists, Forbidden, InvalidRequest."""

    def work(session: Session) -> Group:
        group = _managed(session, context, group_id, "update_group")
        kept = check_immutable(given, {"id": group.id, "domain_id": group.domain_id})
        groups.update(session, group, _columns_of(kept, group.extra))
        return group

    return services.db.run(work)


def delete(services: Services, context: RequestContext, group_id: str) -> None:
    """Raises NotFound, Forbidden."""
    services.db.run(lambda session: groups.delete(session, _managed(session, context, group_id, "delete_group")))
    log.event(logger, "group.deleted", group_id=group_id, by=context.user_id)


def list_users(
    services: Services, context: RequestContext, group_id: str, filters: dict[str, Any], page: Page
) -> list[User]:
    """Raises NotFound, Forbidden. A domain's token shows the users of that domain only."""
    with services.db.read() as session, hiding(context, "list_users_in_group"):
        group = groups.get(session, group_id)
        check_read(context, "list_users_in_group", group.domain_id)
        return groups.users_of(session, group_id, domain_filter(context, filters), page)


def check_user(services: Services, context: RequestContext, group_id: str, user_id: str) -> None:
    """Raises NotFound for either, and when the user isn't in the group; Forbidden."""
    with services.db.read() as session, hiding(context, "check_user_in_group"):
        group, user = groups.get(session, group_id), users.get(session, user_id)
        check_read(context, "check_user_in_group", group.domain_id, user.domain_id)
        found = groups.has_user(session, group_id, user_id)
    if not found:
        raise _not_in(group_id, user_id)


def add_user(services: Services, context: RequestContext, group_id: str, user_id: str) -> None:
    """Idempotent. Raises NotFound, Forbidden."""

    def work(session: Session) -> None:
        with hiding(context, "add_user_to_group"):
            group, user = groups.get(session, group_id), users.get(session, user_id)
        check_manage(context, "add_user_to_group", group.domain_id, user.domain_id)
        groups.add_user(session, group_id, user_id)

    services.db.run(work)
    log.event(logger, "group.user_added", group_id=group_id, user_id=user_id, by=context.user_id)


def remove_user(services: Services, context: RequestContext, group_id: str, user_id: str) -> None:
    """The user loses what it had by the group at its next request. Raises NotFound, Forbidden."""

    def work(session: Session) -> None:
        with hiding(context, "remove_user_from_group"):
            group, user = groups.get(session, group_id), users.get(session, user_id)
        check_manage(context, "remove_user_from_group", group.domain_id, user.domain_id)
        if not groups.remove_user(session, group_id, user_id):
            raise _not_in(group_id, user_id)

    services.db.run(work)
    log.event(logger, "group.user_removed", group_id=group_id, user_id=user_id, by=context.user_id)


def _managed(session: Session, context: RequestContext, group_id: str, key: str) -> Group:
    with hiding(context, key):
        group = groups.get(session, group_id)
    check_manage(context, key, group.domain_id)
    return group


def _not_in(group_id: str, user_id: str) -> NotFound:
    return NotFound(f"Could not find user {user_id} in group {group_id}.")


def _columns_of(given: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    values = split_extras(given, _COLUMNS, extras)
    if "description" in values:
        values["description"] = values["description"] or ""
    return values
