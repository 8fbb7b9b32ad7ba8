"""Secrets in messages to a node, for that node alone: a broker writes messages down, and keeps them for longer than they live.

The key is derived (RFC 5869) from what only the two have: the node its image secret, the control plane that secret's
sha256, which nobody can log in with.
"""

from __future__ import annotations

import base64
import hashlib

from common.errors import ConfigError
from common.secret import Secret
from common.vault import Seal

_INFO = b"cumulet: secrets in messages to a node"
_KEY_BYTES = 32


def of_hash(secret_hash: str) -> Seal:
    """secret_hash: sha256 of the node's image secret, 64 hex digits. Raises ConfigError when it is none."""
    if len(secret_hash) != hashlib.sha256().digest_size * 2:
        raise ConfigError("a node whose secret is not known can't be told a password; join it again")
    gone = "a message's password is sealed for another secret than this node's; join it again"
    return Seal(lambda: [_derived(secret_hash)], gone)


def of_secret(image_secret: Secret) -> Seal:
    """The node's own end."""
    return of_hash(hashlib.sha256(image_secret.reveal().encode()).hexdigest())


def _derived(secret_hash: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # here, as in vault.py
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=_INFO).derive(bytes.fromhex(secret_hash))
    return base64.urlsafe_b64encode(derived)
