"""Application credentials and the access rules that limit them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.context import AccessRule as Rule
from common.db import paging
from common.db.models import AccessRule, ApplicationCredential
from common.db.tokens import CredentialUsed, Subject
from common.db.upsert import insert_ignore
from common.errors import AlreadyExists, Forbidden, NotFound
from common.ids import new_hex_id


def limit(session: Session, subject: Subject, credential_id: str, now: datetime) -> Subject | None:
    """The subject with no more roles than the credential has; None when it is gone, expired or another project's."""
    found = session.get(ApplicationCredential, credential_id)
    if found is None or _expired(found, now) or subject.project is None:
        return None
    if (found.user_id, found.project_id) != (subject.user.id, subject.project.id):
        return None
    used = CredentialUsed(found.id, found.name, found.unrestricted, _rules(session, found))
    return replace(
        subject,
        roles=tuple(role for role in subject.roles if role.id in found.role_ids),
        application_credential=used,
    )


def _expired(credential: ApplicationCredential, now: datetime) -> bool:
    return credential.expires_at is not None and credential.expires_at <= now


def _rules(session: Session, credential: ApplicationCredential) -> tuple[Rule, ...] | None:
    if credential.access_rules is None:
        return None
    rows = session.scalars(sa.select(AccessRule).where(AccessRule.id.in_(credential.access_rules)))
    return tuple(Rule(row.service, row.method, row.path) for row in rows)


def find_for_login(
    session: Session, *, credential_id: str | None, user_id: str | None, name: str | None
) -> ApplicationCredential | None:
    """By id, else by its user and name."""
    query = sa.select(ApplicationCredential)
    if credential_id is not None:
        return session.scalar(query.where(ApplicationCredential.id == credential_id))
    return session.scalar(query.where(ApplicationCredential.user_id == user_id, ApplicationCredential.name == name))


def get(session: Session, user_id: str, credential_id: str) -> ApplicationCredential:
    """Raises NotFound, also for another user's."""
    found = session.get(ApplicationCredential, credential_id, populate_existing=True)
    if found is None or found.user_id != user_id:
        raise NotFound(f"Could not find Application Credential: {credential_id}.")
    return found


def page_of(
    session: Session, user_id: str, filters: Mapping[str, Any], page: paging.Page
) -> list[ApplicationCredential]:
    """Filters: name."""
    query = sa.select(ApplicationCredential).filter_by(user_id=user_id, **filters)
    return paging.fetch(
        session,
        query,
        page,
        columns={"name": ApplicationCredential.name},
        default=[("name", False)],
        key=ApplicationCredential.id,
    )


def count_of(session: Session, user_id: str) -> int:
    query = sa.select(sa.func.count()).select_from(ApplicationCredential)
    return int(session.scalar(query.where(ApplicationCredential.user_id == user_id)) or 0)


def create(session: Session, values: Mapping[str, Any], now: datetime) -> ApplicationCredential:
    """Raises AlreadyExists when the user has one of that name."""
    credential = ApplicationCredential(id=new_hex_id(), created_at=now, **values)
    name, user_id = credential.name, credential.user_id
    session.add(credential)
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(
            "Conflict occurred attempting to store application_credential - Duplicate entry found with name "
            f"{name} for user {user_id}."
        ) from err
    return credential


def delete(session: Session, credential: ApplicationCredential) -> None:
    """Its tokens die with it."""
    session.delete(credential)
    session.flush()


def delete_of(session: Session, user_id: str, project_id: str) -> None:
    """When a user loses a role in a project: Keystone's rule, so that no credential waits for the role's return."""
    session.execute(
        sa.delete(ApplicationCredential).where(
            ApplicationCredential.user_id == user_id, ApplicationCredential.project_id == project_id
        )
    )


def ensure_rule(session: Session, user_id: str, rule: Rule) -> str:
    """The id of the user's rule for exactly this, made when there is none."""
    wanted = {"service": rule.service, "method": rule.method, "path": rule.path}
    insert_ignore(session, AccessRule, [{"id": new_hex_id(), "user_id": user_id, **wanted}])
    return session.scalars(sa.select(AccessRule.id).filter_by(user_id=user_id, **wanted)).one()


def rules_by_id(session: Session, ids: Sequence[str]) -> dict[str, AccessRule]:
    rows = session.scalars(sa.select(AccessRule).where(AccessRule.id.in_(ids)))
    return {row.id: row for row in rows}


def get_rule(session: Session, user_id: str, rule_id: str) -> AccessRule:
    """Raises NotFound, also for another user's."""
    found = session.get(AccessRule, rule_id, populate_existing=True)
    if found is None or found.user_id != user_id:
        raise NotFound(f"Could not find Access Rule: {rule_id}.")
    return found


def page_of_rules(session: Session, user_id: str, filters: Mapping[str, Any], page: paging.Page) -> list[AccessRule]:
    """Filters: service, method, path."""
    query = sa.select(AccessRule).filter_by(user_id=user_id, **filters)
    return paging.fetch(session, query, page, columns={"id": AccessRule.id}, default=[("id", False)], key=AccessRule.id)


def delete_rule(session: Session, rule: AccessRule) -> None:
    """Raises Forbidden while a credential of its user is limited to it."""
    query = sa.select(ApplicationCredential.access_rules).where(
        ApplicationCredential.user_id == rule.user_id, ApplicationCredential.access_rules.is_not(None)
    )
    if any(rule.id in (used or ()) for used in session.scalars(query)):
        raise Forbidden("The access rule is used by an application credential and cannot be deleted.")
    session.delete(rule)
    session.flush()
