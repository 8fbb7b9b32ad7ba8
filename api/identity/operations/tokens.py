"""Issuing, showing and revoking tokens."""

from __future__ import annotations

import base64
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.auth import REFUSED, verify
from api.identity.operations.login import Login, log_in
from api.request import Services
from common import log
from common.context import RequestContext
from common.db import application_credentials, catalog, domains, endpoint_filter, federation, projects, tokens, trusts
from common.db.models import Endpoint, IdentityService, ServiceProvider
from common.db.tokens import Scope, Subject
from common.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from common.tokens import TokenContent

logger = logging.getLogger(__name__)
Catalog = list[tuple[IdentityService, Endpoint | None]]


@dataclass(frozen=True)
class Issued:
    """A token with what it says at this moment. catalog None: left out."""

    token: str
    content: TokenContent
    subject: Subject
    catalog: Catalog | None
    service_providers: Sequence[ServiceProvider] = ()


def issue(services: Services, context: RequestContext, auth: Mapping[str, Any], *, with_catalog: bool) -> Issued:
    """Log in and make a token for the scope asked for, or for the user's default project, or for none.

    Raises Unauthenticated, also when the user has no role in the scope, or there is no such scope: it isn't told which.
    """
    login = log_in(services, context, auth["identity"])
    asked = auth.get("scope")
    if isinstance(asked, Mapping) and "OS-TRUST:trust" in asked:
        services.db.run(lambda session: _use_trust(services, session, login, asked["OS-TRUST:trust"]["id"]))
    with services.db.read() as session:
        subject = _subject_of(services, session, login, auth.get("scope"))
        content = _content(services, login, subject)
        issued = Issued(
            services.tokens.encode(content),
            content,
            subject,
            _catalog(session, subject) if with_catalog else None,
            federation.enabled_service_providers(session),
        )
    log.event(
        logger,
        "token.issued",
        user_id=content.user_id,
        project_id=content.project_id,
        audit_id=content.audit_id,
        chain_id=content.chain_id,
        methods=",".join(content.methods),
    )
    return issued


def _subject_of(services: Services, session: Session, login: Login, asked: Any) -> Subject:
    """A login by application credential is for its project alone and with its roles."""
    if login.credential is None:
        return _subject_in(services, session, login, asked)
    scope = Scope(project_id=login.credential.project_id)
    wanted = scope if asked is None else _resolve(session, asked)
    subject = tokens.load_subject(session, login.user_id, scope) if wanted == scope else None
    if subject is not None:
        subject = application_credentials.limit(session, subject, login.credential.id, services.clock.now())
    if subject is None or not subject.roles:
        raise Unauthenticated(REFUSED)
    return subject


def _use_trust(services: Services, session: Session, login: Login, trust_id: str) -> None:
    """Count a use of the trust, unless it is not the caller's to use: then nothing is used up.

    Raises Unauthenticated (no such trust, no use left, it is no longer good), Forbidden for others than its trustee and for
    logins that may do less than their user.
    """
    subject = trusts.load_subject_of(session, trust_id, services.clock.now())
    if subject is None or subject.trust is None or login.credential is not None:
        raise Unauthenticated(REFUSED)
    if subject.trust.trustee_user_id != login.user_id:
        raise Forbidden("User is not a trustee.")
    if not trusts.use(session, trust_id):
        raise Unauthenticated(REFUSED)


def _subject_in(services: Services, session: Session, login: Login, asked: Any) -> Subject:
    if asked is None:
        return _default_subject(session, login)
    if isinstance(asked, Mapping) and "OS-TRUST:trust" in asked:
        delegated = trusts.load_subject_of(session, asked["OS-TRUST:trust"]["id"], services.clock.now())
        trustee = tokens.load_subject(session, login.user_id, Scope())
        if delegated is None or trustee is None or trustee.user_epoch != login.user_epoch:
            raise Unauthenticated(REFUSED)
        return delegated
    scope = _resolve(session, asked)
    subject = tokens.load_subject(session, login.user_id, scope) if scope is not None else None
    if subject is None or (subject.scoped and not subject.roles):
        raise Unauthenticated(REFUSED)
    return subject


def _default_subject(session: Session, login: Login) -> Subject:
    """The user in its default project where it still has a role there, else unscoped."""
    unscoped = tokens.load_subject(session, login.user_id, Scope())
    if unscoped is None:
        raise Unauthenticated(REFUSED)
    if unscoped.default_project_id:
        scoped = tokens.load_subject(session, login.user_id, Scope(project_id=unscoped.default_project_id))
        if scoped is not None and scoped.roles:
            return scoped
    return unscoped


def _resolve(session: Session, asked: Any) -> Scope | None:
    """What the request's `scope` means; None when there is no such project or domain. Raises InvalidRequest."""
    if asked == "unscoped" or "unscoped" in asked:
        return Scope()
    if "OS-TRUST:trust" in asked:
        return None
    if len(asked) != 1:
        raise InvalidRequest("The scope must be exactly one of project, domain, system.")
    if "system" in asked:
        return Scope(system=True)
    if "domain" in asked:
        domain = domains.find(session, domain_id=asked["domain"].get("id"), name=asked["domain"].get("name"))
        return Scope(domain_id=domain.id) if domain else None
    wanted = asked["project"]
    if "id" in wanted:
        return Scope(project_id=wanted["id"])
    if "domain" not in wanted:
        raise InvalidRequest("Expecting to find domain in project. The server could not comply with the request.")
    domain = domains.find(session, domain_id=wanted["domain"].get("id"), name=wanted["domain"].get("name"))
    project = projects.find_by_name(session, domain.id, wanted["name"]) if domain else None
    return Scope(project_id=project.id) if project else None


def _content(services: Services, login: Login, subject: Subject) -> TokenContent:
    """user_epoch comes from the login, not from the subject: a password changed meanwhile kills the new token too.

    That of a trust is the sum of several users', of whom only the trustee has logged in here.
    """
    now = services.clock.now().timestamp()
    audit_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    parent = login.parent
    return TokenContent(
        user_id=subject.user.id,
        methods=login.methods,
        audit_id=audit_id,
        chain_id=parent.chain_id if parent else audit_id,
        issued_at=now,
        expires_at=_expiry(services, login, subject, now),
        project_id=subject.project.id if subject.project else None,
        domain_id=subject.domain.id if subject.domain else None,
        system=subject.system,
        user_epoch=login.user_epoch if subject.trust is None else subject.user_epoch,
        scope_epoch=subject.scope_epoch,
        application_credential_id=login.credential.id if login.credential else None,
        trust_id=subject.trust.id if subject.trust else None,
    )


def _expiry(services: Services, login: Login, subject: Subject, now: float) -> float:
    """No later than the parent's, the application credential's and the trust's."""
    latest = login.parent.expires_at if login.parent else now + services.config.identity.token_lifetime_s
    ends = [each.expires_at for each in (login.credential, subject.trust) if each is not None]
    return min([latest, *(end.timestamp() for end in ends if end is not None)])


def _catalog(session: Session, subject: Subject) -> Catalog | None:
    """An unscoped token has no catalogue."""
    return _entries(session, subject.project.id if subject.project else None) if subject.scoped else None


def _entries(session: Session, project_id: str | None) -> Catalog:
    """What the project sees; whoever has none sees all."""
    visible = endpoint_filter.visible(session, project_id) if project_id is not None else None
    return list(catalog.enabled_endpoints(session, visible))


def show(services: Services, context: RequestContext, token: str, *, with_catalog: bool) -> Issued:
    """What a token says now. Raises NotFound when it isn't valid, Forbidden when it isn't the caller's to see."""
    content, subject = _valid_subject(services, token)
    if not (subject.user.id == context.user_id or context.reads_all or "service" in context.roles):
        raise Forbidden("You are not authorized to perform the requested action: identity:validate_token.")
    with services.db.read() as session:
        return Issued(
            token,
            content,
            subject,
            _catalog(session, subject) if with_catalog else None,
            federation.enabled_service_providers(session),
        )


def revoke(services: Services, context: RequestContext, token: str) -> None:
    """Kill a token; a chain's first token takes the whole chain with it (OSSA-2016-008).

    Raises NotFound when it isn't valid (any more), Forbidden when it isn't the caller's.
    """
    content, subject = _valid_subject(services, token)
    if not (subject.user.id == context.user_id or context.is_admin):
        raise Forbidden("You are not authorized to perform the requested action: identity:revoke_token.")
    now = services.clock.now()
    services.db.run(lambda session: tokens.revoke(session, content.audit_id, content.expires, now))
    log.event(logger, "token.revoked", audit_id=content.audit_id, chain_id=content.chain_id, by=context.user_id)


def _valid_subject(services: Services, token: str) -> tuple[TokenContent, Subject]:
    try:
        content = services.tokens.decode(token)
        return content, verify(services, content)
    except Unauthenticated as err:
        raise NotFound("Could not find token.") from err


def catalog_of(services: Services, context: RequestContext) -> Catalog:
    """The caller's catalogue. Raises Forbidden for an unscoped token."""
    if not (context.project_id or context.domain_id or context.system_scope):
        raise Forbidden("You are not authorized to perform the requested action: identity:get_auth_catalog.")
    with services.db.read() as session:
        return _entries(session, context.project_id)
