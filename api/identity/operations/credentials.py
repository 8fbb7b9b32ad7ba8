"""What the calls about stored credentials mean, EC2's among them.

A credential carries no roles of its own: whoever logs in with it gets all that its user has in the project. So a token
made with an application credential neither makes, changes nor sees one (AUTH-04), and owner and project never change.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from api.identity.operations.access import hiding, refused
from api.identity.operations.application_credentials import check_seen
from api.request import Services
from common import log
from common.context import RequestContext
from common.db import credentials as stored
from common.db import projects, users
from common.db.models import Credential
from common.db.paging import Page
from common.errors import Forbidden, InvalidRequest, NotFound
from common.ids import new_hex_id
from common.secret import Secret
from common.vault import Seal, vault_at

logger = logging.getLogger(__name__)
EC2 = "ec2"
MAX_PER_USER = 200


@dataclass(frozen=True)
class Shown:
    """A credential with what it keeps."""

    credential: Credential
    blob: Secret


def list_all(services: Services, context: RequestContext, filters: dict[str, Any], page: Page) -> list[Shown]:
    """The caller's own, or everybody's for those who see everything."""
    _refuse_limited(context, "list_credentials")
    if not context.reads_all:
        asked = filters.get("user_id", context.user_id)
        filters = {**filters, "user_id": context.user_id if asked == context.user_id else ""}
    with services.db.read() as session:
        return [_opened(services, row) for row in stored.page(session, filters, page)]


def show(services: Services, context: RequestContext, credential_id: str) -> Shown:
    """Raises NotFound, Forbidden for another user's."""
    _refuse_limited(context, "get_credential")
    with services.db.read() as session, hiding(context, "get_credential"):
        found = stored.get(session, credential_id)
    if not (context.reads_all or found.user_id == context.user_id):
        raise refused("get_credential")
    return _opened(services, found)


def create(services: Services, context: RequestContext, given: Mapping[str, Any]) -> Shown:
    """Raises Forbidden for another user, NotFound (user, project), InvalidRequest for an EC2 blob without access."""
    user_id = given.get("user_id") or context.user_id
    _check_made(context, user_id, "create_credential")
    return _create(services, user_id, given.get("project_id"), given["type"], Secret(given["blob"]))


def create_ec2(services: Services, context: RequestContext, user_id: str, project_id: str) -> Shown:
    """Raises Forbidden, NotFound."""
    key = "ec2_create_credential"
    if context.domain_id is not None or not (context.is_admin or "member" in context.roles):
        raise refused(key)
    _check_made(context, user_id, key)
    blob = {"access": new_hex_id(), "secret": secrets.token_hex(16), "trust_id": None}
    return _create(services, user_id, project_id, EC2, Secret(json.dumps(blob)))


def update(services: Services, context: RequestContext, credential_id: str, given: Mapping[str, Any]) -> Shown:
    """Only what it keeps may change. Raises NotFound, Forbidden, InvalidRequest."""
    blob = Secret(given["blob"]) if "blob" in given else None

    def work(session: Session) -> Credential:
        found = _changeable(session, context, credential_id, "update_credential")
        for name in ("id", "user_id", "project_id", "type"):
            if name in given and given[name] != getattr(found, name):
                raise InvalidRequest(f"Cannot change {name} of a credential: make another one.", field=name)
        if blob is not None:
            if found.type == EC2:
                _access_key(blob)
            stored.set_secret(session, found, _vault(services).seal(blob))
        return found

    return _opened(services, services.db.run(work))


def delete(services: Services, context: RequestContext, credential_id: str) -> None:
    """Raises NotFound, Forbidden."""
    key = "delete_credential"
    services.db.run(lambda session: stored.delete(session, _changeable(session, context, credential_id, key)))
    log.event(logger, "credential.deleted", id=credential_id, by=context.user_id)


def list_ec2(services: Services, context: RequestContext, user_id: str, page: Page) -> list[Shown]:
    """Raises Forbidden, NotFound."""
    check_seen(context, user_id, "ec2_list_credentials")
    _refuse_limited(context, "ec2_list_credentials")
    with services.db.read() as session:
        users.get(session, user_id)
        return [_opened(services, row) for row in stored.page(session, {"user_id": user_id, "type": EC2}, page)]


def show_ec2(services: Services, context: RequestContext, user_id: str, access: str) -> Shown:
    """Raises Forbidden, NotFound."""
    check_seen(context, user_id, "ec2_get_credential")
    _refuse_limited(context, "ec2_get_credential")
    with services.db.read() as session:
        return _opened(services, _ec2(session, user_id, access))


def delete_ec2(services: Services, context: RequestContext, user_id: str, access: str) -> None:
    """Raises Forbidden, NotFound."""
    key = "ec2_delete_credential"
    check_seen(context, user_id, key)

    def work(session: Session) -> None:
        found = _ec2(session, user_id, access)
        _check_made(context, user_id, key)
        stored.delete(session, found)

    services.db.run(work)


def _create(services: Services, user_id: str, project_id: str | None, kind: str, blob: Secret) -> Shown:
    credential_id = _ec2_id(_access_key(blob)) if kind == EC2 else new_hex_id()
    sealed = _vault(services).seal(blob)

    def work(session: Session) -> Credential:
        users.get(session, user_id)
        if project_id is not None:
            projects.get(session, project_id)
        if stored.count_of(session, user_id) >= MAX_PER_USER:
            raise Forbidden(f"A user has at most {MAX_PER_USER} credentials.")
        values = {"id": credential_id, "user_id": user_id, "project_id": project_id, "type": kind, "secret": sealed}
        return stored.create(session, values)

    made = services.db.run(work)
    log.event(logger, "credential.created", id=made.id, user_id=user_id, type=kind)
    return Shown(made, blob)


def _check_made(context: RequestContext, user_id: str, key: str) -> None:
    """Raises Forbidden for another user's, and for a token that was made with a credential or a trust itself."""
    _refuse_limited(context, key)
    if not (context.is_admin or user_id == context.user_id):
        raise refused(key)


def _refuse_limited(context: RequestContext, key: str) -> None:
    if context.application_credential_id is not None or context.trust_id is not None:
        raise refused(key)


def _changeable(session: Session, context: RequestContext, credential_id: str, key: str) -> Credential:
    try:
        found = stored.get(session, credential_id)
    except NotFound as err:
        if context.is_admin:
            raise
        raise refused(key) from err
    _check_made(context, found.user_id, key)
    return found


def _ec2(session: Session, user_id: str, access: str) -> Credential:
    users.get(session, user_id)
    found = stored.get(session, _ec2_id(access))
    if found.user_id != user_id:
        raise NotFound(f"Could not find credential: {access[:64]}.")
    return found


def _ec2_id(access: str) -> str:
    return hashlib.sha256(access.encode("utf-8", "surrogatepass")).hexdigest()


def _access_key(blob: Secret) -> str:
    """Raises InvalidRequest, which doesn't repeat the blob."""
    try:
        content = json.loads(blob.reveal())
    except (ValueError, RecursionError) as err:
        raise InvalidRequest("Invalid blob in credential: it is no JSON.") from err
    if not isinstance(content, dict) or not isinstance(content.get("access"), str) or not content["access"]:
        raise InvalidRequest("Expecting to find access in the blob of an EC2 credential.")
    return str(content["access"])


def _opened(services: Services, row: Credential) -> Shown:
    return Shown(row, _vault(services).open(row.secret))


def _vault(services: Services) -> Seal:
    return vault_at(services.config.identity.fernet_dir)
