"""What the calls about application credentials and access rules mean.

Nothing made with a credential may do more than the credential (AUTH-04): a restricted one makes none, an unrestricted
one makes some with no more roles than its own token has, for the same project, and no longer lived.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.identity.operations.access import refused
from api.identity.operations.times import future_time
from api.request import Services
from common import log
from common.context import AccessRule as Rule
from common.context import RequestContext
from common.db import application_credentials as stored
from common.db import roles, tokens, users
from common.db.models import AccessRule, ApplicationCredential, Role
from common.db.paging import Page
from common.db.tokens import Named, Scope
from common.errors import Forbidden, InvalidRequest
from common.passwords import passwords_for
from common.secret import Secret

logger = logging.getLogger(__name__)
MAX_PER_USER = 200
_SECRET_BYTES = 64


@dataclass(frozen=True)
class Shown:
    """A credential with its roles and rules; `secret` only when it has just been made."""

    credential: ApplicationCredential
    roles: Sequence[Role]
    rules: Sequence[AccessRule] | None
    secret: Secret | None = None


def list_of(
    services: Services, context: RequestContext, user_id: str, filters: Mapping[str, Any], page: Page
) -> list[Shown]:
    """Raises Forbidden for another user, NotFound."""
    check_seen(context, user_id, "list_application_credentials")
    with services.db.read() as session:
        users.get(session, user_id)
        return _shown(session, stored.page_of(session, user_id, filters, page))


def show(services: Services, context: RequestContext, user_id: str, credential_id: str) -> Shown:
    """Raises Forbidden for another user, NotFound."""
    check_seen(context, user_id, "get_application_credential")
    with services.db.read() as session:
        users.get(session, user_id)
        return _shown(session, [stored.get(session, user_id, credential_id)])[0]


def create(services: Services, context: RequestContext, user_id: str, given: Mapping[str, Any]) -> Shown:
    """Raises Forbidden (another user, no project, restricted credential), InvalidRequest (roles), AlreadyExists."""
    key = "create_application_credential"
    if user_id != context.user_id or context.project_id is None:
        raise refused(key)
    _refuse_restricted(context, key)
    secret = Secret(given.get("secret") or secrets.token_urlsafe(_SECRET_BYTES))
    secret_hash = passwords_for(services.config.identity).hash(secret)  # before the transaction: it takes its time
    now = services.clock.now()
    expires_at = future_time(given.get("expires_at"), now, "an application credential")

    def work(session: Session) -> Shown:
        if stored.count_of(session, user_id) >= MAX_PER_USER:
            raise Forbidden(f"A user has at most {MAX_PER_USER} application credentials.")
        limited = _limited_by(session, context)
        rules = _rules(session, user_id, given.get("access_rules"))
        values = {
            "user_id": user_id,
            "project_id": context.project_id,
            "name": given["name"],
            "description": given.get("description"),
            "secret_hash": secret_hash,
            "role_ids": [role.id for role in _roles(session, services, context, given.get("roles"))],
            "unrestricted": given.get("unrestricted", False),
            "access_rules": _narrowed(rules, limited),
            "expires_at": _earlier(expires_at, limited),
        }
        made = stored.create(session, values, now)
        found = _shown(session, [made])[0]
        return Shown(found.credential, found.roles, found.rules, secret)

    shown = services.db.run(work)
    log.event(logger, "application_credential.created", id=shown.credential.id, user_id=user_id)
    return shown


def delete(services: Services, context: RequestContext, user_id: str, credential_id: str) -> None:
    """Its tokens die at their next request. Raises Forbidden (another user, restricted credential), NotFound."""
    key = "delete_application_credential"
    if not (context.is_admin or user_id == context.user_id) or context.domain_id is not None:
        raise refused(key)
    _refuse_restricted(context, key)

    def work(session: Session) -> None:
        users.get(session, user_id)
        stored.delete(session, stored.get(session, user_id, credential_id))

    services.db.run(work)
    log.event(logger, "application_credential.deleted", id=credential_id, by=context.user_id)


def list_rules(
    services: Services, context: RequestContext, user_id: str, filters: Mapping[str, Any], page: Page
) -> list[AccessRule]:
    """Raises Forbidden for another user, NotFound."""
    _check_rules_seen(context, user_id, "list_access_rules")
    with services.db.read() as session:
        users.get(session, user_id)
        return stored.page_of_rules(session, user_id, filters, page)


def show_rule(services: Services, context: RequestContext, user_id: str, rule_id: str) -> AccessRule:
    """Raises Forbidden for another user, NotFound."""
    _check_rules_seen(context, user_id, "get_access_rule")
    with services.db.read() as session:
        return stored.get_rule(session, user_id, rule_id)


def delete_rule(services: Services, context: RequestContext, user_id: str, rule_id: str) -> None:
    """Raises Forbidden (another user, rule in use, restricted credential), NotFound."""
    key = "delete_access_rule"
    if context.domain_id is not None or not (user_id == context.user_id or (context.is_admin and context.system_scope)):
        raise refused(key)
    _refuse_restricted(context, key)
    services.db.run(lambda session: stored.delete_rule(session, stored.get_rule(session, user_id, rule_id)))


def check_seen(context: RequestContext, user_id: str, key: str) -> None:
    """Raises Forbidden for another user's, and for a token for a domain: credentials belong to no domain."""
    if context.domain_id is not None or not (context.reads_all or user_id == context.user_id):
        raise refused(key)


def _check_rules_seen(context: RequestContext, user_id: str, key: str) -> None:
    on_system = context.system_scope and context.reads_all
    if context.domain_id is not None or not (on_system or user_id == context.user_id):
        raise refused(key)


def _refuse_restricted(context: RequestContext, key: str) -> None:
    if context.restricted:
        raise refused(key)


def _limited_by(session: Session, context: RequestContext) -> ApplicationCredential | None:
    """The credential that the caller's own token was made with."""
    if context.application_credential_id is None:
        return None
    return stored.get(session, context.user_id, context.application_credential_id)


def _narrowed(rules: list[str] | None, limited: ApplicationCredential | None) -> list[str] | None:
    """No more requests than the maker's own."""
    if limited is None or limited.access_rules is None:
        return rules
    return [rule for rule in limited.access_rules if rules is None or rule in rules]


def _earlier(expires_at: datetime | None, limited: ApplicationCredential | None) -> datetime | None:
    ends = [time for time in (expires_at, limited.expires_at if limited else None) if time is not None]
    return min(ends, default=None)


def _roles(
    session: Session, services: Services, context: RequestContext, asked: Sequence[Mapping[str, str]] | None
) -> list[Named]:
    """The roles asked for out of those of the caller's token, or all of those. Raises InvalidRequest for others."""
    held = tokens.load_subject(session, context.user_id, Scope(project_id=context.project_id))
    if held is not None and context.application_credential_id is not None:
        held = stored.limit(session, held, context.application_credential_id, services.clock.now())
    available = list(held.roles) if held is not None else []
    if not asked:
        return available
    found = []
    for each in asked:
        matching = [role for role in available if each.get("id") == role.id or each.get("name") == role.name]
        if not matching:
            raise InvalidRequest(
                "Invalid application credential: Could not find role assignment with role: "
                f"{each.get('id') or each.get('name')}."
            )
        found.append(matching[0])
    return found


def _rules(session: Session, user_id: str, asked: Sequence[Mapping[str, str]] | None) -> list[str] | None:
    """The ids of the rules asked for: by id, or made when the user has none of that kind. Raises NotFound."""
    if asked is None:
        return None
    return [
        stored.get_rule(session, user_id, each["id"]).id
        if "id" in each
        else stored.ensure_rule(session, user_id, Rule(each["service"], each["method"], each["path"]))
        for each in asked
    ]


def _shown(session: Session, credentials: Sequence[ApplicationCredential]) -> list[Shown]:
    """With roles and rules, in two statements however many there are."""
    named = roles.by_id(session, sorted({role for each in credentials for role in each.role_ids}))
    rules = stored.rules_by_id(session, sorted({rule for each in credentials for rule in each.access_rules or ()}))
    return [
        Shown(
            each,
            [named[role] for role in each.role_ids if role in named],
            None if each.access_rules is None else [rules[rule] for rule in each.access_rules if rule in rules],
        )
        for each in credentials
    ]
