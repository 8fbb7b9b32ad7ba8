"""From a token to a verified caller, for every request. No header is ever believed (OSSA-2026-001).

One statement (more for an application credential) reads user, scope, roles and revocation as they are now; nothing is
cached, so a role taken away, a disabled project or a changed password counts at the next request (security cases AUTH-01,
AUTH-03).
"""

from __future__ import annotations

from dataclasses import replace

from api.request import Services
from common.context import RequestContext
from common.db import application_credentials, trusts
from common.db.tokens import Scope, Subject, load_subject
from common.errors import Unauthenticated
from common.tokens import TokenContent

REFUSED = "The request you have made requires authentication."
"""One text for every refusal: which part was wrong is nobody's business (OSSA-2021-003)."""


def authenticate(services: Services, token: str, context: RequestContext) -> RequestContext:
    """The context with the token's user, scope and roles. Raises Unauthenticated."""
    content = services.tokens.decode(token)
    subject = verify(services, content)
    domain, credential = subject.project_domain, subject.application_credential
    return replace(
        context,
        user_id=subject.user.id,
        user_name=subject.user.name,
        user_domain_id=subject.user_domain.id,
        project_id=subject.project.id if subject.project else None,
        project_name=subject.project.name if subject.project else "",
        project_domain_id=domain.id if domain else "",
        domain_id=subject.domain.id if subject.domain else None,
        system_scope=subject.system,
        roles=frozenset(role.name.lower() for role in subject.roles),
        audit_id=content.audit_id,
        chain_id=content.chain_id,
        methods=content.methods,
        application_credential_id=content.application_credential_id,
        trust_id=content.trust_id,
        restricted=content.trust_id is not None or (credential is not None and not credential.unrestricted),
        access_rules=credential.rules if credential is not None else None,
    )


def verify(services: Services, content: TokenContent) -> Subject:
    """The token's user and scope as they are now.

    Raises Unauthenticated when the token has expired or was revoked, when its user or scope has been disabled or
    deleted since, when the password was changed, when the application credential or the trust that it was made with is
    gone, or when no role is left in its scope.
    """
    now = services.clock.now()
    if content.expires_at <= now.timestamp():
        raise Unauthenticated(REFUSED)
    with services.db.read() as session:
        if content.trust_id is not None:
            subject = trusts.load_subject_of(session, content.trust_id, now, content.audit_id, content.chain_id)
        else:
            subject = load_subject(session, content.user_id, scope_of(content), content.audit_id, content.chain_id)
        if subject is not None and content.application_credential_id is not None:
            subject = application_credentials.limit(session, subject, content.application_credential_id, now)
    if subject is None or subject.revoked:
        raise Unauthenticated(REFUSED)
    if (subject.user_epoch, subject.scope_epoch) != (content.user_epoch, content.scope_epoch):
        raise Unauthenticated(REFUSED)
    if subject.scoped and not subject.roles:
        raise Unauthenticated(REFUSED)
    return subject


def scope_of(content: TokenContent) -> Scope:
    return Scope(project_id=content.project_id, domain_id=content.domain_id, system=content.system)
