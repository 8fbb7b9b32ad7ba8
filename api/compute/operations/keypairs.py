"""Key pairs: imported after a check of the key itself, or made here and the private half shown once."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy.orm import Session

from api.compute.operations.quota_defaults import defaults
from api.request import Services
from common.context import RequestContext
from common.db import keypairs, user_quotas
from common.db.models import Keypair
from common.db.paging import Page
from common.errors import Forbidden, InvalidRequest
from common.secret import Secret

RSA_BITS = 2048
X509 = "x509"
_KINDS = (
    "ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    row: Keypair
    private_key: Secret | None


@dataclass(frozen=True)
class NewKeypair:
    """type: ssh or x509. public_key: what is imported; None: a pair is to be made."""

    user_id: str
    name: str
    type: str
    public_key: str | None


def owner(context: RequestContext, user_id: str | None) -> str:
    """Whose key pairs are meant: the caller's own, or another user's for administrators. Raises Forbidden."""
    if user_id in (None, "", context.user_id):
        return context.user_id
    if not context.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:os-keypairs to be performed on another user's key pairs.")
    return str(user_id)


def list_page(services: Services, user_id: str, page: Page) -> list[Keypair]:
    with services.db.read() as session:
        return keypairs.list_page(session, user_id, page)


def show(services: Services, user_id: str, name: str) -> Keypair:
    """Raises NotFound."""
    with services.db.read() as session:
        return keypairs.get(session, user_id, name)


def create(services: Services, context: RequestContext, new: NewKeypair) -> Made:
    """Import a public key, or make a pair. Raises InvalidRequest for a bad key, AlreadyExists, QuotaExceeded."""
    text, printed, private_key = _checked(new, services.clock.now())

    def work(session: Session) -> Keypair:
        project_id, known = context.project_id or "", defaults(services.config.quota)
        limits = user_quotas.effective_limits(session, project_id, new.user_id, known)
        return keypairs.create(
            session, user_id=new.user_id, name=new.name, kind=new.type, public_key=text, fingerprint=printed,
            limit=limits["key_pairs"],
            now=services.clock.now(),
        )  # fmt: skip

    return Made(services.db.run(work), private_key)


def delete(services: Services, user_id: str, name: str) -> None:
    """Raises NotFound."""
    services.db.run(lambda session: keypairs.delete(session, user_id, name))


def _checked(new: NewKeypair, now: datetime) -> tuple[str, str, Secret | None]:
    """Public half, fingerprint, and the private half of a pair that was made here. Raises InvalidRequest."""
    given, private_key = new.public_key, None
    if new.type == X509:
        from api.compute.operations import certificates  # here: 2 MiB of X.509 for what hardly anybody asks for

        if given is None:
            given, private_key = certificates.make(new.user_id, now)
        return given, certificates.fingerprint(given), private_key
    if given is None:
        given, private_key = _generate()
    text = normal_form(given)
    return text, fingerprint(text), private_key


def normal_form(public_key: str) -> str:
    """The key as one line of authorized_keys. Raises InvalidRequest for anything but one well-formed key.

    A second line, or options before the key, would be a second key or a command in the guest.
    """
    text = public_key.strip()
    parts = text.split(None, 2)
    if len(parts) < 2 or parts[0] not in _KINDS or any(ord(char) < 32 and char != "\t" for char in text):
        raise _invalid()
    try:
        blob = base64.b64decode(parts[1], validate=True)
        if blob[4 : 4 + int.from_bytes(blob[:4])].decode("ascii") != parts[0]:
            raise _invalid()
        if not parts[0].startswith("sk-"):  # keys in hardware are newer than some versions of the library
            serialization.load_ssh_public_key(f"{parts[0]} {parts[1]}".encode("ascii"))
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as err:
        raise _invalid() from err
    return text


def fingerprint(public_key: str) -> str:
    """MD5 in pairs of hexadecimal digits, as Nova's API shows it; an identifier, not a protection."""
    digest = hashlib.md5(base64.b64decode(public_key.split()[1]), usedforsecurity=False).hexdigest()
    return ":".join(digest[index : index + 2] for index in range(0, len(digest), 2))


def _generate() -> tuple[str, Secret]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return f"{public.decode()} Generated-by-Cumulet", Secret(private.decode())


def _invalid() -> InvalidRequest:
    return InvalidRequest("Keypair data is invalid: failed to generate fingerprint")
