"""Answers metadata requests: (network, source address) -> port -> instance -> document.

Identity comes from where the request came in and from its source address, which the port's filters vouch for; nothing
the guest writes takes part (META-01). Nothing is cached, so an address that has a new owner never shows the former
one's documents (META-03).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from common import guest_password
from common.errors import CloudError
from common.log import event
from common.rpc.compute_v1 import InstanceSpec, PortSpec
from compute_agent.metadata import documents
from compute_agent.metadata.guest_passwords import GuestPasswords, TooOften
from compute_agent.networking.base import MetadataPeer

RANDOM_SEED_BYTES = 512

PortAt = Callable[[str, str], PortSpec | None]
InstanceSpecOf = Callable[[str], InstanceSpec | None]
Answer = tuple[int, str, bytes]

logger = logging.getLogger(__name__)


class MetadataService:
    """`answer` is a compute_agent.networking.base.MetadataHandler."""

    def __init__(
        self, *, port_at: PortAt, instance_spec: InstanceSpecOf, domain: str, passwords: GuestPasswords
    ) -> None:
        self._port_at = port_at
        self._instance_spec = instance_spec
        self._domain = domain
        self._passwords = passwords

    def answer(self, peer: MetadataPeer, method: str, path: str, body: bytes) -> Answer:
        is_password = documents.is_password(path)
        if method not in ("GET", "HEAD") and not (is_password and method == "POST"):
            return _text(405, "only GET and HEAD; POST of a password")
        port = self._port_at(peer.network_id, peer.address)
        spec = self._instance_spec(port.instance_id) if port is not None else None
        if port is None or spec is None or spec.id != port.instance_id:
            event(logger, "metadata.unknown_guest", network_id=peer.network_id, address=peer.address)
            return _text(404, "not found")
        if is_password:
            return self._password(spec.id, method, body)
        facts = documents.facts_of(spec, domain=self._domain, random_seed=secrets.token_bytes(RANDOM_SEED_BYTES))
        document = documents.find(facts, path)
        if document is None:
            return _text(404, "not found")
        return 200, document.content_type, document.body

    def _password(self, instance_id: str, method: str, body: bytes) -> Answer:
        """Source of the rules: Nova's metadata service (one password, 409 for a second one)."""
        try:
            if method != "POST":
                return 200, documents.TEXT, self._passwords.show(instance_id).encode()
            ciphertext = guest_password.read(body)
            if ciphertext is None:
                return _text(400, guest_password.REFUSAL)
            if not self._passwords.leave(instance_id, ciphertext):
                return _text(409, "there is a password already")
            return _text(200, "")
        except TooOften as err:
            return _text(429, err.message)
        except CloudError as err:
            event(
                logger, "metadata.password_failed", logging.WARNING, instance_id=instance_id, reason=err.message,
                detail=err.detail,
            )  # fmt: skip
            return _text(503, "try again later")


def _text(status: int, text: str) -> Answer:
    return status, documents.TEXT, f"{text}\n".encode() if text else b""
