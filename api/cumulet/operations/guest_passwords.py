"""What nodes ask and tell of the passwords that their guests leave at the metadata service."""

from __future__ import annotations

import logging
from typing import IO

from sqlalchemy.orm import Session

from api.cumulet.operations.nodes import authenticated
from api.request import Services
from common import guest_password, log
from common.db import guest_passwords, instances
from common.errors import Conflict, InvalidRequest, NotFound

logger = logging.getLogger(__name__)


def show(services: Services, node: str, secret: str, instance_id: str) -> str:
    """As the guest has encrypted it, "" for none. Raises Unauthenticated; NotFound for a guest that is not the node's."""
    with services.db.read() as session:
        _check_its_guest(session, node, secret, instance_id)
        return guest_passwords.find(session, instance_id)


def leave(services: Services, node: str, secret: str, instance_id: str, stream: IO[bytes]) -> None:
    """Raises as `show`, before a byte is read; InvalidRequest; Conflict when the guest has left one before, which stays."""
    with services.db.read() as session:
        _check_its_guest(session, node, secret, instance_id)
    ciphertext = guest_password.read(stream.read(guest_password.MAX_BYTES + 1))
    if ciphertext is None:
        raise InvalidRequest(guest_password.REFUSAL)

    def work(session: Session) -> bool:
        _check_its_guest(session, node, secret, instance_id)
        return guest_passwords.leave(session, instance_id, ciphertext, services.clock.now())

    if not services.db.run(work):
        raise Conflict(f"Guest {instance_id} has left a password before; its owner can clear that.")
    log.event(logger, "guest_password.left", instance_id=instance_id, node=node)


def _check_its_guest(session: Session, node: str, secret: str, instance_id: str) -> None:
    shown = authenticated(session, node, secret)
    if instances.get(session, instance_id).node_id != shown.id:
        raise NotFound(f"Instance {instance_id} could not be found.")
