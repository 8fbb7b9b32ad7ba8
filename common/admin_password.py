"""The password of a new, rebuilt or rescued server on its way to its config drive, where Nova has it too (`admin_pass`).

It is answered once and kept nowhere: in its operation it is sealed with a key that is not in the database, and goes when
the operation ends; on the node it is in the command, for as long as that is worked on, and on the drive, the guest's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.config import Config
from common.secret import Secret
from common.vault import SEALED, vault_at

PARAM = f"{SEALED}admin_password"


def sealed(password: Secret, config: Config) -> dict[str, Any]:
    """What an operation's params are to hold of it. Raises ConfigError without keys."""
    return {PARAM: vault_at(config.identity.fernet_dir).seal(password)}


def opened(params: Mapping[str, Any], config: Config) -> str:
    """For the command that makes the drive; "" when there is none. Raises ConfigError when the key is gone."""
    found = params.get(PARAM)
    return vault_at(config.identity.fernet_dir).open(found).reveal() if found else ""
