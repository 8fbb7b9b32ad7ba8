"""The folder of keys that tokens and stored credentials are encrypted with: read here, so that nothing else is loaded by
whoever only needs to know that it may have to open something one day.
"""

from __future__ import annotations

from pathlib import Path

from common.errors import ConfigError

#: the folder, below that of the token keys, of the keys that stored credentials are encrypted with
CREDENTIAL_KEYS = "credentials"


def read_keys(fernet_dir: Path) -> list[bytes]:
    """All keys, the primary first. Raises ConfigError when there are none or they can't be read."""
    try:
        names = sorted((int(path.name) for path in fernet_dir.iterdir() if path.name.isdigit()), reverse=True)
        keys = [(fernet_dir / str(name)).read_bytes().strip() for name in names]
    except OSError as err:
        raise ConfigError(f"can't read token keys in {fernet_dir}: {err.strerror}; run devstack/up") from err
    if not keys:
        raise ConfigError(f"no token keys in {fernet_dir}; run devstack/up or `cumulet db migrate --bootstrap`")
    return keys
