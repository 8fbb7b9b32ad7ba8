"""Secrets that must be given back, such as EC2 keys: encrypted with a key that is not in the database (OPS-05).

The keys lie below the token keys and are not rotated with them: a token key may be thrown away when its last token has
expired, a credential lives until its user takes it back. What encrypts is loaded when the first secret is sealed or opened:
schedulers and agents, which hardly ever do, would be 5 MiB larger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import ConfigError
from common.key_files import CREDENTIAL_KEYS, read_keys
from common.secret import Secret

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

#: what the name of an operation's parameter begins with whose value is sealed: it goes when the operation ends
SEALED = "sealed_"


class Seal:
    """keys: asked for at the first use. gone: what has happened, in words, when something can't be opened."""

    def __init__(self, keys: Callable[[], Sequence[bytes]], gone: str) -> None:
        self._keys = keys
        self._gone = gone

    @cached_property
    def _fernet(self) -> MultiFernet:
        from cryptography.fernet import Fernet, MultiFernet

        return MultiFernet([Fernet(key) for key in self._keys()])

    def seal(self, secret: Secret) -> str:
        return self._fernet.encrypt(secret.reveal().encode("utf-8", "surrogatepass")).decode()

    def open(self, sealed: str) -> Secret:
        """Raises ConfigError when the key that it was sealed with is gone."""
        from cryptography.fernet import InvalidToken

        try:
            return Secret(self._fernet.decrypt(sealed.encode()).decode("utf-8", "surrogatepass"))
        except InvalidToken as err:
            raise ConfigError(self._gone) from err


@lru_cache(maxsize=8)
def vault_at(fernet_dir: str) -> Seal:
    """The one that belongs to these token keys. Raises ConfigError when it has no keys."""
    keys = read_keys(Path(fernet_dir) / CREDENTIAL_KEYS)
    return Seal(lambda: keys, "a stored credential can't be decrypted: its key is not in the folder of keys")


def is_any_sealed(params: Mapping[str, Any]) -> bool:
    return any(name.startswith(SEALED) for name in params)


def without_sealed(params: Mapping[str, Any]) -> dict[str, Any]:
    """What is left of an ended operation's parameters."""
    return {name: value for name, value in params.items() if not name.startswith(SEALED)}
