"""Secrets in messages to a node, for that node alone: a broker writes messages down, and keeps them for longer than they live.

The key is derived (RFC 5869) from what only the two have: the node its image secret, the control plane that secret's
sha256, which nobody can log in with.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from common.errors import ConfigError
from common.secret import Secret

_INFO = b"cumulet: secrets in messages to a node"
_KEY_BYTES = 32


class NodeSeal:
    """secret_hash: sha256 of the node's image secret, 64 hex digits. Raises ConfigError when it is none."""

    def __init__(self, secret_hash: str) -> None:
        if len(secret_hash) != hashlib.sha256().digest_size * 2:
            raise ConfigError("a node whose secret is not known can't be told a password; join it again")
        derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=_INFO).derive(bytes.fromhex(secret_hash))
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    @classmethod
    def of_secret(cls, image_secret: Secret) -> NodeSeal:
        return cls(hashlib.sha256(image_secret.reveal().encode()).hexdigest())

    def seal(self, secret: Secret) -> str:
        return self._fernet.encrypt(secret.reveal().encode("utf-8", "surrogatepass")).decode()

    def open(self, sealed: str) -> Secret:
        """Raises ConfigError when it is not for this node's secret."""
        try:
            return Secret(self._fernet.decrypt(sealed.encode()).decode("utf-8", "surrogatepass"))
        except InvalidToken as err:
            raise ConfigError(
                "a message's password is sealed for another secret than this node's; join it again"
            ) from err
