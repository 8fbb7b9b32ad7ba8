"""What the calls about users mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from api.auth import REFUSED
from api.identity.bodies import check_immutable, split_extras
from api.identity.operations.access import check_manage, check_self_or_read, domain_filter, hiding, refused
from api.identity.operations.login import check_password
from api.request import Services
from common.context import RequestContext
from common.db import domains, login_failures, projects, users
from common.db.models import Project, User
from common.db.paging import Page
from common.errors import Forbidden, InvalidRequest, Unauthenticated
from common.passwords import passwords_for
from common.secret import Secret

_COLUMNS = ("name", "email", "description", "default_project_id", "enabled", "options", "domain_id", "password_hash")


def list_users(services: Services, context: RequestContext, filters: dict[str, Any], page: Page) -> list[User]:
    """A domain's token shows the users of that domain only."""
    with services.db.read() as session:
        return users.page(session, domain_filter(context, filters), page)


def show(services: Services, context: RequestContext, user_id: str) -> User:
    """Raises Forbidden for a user that the caller may not see, known or not; NotFound."""
    with services.db.read() as session:
        return _seen(session, context, user_id, "get_user")


def list_projects_of(
    services: Services, context: RequestContext, user_id: str, filters: dict[str, Any], page: Page
) -> list[Project]:
    """Raises Forbidden for a user that the caller may not see, known or not; NotFound."""
    with services.db.read() as session:
        _seen(session, context, user_id, "list_user_projects")
        return projects.of_user(session, user_id, page, filters=filters, enabled_only=False)


def _seen(session: Session, context: RequestContext, user_id: str, key: str) -> User:
    with hiding(context, key):
        user = users.get(session, user_id)
        check_self_or_read(context, key, user.id, user.domain_id)
        return user


def _managed(session: Session, context: RequestContext, user_id: str, key: str) -> User:
    with hiding(context, key):
        user = users.get(session, user_id)
    check_manage(context, key, user.domain_id)
    return user


def create(services: Services, context: RequestContext, given: Mapping[str, Any]) -> User:
    """Raises NotFound (domain), AlreadyExists, InvalidRequest for a password that is too long, Forbidden."""
    if not context.is_admin and given.get("domain_id") is None:
        raise refused("create_user")
    values = {"enabled": True, "options": {}, "extra": {}, **_columns_of(_hashed(services, given), {})}
    now = services.clock.now()

    def work(session: Session) -> User:
        chosen = values.get("domain_id") or context.domain_id or context.project_domain_id or domains.DEFAULT_ID
        check_manage(context, "create_user", chosen)
        return users.create(session, {**values, "domain_id": domains.get(session, chosen).id}, now)

    return services.db.run(work)


def update(services: Services, context: RequestContext, user_id: str, given: Mapping[str, Any]) -> User:
    """A new password ends all of the user's tokens. Raises NotFound, Forbidden, AlreadyExists, InvalidRequest."""
    changes = _hashed(services, given)  # before the transaction: it takes its time
    now = services.clock.now()

    def work(session: Session) -> User:
        user = _managed(session, context, user_id, "update_user")
        kept = check_immutable(changes, {"id": user.id, "domain_id": user.domain_id})
        users.update(session, user, _columns_of(kept, user.extra), now)
        return user

    return services.db.run(work)


def change_own_password(services: Services, context: RequestContext, user_id: str, old: Secret, new: Secret) -> None:
    """Ends all of the user's tokens, this request's too.

    Raises Forbidden for another user's id, Unauthenticated when the old password is wrong (counted as a failed login),
    InvalidRequest when the new one is the old one or too long.
    """
    if context.user_id != user_id:
        raise Forbidden("You are not authorized to perform the requested action: identity:change_password.")
    with services.db.read() as session:
        stored = users.get(session, user_id).password_hash
    check_password(services, context, login_failures.account_key("user", user_id), old, stored, allowed=True)
    if old == new:
        raise InvalidRequest("The new password must be different from the old one.")
    new_hash = passwords_for(services.config.identity).hash(new)
    now = services.clock.now()

    def work(session: Session) -> None:
        user = users.get(session, user_id)
        if user.password_hash != stored:
            raise Unauthenticated(REFUSED)  # somebody else has changed it since
        users.update(session, user, {"password_hash": new_hash}, now)

    services.db.run(work)


def delete(services: Services, context: RequestContext, user_id: str) -> None:
    """Raises NotFound, Forbidden."""
    services.db.run(lambda session: users.delete(session, _managed(session, context, user_id, "delete_user")))


def _hashed(services: Services, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values with password_hash instead of the password; a null password means that nobody can log in with one."""
    values = dict(given)
    if "password" in values:
        password = values.pop("password")
        values["password_hash"] = (
            None if password is None else passwords_for(services.config.identity).hash(Secret(password))
        )
    return values


def _columns_of(given: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    return split_extras(given, _COLUMNS, extras)
