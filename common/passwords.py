"""Password hashes: Argon2id, with a cap before hashing and a dummy for accounts that don't exist.

The cap keeps a megabyte of password from burning CPU (OSSA-2012-002); nothing is ever cut off silently. Verifying
against the dummy takes as long as against a real hash, so that the time tells nobody which accounts exist
(OSSA-2021-003).
"""

from __future__ import annotations

from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from common.config import IdentityConfig
from common.errors import InvalidRequest
from common.secret import Secret


class Passwords:
    """Makes and checks hashes with one set of costs; see `passwords_for`."""

    def __init__(self, memory_kib: int, rounds: int, max_bytes: int) -> None:
        self._hasher = PasswordHasher(time_cost=rounds, memory_cost=memory_kib, parallelism=1)
        self._max_bytes = max_bytes
        self._dummy = self._hasher.hash("no account has this password")

    def hash(self, password: Secret) -> str:
        """Raises InvalidRequest for an empty password or one longer than the cap."""
        if not password:
            raise InvalidRequest("The password must not be empty.")
        if self._too_long(password):
            raise InvalidRequest(f"The password is longer than {self._max_bytes} bytes.")
        return self._hasher.hash(password.reveal())

    def verify(self, password: Secret, stored: str | None) -> bool:
        """True when `stored` is this password's hash. None (no account or password) takes as long as a wrong one."""
        if self._too_long(password):
            return False
        try:
            matched = self._hasher.verify(stored or self._dummy, password.reveal())
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False
        return matched and stored is not None

    def _too_long(self, password: Secret) -> bool:
        text = password.reveal()
        return len(text) > self._max_bytes or len(text.encode("utf-8", "surrogatepass")) > self._max_bytes


@lru_cache(maxsize=8)
def passwords_for(config: IdentityConfig) -> Passwords:
    """The one of this configuration; kept, because its dummy hash costs as much as a login."""
    return Passwords(config.argon2_memory_kib, config.argon2_rounds, config.max_password_bytes)
