"""The password of a new, rebuilt or rescued server on its way to its config drive, where Nova has it too (`admin_pass`).

It is answered once and kept nowhere: in its operation it is sealed with a key that is not in the database, and goes when
the operation ends; in the command it is sealed for the node; on the drive it is the guest's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common import node_seal
from common.config import Config
from common.secret import Secret
from common.vault import SEALED, vault_at

PARAM = f"{SEALED}admin_password"


def sealed(password: Secret, config: Config) -> dict[str, Any]:
    """What an operation's params are to hold of it. Raises ConfigError without keys."""
    return {PARAM: vault_at(config.identity.fernet_dir).seal(password)}


def for_node(params: Mapping[str, Any], config: Config, secret_hash: str) -> str:
    """For the command that makes the drive. Raises ConfigError when a key is gone."""
    return node_seal.of_hash(secret_hash).seal(vault_at(config.identity.fernet_dir).open(params[PARAM]))
