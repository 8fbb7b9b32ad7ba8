"""Stored credentials. Their secrets come and go encrypted; common/vault.py has the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.db import paging
from common.db.models import Credential
from common.errors import AlreadyExists, NotFound


def get(session: Session, credential_id: str) -> Credential:
    """Raises NotFound."""
    found = session.get(Credential, credential_id, populate_existing=True)
    if found is None:
        raise NotFound(f"Could not find credential: {credential_id}.")
    return found


def page(session: Session, filters: Mapping[str, Any], page: paging.Page) -> list[Credential]:
    """Filters: user_id, type."""
    query = sa.select(Credential).filter_by(**filters)
    return paging.fetch(session, query, page, columns={"id": Credential.id}, default=[("id", False)], key=Credential.id)


def count_of(session: Session, user_id: str) -> int:
    query = sa.select(sa.func.count()).select_from(Credential).where(Credential.user_id == user_id)
    return int(session.scalar(query) or 0)


def create(session: Session, values: Mapping[str, Any]) -> Credential:
    """Raises AlreadyExists when the id is taken; an EC2 credential's is made from its access key."""
    credential = Credential(**values)
    credential_id = credential.id
    session.add(credential)
    try:
        session.flush()
    except IntegrityError as err:
        raise AlreadyExists(
            f"Conflict occurred attempting to store credential - Duplicate entry found with id {credential_id}."
        ) from err
    return credential


def set_secret(session: Session, credential: Credential, sealed: str) -> None:
    credential.secret = sealed
    session.flush()


def delete(session: Session, credential: Credential) -> None:
    session.delete(credential)
    session.flush()
