"""From the `auth` part of a request to a verified user: passwords with back-off, and tokens to rescope.

Every failure is the same 401 with the same text after the same work, whether the account is unknown, disabled or
blocked, or the password wrong (OSSA-2021-003).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.auth import REFUSED, verify
from api.request import Services
from common import log
from common.context import RequestContext
from common.db import application_credentials, login_failures, users
from common.db.models import ApplicationCredential, Domain, User
from common.db.tokens import epoch_of
from common.errors import Forbidden, InvalidRequest, Unauthenticated
from common.passwords import passwords_for
from common.secret import Secret
from common.tokens import TokenContent

logger = logging.getLogger(__name__)
METHODS = ("password", "token", "application_credential")


@dataclass(frozen=True)
class Login:
    """A verified user; `parent` is the token that was rescoped.

    user_epoch is the one of the very row that the password was checked against, or of the parent: whatever is revoked
    after that check kills the new token too.
    """

    user_id: str
    user_epoch: int
    methods: tuple[str, ...]
    parent: TokenContent | None = None
    credential: ApplicationCredential | None = None


def log_in(services: Services, context: RequestContext, identity: Mapping[str, Any]) -> Login:
    """Check every method asked for, each once however often it is named (AUTH-08); all must mean the same user.

    Raises Unauthenticated, InvalidRequest when the data of a method is missing.
    """
    methods = tuple(dict.fromkeys(identity["methods"]))
    if any(method not in METHODS for method in methods):
        raise Unauthenticated("Attempted to authenticate with an unsupported method.")
    found: list[Login] = []
    if "token" in methods:
        found.append(_by_token(services, _data_of(identity, "token")))
    if "password" in methods:
        found.append(_by_password(services, context, _data_of(identity, "password")["user"]))
    if "application_credential" in methods:
        found.append(_by_application_credential(services, context, _data_of(identity, "application_credential")))
    first = found[0]
    if any(login.user_id != first.user_id or login.user_epoch != first.user_epoch for login in found):
        raise Unauthenticated(REFUSED)
    used = dict.fromkeys(name for login in found for name in login.methods)
    credentials = [login.credential for login in found if login.credential]
    if len({credential.id for credential in credentials}) > 1:
        raise Unauthenticated(REFUSED)
    return Login(first.user_id, first.user_epoch, tuple(used), first.parent, credentials[0] if credentials else None)


def _data_of(identity: Mapping[str, Any], method: str) -> Mapping[str, Any]:
    if method not in identity:
        raise InvalidRequest(f"Expecting to find {method} in identity. The server could not comply with the request.")
    data: Mapping[str, Any] = identity[method]
    return data


def _by_token(services: Services, data: Mapping[str, Any]) -> Login:
    """The new token belongs to the old one's chain and dies no later (OSSA-2012-019)."""
    content = services.tokens.decode(data["id"])
    subject = verify(services, content)
    if content.trust_id is not None:
        raise Forbidden("Using trust-scoped token to create another token. Create a new trust-scoped token instead.")
    credential = None
    if content.application_credential_id is not None:  # the new token may no more than the old one (AUTH-04)
        with services.db.read() as session:
            credential = application_credentials.get(session, content.user_id, content.application_credential_id)
    return Login(subject.user.id, content.user_epoch, (*content.methods, "token"), content, credential)


def _by_application_credential(services: Services, context: RequestContext, data: Mapping[str, Any]) -> Login:
    """Raises Unauthenticated: unknown, expired, wrong secret, or a user that may not log in."""
    named, domain = data.get("user") or {}, (data.get("user") or {}).get("domain") or {}
    with services.db.read() as session:
        user_id = named.get("id")
        if "id" not in data and user_id is None:
            owner = users.find_for_login(
                session, name=named.get("name"), domain_id=domain.get("id"), domain_name=domain.get("name")
            )
            user_id = owner[0].id if owner else None
        credential = application_credentials.find_for_login(
            session, credential_id=data.get("id"), user_id=user_id, name=data.get("name")
        )
        found = users.find_for_login(session, user_id=credential.user_id) if credential else None
    last = credential.expires_at if credential else None
    check_password(
        services,
        context,
        login_failures.account_key("application_credential", str(data.get("id")), str(user_id), str(data.get("name"))),
        Secret(data["secret"]),
        credential.secret_hash if credential else None,
        allowed=found is not None
        and found[0].enabled
        and found[1].enabled
        and (last is None or last > services.clock.now()),
    )
    if found is None or credential is None:  # refused above already; said again for the type checker
        raise Unauthenticated(REFUSED)
    return Login(found[0].id, epoch_of(*found), ("application_credential",), None, credential)


def _by_password(services: Services, context: RequestContext, named: Mapping[str, Any]) -> Login:
    domain = named.get("domain") or {}
    if "id" not in named and not ("name" in named and domain):
        raise InvalidRequest("Expecting to find id, or name and domain, in user.")
    with services.db.read() as session:
        found = users.find_for_login(
            session,
            user_id=named.get("id"),
            name=named.get("name"),
            domain_id=domain.get("id"),
            domain_name=domain.get("name"),
        )
    key = _account_key(named, found)
    check_password(
        services,
        context,
        key,
        Secret(named["password"]),
        found[0].password_hash if found else None,
        allowed=found is not None and found[0].enabled and found[1].enabled,
    )
    if found is None:  # refused above already; said again for the type checker
        raise Unauthenticated(REFUSED)
    return Login(found[0].id, epoch_of(*found), ("password",))


def _account_key(named: Mapping[str, Any], found: tuple[User, Domain] | None) -> str:
    if found is not None:
        return login_failures.account_key("user", found[0].id)
    domain = named.get("domain") or {}
    return login_failures.account_key(
        "unknown", str(named.get("id")), str(named.get("name")), str(domain.get("id")), str(domain.get("name"))
    )


def check_password(
    services: Services, context: RequestContext, key: str, password: Secret, stored: str | None, *, allowed: bool
) -> None:
    """Compare and count. When account or address is blocked, nothing is compared; no transaction is open while hashing.

    Raises Unauthenticated.
    """
    now = services.clock.now()
    address = login_failures.address_key(context.client_address)
    with services.db.read() as session:
        state = login_failures.state_of(session, key, now)
        from_there = login_failures.state_of(session, address, now) if address else login_failures.State.CLEAN
    if login_failures.State.BLOCKED in (state, from_there):
        log.event(logger, "login.blocked", logging.WARNING, account=key[:12], address=context.client_address)
        raise Unauthenticated(REFUSED)
    matched = passwords_for(services.config.identity).verify(password, stored)
    if not (matched and allowed):
        services.db.run(lambda session: _count_failure(session, key, address, now))
        log.event(logger, "login.failed", logging.WARNING, account=key[:12], address=context.client_address)
        raise Unauthenticated(REFUSED)
    if state is login_failures.State.FAILED_BEFORE:
        services.db.run(lambda session: login_failures.clear(session, key))


def _count_failure(session: Session, key: str, address: str | None, now: datetime) -> None:
    login_failures.record(session, key, now)
    if address:
        login_failures.record(session, address, now, login_failures.ADDRESS_FREE_TRIES)
