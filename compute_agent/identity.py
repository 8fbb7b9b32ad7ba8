"""Who this node is: ids and secrets made once and kept, and which boot of the machine this is."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from common.errors import ConfigError
from common.ids import is_uuid, new_id
from common.secret import Secret
from compute_agent import durable

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SECRET_BYTES = 32


def node_id(state_dir: Path) -> str:
    """The node's id: not its name, so that a host that changes its name stays the same node (HYP-11)."""
    path = state_dir / "node.id"
    known = durable.read_word(path)
    if is_uuid(known):
        return known
    if known:
        raise ConfigError(f"{path} does not hold a node id; restore it, since the control plane knows this node by it")
    made = new_id()
    durable.write(path, f"{made}\n".encode())
    return made


def image_secret(path: Path) -> Secret:
    """The secret shown to the image service, made at the first start; the control plane is told its sha256."""
    known = durable.read_word(path)
    if not known:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = secrets.token_urlsafe(_SECRET_BYTES)
        durable.write(path, f"{known}\n".encode())
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} holds a secret and is readable by others; chmod 600 it")
    return Secret(known)


def headers(node: str, secret: Secret) -> dict[str, str]:
    """What a request to the API shows, so that it is known to be this node's."""
    return {"X-Cumulet-Node": node, "X-Cumulet-Node-Secret": secret.reveal()}


def current_boot(path: Path = BOOT_ID) -> str:
    return path.read_text().strip()


class BootRecord:
    """The boot in which this node's guests were last brought up."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "boot.id"

    def last(self) -> str:
        """ "" at the first start."""
        return durable.read_word(self._path)

    def write(self, boot_id: str) -> None:
        durable.write(self._path, f"{boot_id}\n".encode())


class StateLock:
    """One agent per state folder: two would obey the same commands. Dies with the process."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "agent.lock"
        self._descriptor = -1

    def take(self) -> None:
        """Raises ConfigError when another agent has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            os.close(descriptor)
            raise ConfigError(f"another agent works on {self._path.parent}; stop it or give this one its own") from err
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
