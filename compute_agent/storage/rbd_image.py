"""What an image in a Ceph pool is called, and how QEMU's block layer is told to open it: values, never one string.

The key of the Ceph user is in a file of the node's, which tools read themselves: no argument list shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from compute_agent.storage.qemu_img import Source, flat

_KEY_ID = "ceph-key"


@dataclass(frozen=True)
class Pool:
    """A pool of block devices, and as whom it is reached. key_file None: of a cluster without cephx."""

    name: str
    user: str
    conf_file: Path
    key_file: Path | None


@dataclass(frozen=True)
class RbdImage:
    """An image, or a snapshot of one. Its name is made of an id of ours. Always raw, and whole or not there at all."""

    pool: Pool
    name: str
    snapshot: str = ""

    def at(self, snapshot: str) -> RbdImage:
        return replace(self, snapshot=snapshot)

    def source(self) -> Source:
        node = {
            "driver": "raw",
            "file": {
                "driver": "rbd", "pool": self.pool.name, "image": self.name, "conf": str(self.pool.conf_file),
                "user": self.pool.user,
            },
        }  # fmt: skip
        if self.snapshot:
            node["file"]["snapshot"] = self.snapshot  # type: ignore[index]
        if self.pool.key_file is None:
            return Source(flat(node))
        node["file"]["key-secret"] = _KEY_ID  # type: ignore[index]
        secret = {"id": _KEY_ID, "file": str(self.pool.key_file), "format": "base64"}
        return Source(flat(node), ("--object", f"secret,{flat(secret)}"))

    def __str__(self) -> str:
        return f"{self.pool.name}/{self.name}{'@' if self.snapshot else ''}{self.snapshot}"
