"""Permissions to open consoles: given, taken once, and whether what they were given for still holds."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db.models import ConsoleToken, Instance
from common.db.tokens import Scope, load_subject
from common.ids import new_request_id
from common.rpc.queries_v1 import ConsoleKind
from common.states import WITH_CONSOLE

_KEEP = timedelta(hours=1)


def give(
    session: Session, instance: Instance, boot: str, kind: ConsoleKind, context: RequestContext, now: datetime,
    ttl_s: int,
) -> str:  # fmt: skip
    """A new token, which is nowhere written down. Those that expired long ago go."""
    session.execute(sa.delete(ConsoleToken).where(ConsoleToken.expires_at < now - _KEEP))
    token = secrets.token_urlsafe(32)
    session.add(
        ConsoleToken(
            token_hash=_hash(token), instance_id=instance.id, node_name=instance.node_name, epoch=instance.epoch,
            boot=boot, console=kind.value, user_id=context.user_id, project_id=context.project_id,
            domain_id=context.domain_id, system_scope=context.system_scope, created_at=now,
            expires_at=now + timedelta(seconds=ttl_s),
        )
    )  # fmt: skip
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def find(session: Session, token: str, now: datetime) -> ConsoleToken | None:
    """One that could still be taken."""
    found = session.get(ConsoleToken, _hash(token))
    return found if found is not None and found.used_at is None and found.expires_at > now else None


def take(session: Session, token: str, now: datetime) -> ConsoleToken | None:
    """Use the token up; None for one that is unknown, was used or came too late. One conditional UPDATE."""
    return session.scalars(
        sa.update(ConsoleToken)
        .where(ConsoleToken.token_hash == _hash(token), ConsoleToken.used_at.is_(None), ConsoleToken.expires_at > now)
        .values(used_at=now)
        .returning(ConsoleToken)
    ).one_or_none()


def still_holds(session: Session, token: ConsoleToken) -> RequestContext | None:
    """The user with the rights of now, if the server is as it was when the token was given; else None.

    As it was: on the same node at the same epoch, in a state in which guests run, and, for all but administrators, not locked.
    """
    scope = Scope(project_id=token.project_id, domain_id=token.domain_id, system=token.system_scope)
    subject = load_subject(session, token.user_id, scope)
    instance = session.get(Instance, token.instance_id, populate_existing=True)
    if subject is None or instance is None or instance.deleted:
        return None
    context = RequestContext(
        request_id=new_request_id(), user_id=token.user_id, project_id=token.project_id, domain_id=token.domain_id,
        system_scope=token.system_scope, roles=frozenset(role.name.lower() for role in subject.roles),
    )  # fmt: skip
    moved = (instance.node_name, instance.epoch) != (token.node_name, token.epoch)
    if moved or instance.vm_state not in WITH_CONSOLE or not context.owns(instance.project_id):
        return None
    return None if instance.locked and not context.is_admin else context
