"""Fernet tokens: made and read in process, no table of tokens, revocable through the database.

A token's content is msgpack under Fernet (AES-128-CBC and HMAC-SHA256); keys lie in a folder shared by all API hosts,
named by number: the highest is the primary, which encrypts; all decrypt; 0 is the next primary (Keystone's rotation).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from common.errors import Unauthenticated
from common.key_files import CREDENTIAL_KEYS, read_keys

MAX_TOKEN_CHARS = 1024


class TokenContent(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a token says. Times are seconds since 1970, UTC. chain_id is the audit id of the first token of a chain.

    user_epoch and scope_epoch are the revocation epochs of the user and of the scope when the token was made
    (common/db/tokens.py): a token dies when either has changed since, whatever the clocks of the API hosts say.
    """

    user_id: str
    methods: tuple[str, ...]
    audit_id: str
    chain_id: str
    issued_at: float
    expires_at: float
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    user_epoch: int = 0
    scope_epoch: int = 0
    application_credential_id: str | None = None
    trust_id: str | None = None

    @property
    def issued(self) -> datetime:
        return datetime.fromtimestamp(self.issued_at, UTC)

    @property
    def expires(self) -> datetime:
        return datetime.fromtimestamp(self.expires_at, UTC)


_decoder = msgspec.msgpack.Decoder(TokenContent)


class TokenCodec:
    def __init__(self, fernet_dir: str) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in read_keys(Path(fernet_dir))])

    def encode(self, content: TokenContent) -> str:
        return self._fernet.encrypt(msgspec.msgpack.encode(content)).decode().rstrip("=")

    def decode(self, token: str) -> TokenContent:
        """Raises Unauthenticated for anything we did not make. Expiry and revocation are the caller's to check."""
        if len(token) > MAX_TOKEN_CHARS:
            raise Unauthenticated("This is not a recognized Fernet token.")
        try:
            padded = token + "=" * (-len(token) % 4)
            return _decoder.decode(self._fernet.decrypt(padded.encode("ascii")))
        except (InvalidToken, UnicodeEncodeError, msgspec.MsgspecError) as err:
            raise Unauthenticated("This is not a recognized Fernet token.") from err


def create_keys(fernet_dir: Path) -> None:
    """Make the first keys, 0600, for tokens and for stored credentials, each unless there are some already."""
    for folder in (fernet_dir, fernet_dir / CREDENTIAL_KEYS):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(path.name.isdigit() for path in folder.iterdir()):
            continue
        for name in ("0", "1"):
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key())
