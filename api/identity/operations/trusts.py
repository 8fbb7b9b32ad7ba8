"""What the calls about trusts mean: a user lets another act with some of its roles in one project, for a time or some uses.

A trust never gives more than its maker has: a token made with an application credential or with a trust that may not be
passed on makes none, and one made from another trust has no more roles, no longer life and no impersonation that the
other has not.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.identity.operations.access import refused
from api.identity.operations.times import future_time
from api.request import Services
from common import log
from common.context import RequestContext
from common.db import projects, roles, tokens, users
from common.db import trusts as stored
from common.db.models import Role, Trust
from common.db.paging import Page
from common.db.tokens import Scope
from common.db.trusts import MAX_REDELEGATION
from common.errors import Forbidden, InvalidRequest, NotFound

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shown:
    trust: Trust
    roles: Sequence[Role]


def list_trusts(services: Services, context: RequestContext, filters: Mapping[str, Any], page: Page) -> list[Trust]:
    """All, or those that somebody has given or got. Raises Forbidden for others than their own."""
    key = next(
        (f"list_trusts_for_{end}" for end in ("trustor", "trustee") if f"{end}_user_id" in filters), "list_trusts"
    )
    _check_scope(context, key)
    if not context.reads_all and context.user_id not in filters.values():
        raise refused(key)
    with services.db.read() as session:
        return stored.page(session, filters, page)


def show(services: Services, context: RequestContext, trust_id: str, key: str = "get_trust") -> Shown:
    """Raises Forbidden for others than trustor and trustee, NotFound for those who may see all."""
    _check_scope(context, key)
    with services.db.read() as session:
        trust = _seen(session, context, trust_id, key)
        return Shown(trust, _roles_of(session, trust))


def show_role(services: Services, context: RequestContext, trust_id: str, role_id: str) -> Role:
    """Raises as `show`, and NotFound when the trust has no such role."""
    shown = show(services, context, trust_id, "get_role_for_trust")
    for role in shown.roles:
        if role.id == role_id:
            return role
    raise NotFound(f"Could not find role: {role_id}.")


def create(services: Services, context: RequestContext, given: Mapping[str, Any]) -> Shown:
    """Raises Forbidden (not the trustor itself, no role, a token that may not), NotFound (trustee, role), InvalidRequest."""
    key = "create_trust"
    _check_scope(context, key)
    if context.user_id != given["trustor_user_id"]:
        raise Forbidden("The authenticated user should match the trustor.")
    if context.project_id is None or (context.restricted and context.trust_id is None):
        raise refused(key)
    if given.get("project_id") is None:
        raise InvalidRequest("Invalid input for field/attribute project_id: a trust is for a project.")
    if not given.get("roles"):
        raise Forbidden("At least one role should be specified.")
    now = services.clock.now()
    expires_at = future_time(given.get("expires_at"), now, "a trust")

    def work(session: Session) -> Shown:
        users.get(session, given["trustee_user_id"])
        projects.get(session, given["project_id"])
        parent = stored.get(session, context.trust_id) if context.trust_id is not None else None
        delegated = _delegated(session, context, given, parent)
        values = {
            "trustor_user_id": context.user_id,
            "trustee_user_id": given["trustee_user_id"],
            "project_id": given["project_id"],
            "impersonation": given["impersonation"],
            "role_ids": [role.id for role in delegated],
            "expires_at": expires_at,
            "remaining_uses": given.get("remaining_uses"),
            "redelegation_count": _redelegation_count(given, parent),
            "parent_id": parent.id if parent else None,
        }
        if parent is not None:
            values["expires_at"] = _checked_against(parent, values)
        return Shown(stored.create(session, values, now), delegated)

    shown = services.db.run(work)
    log.event(logger, "trust.created", id=shown.trust.id, trustor=context.user_id, trustee=shown.trust.trustee_user_id)
    return shown


def delete(services: Services, context: RequestContext, trust_id: str) -> None:
    """With those made from it. Raises Forbidden for others than the trustor and administrators, NotFound."""
    key = "delete_trust"
    _check_scope(context, key)
    if context.restricted:
        raise refused(key)

    def work(session: Session) -> None:
        trust = _seen(session, context, trust_id, key)
        if not (context.is_admin or trust.trustor_user_id == context.user_id):
            raise refused(key)
        stored.delete(session, trust)

    services.db.run(work)
    log.event(logger, "trust.deleted", id=trust_id, by=context.user_id)


def _check_scope(context: RequestContext, key: str) -> None:
    """A trust belongs to no domain."""
    if context.domain_id is not None:
        raise refused(key)


def _seen(session: Session, context: RequestContext, trust_id: str, key: str) -> Trust:
    try:
        trust = stored.get(session, trust_id)
    except NotFound as err:
        if context.reads_all or context.project_id is not None:
            raise
        raise refused(key) from err
    if not (context.reads_all or context.user_id in (trust.trustor_user_id, trust.trustee_user_id)):
        raise refused(key)
    return trust


def _roles_of(session: Session, trust: Trust) -> list[Role]:
    named = roles.by_id(session, sorted(trust.role_ids))
    return [named[role] for role in trust.role_ids if role in named]


def _delegated(session: Session, context: RequestContext, given: Mapping[str, Any], parent: Trust | None) -> list[Role]:
    """The roles asked for; all must be held by who gives them, at the very beginning of the line. Raises NotFound."""
    giver = stored.pedigree(session, parent)[-1].trustor_user_id if parent else context.user_id
    held = tokens.load_subject(session, giver, Scope(project_id=given["project_id"]))
    by_id = {role.id: role for role in held.roles} if held else {}
    by_name = {role.name: role.id for role in by_id.values()}
    wanted = []
    for each in given["roles"]:
        role_id = each.get("id") or by_name.get(each.get("name", ""))
        if role_id not in by_id:
            raise NotFound(f"Could not find role: {each.get('id') or each.get('name')}.")
        wanted.append(role_id)
    found = roles.by_id(session, sorted(set(wanted)))
    return [found[role_id] for role_id in dict.fromkeys(wanted)]


def _redelegation_count(given: Mapping[str, Any], parent: Trust | None) -> int:
    """How many trusts may follow below this one. Raises Forbidden, InvalidRequest."""
    asked = given.get("redelegation_count")
    if not given.get("allow_redelegation") or asked == 0:
        return 0
    if given.get("remaining_uses") is not None:
        raise InvalidRequest("remaining_uses must not be set if redelegation is allowed.")
    most = MAX_REDELEGATION if parent is None else parent.redelegation_count - 1
    if asked is not None and asked > MAX_REDELEGATION:
        raise Forbidden(f"Requested redelegation depth of {asked} is greater than allowed {MAX_REDELEGATION}.")
    if parent is not None and asked is not None and asked != most:
        raise Forbidden('Modifying "redelegation_count" upon redelegation is forbidden. Omit it.')
    return most if asked is None else int(asked)


def _checked_against(parent: Trust, values: Mapping[str, Any]) -> datetime | None:
    """When the new trust ends: no later than the one it is made from. Raises Forbidden for whatever is more than that has."""
    if not 0 < parent.redelegation_count <= MAX_REDELEGATION:
        raise Forbidden(
            f"Remaining redelegation depth of {parent.redelegation_count} out of allowed range of [0..{MAX_REDELEGATION}]."
        )
    if values["remaining_uses"] is not None:
        raise Forbidden('Field "remaining_uses" must not be set in order to redelegate a trust.')
    if values["project_id"] != parent.project_id or not set(values["role_ids"]) <= set(parent.role_ids):
        raise Forbidden("Some of requested roles are not in redelegated trust.")
    if values["impersonation"] and not parent.impersonation:
        raise Forbidden(f"Impersonation is not allowed because redelegated trust {parent.id} does not specify it.")
    wanted: datetime | None = values["expires_at"]
    if wanted is None or parent.expires_at is None:
        return wanted or parent.expires_at
    if wanted > parent.expires_at:
        raise Forbidden("Requested expiration time is more than redelegated trust can provide.")
    return wanted
