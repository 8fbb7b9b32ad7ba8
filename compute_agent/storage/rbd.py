"""The only caller of `rbd` and `rados`: images of one pool, their snapshots, marks on them, and notes about them.

Names go to the tools as options of their own, not as parts of POOL/IMAGE@SNAPSHOT.
Source: rbd(8) and rados(8) of Ceph 16; both end with the number of the error.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence

from common import tool
from common.deadlines import RBD_COPY_S, RBD_S
from common.errors import ToolFailed
from compute_agent.storage.rbd_image import Pool, RbdImage

_NOTES = "cumulet.notes"  # the object that has them: one key for each volume


class RbdPool:
    """All raise ToolFailed. Nothing here asks twice; whoever calls knows what is there already."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def image(self, name: str) -> RbdImage:
        return RbdImage(self.pool, name)

    def create(self, image: RbdImage, size_gib: int, *, shared: bool) -> None:
        """Empty. shared: several write to it at once, so that none can have the lock on it."""
        several = ["--image-shared"] if shared else []
        self._rbd(["create", *_named(image), "--size", f"{size_gib}G", *several])

    def size_bytes(self, image: RbdImage) -> int | None:
        """None: there is no such image."""
        said = self._rbd_or_nothing(["info", "--format", "json", *_named(image)])
        return None if said is None else int(json.loads(said)["size"])

    def resize(self, image: RbdImage, size_gib: int) -> None:
        self._rbd(["resize", "--no-progress", *_named(image), "--size", f"{size_gib}G"])

    def empty(self, image: RbdImage, size_gib: int) -> None:
        """Give up all of its bytes; those of its snapshots stay."""
        self._rbd(["resize", "--no-progress", "--allow-shrink", *_named(image), "--size", "0"], RBD_COPY_S)
        self.resize(image, size_gib)

    def remove(self, image: RbdImage) -> None:
        """Succeeds when there is none. Fails for one that somebody has open, or that has snapshots."""
        self._rbd_or_nothing(["remove", "--no-progress", *_named(image)], RBD_COPY_S)

    def mark(self, image: RbdImage, key: str) -> None:
        self._rbd(["image-meta", "set", *_named(image), key, "true"])

    def has_mark(self, image: RbdImage, key: str) -> bool:
        """False also when there is no image."""
        return self._rbd_or_nothing(["image-meta", "get", *_named(image), key]) is not None

    def snapshots(self, image: RbdImage) -> list[str]:
        """Their names; none when there is no image."""
        said = self._rbd_or_nothing(["snap", "list", "--format", "json", *_named(image)])
        return [] if said is None else [str(each["name"]) for each in json.loads(said)]

    def take_snapshot(self, snapshot: RbdImage) -> None:
        """Of one moment, whoever writes to the image. Whether there is one already must be known."""
        self._rbd(["snap", "create", "--no-progress", *_named(snapshot)])

    def remove_snapshot(self, snapshot: RbdImage) -> None:
        """Succeeds when there is none."""
        self._rbd_or_nothing(["snap", "remove", "--no-progress", *_named(snapshot)])

    def roll_back(self, snapshot: RbdImage) -> None:
        """Give the image the snapshot's bytes, and size; cut off in the middle it is to be done again."""
        self._rbd(["snap", "rollback", "--no-progress", *_named(snapshot)], RBD_COPY_S)

    def names(self) -> set[str]:
        """Of all images of the pool."""
        return set(json.loads(self._rbd(["list", "--format", "json", "--pool", self.pool.name])))

    def note(self, key: str) -> bytes | None:
        """What was noted under the key; None: nothing."""
        try:
            return self._rados(["getomapval", _NOTES, key, "/dev/stdout"])
        except ToolFailed:  # its status does not tell whether the key or the cluster is missing
            if key in self.noted():
                raise
            return None

    def noted(self) -> set[str]:
        try:
            return set(self._rados(["listomapkeys", _NOTES]).decode().split())
        except ToolFailed as err:
            if f"({errno.ENOENT})" in err.detail:
                return set()
            raise

    def set_note(self, key: str, value: str) -> None:
        self._rados(["setomapval", _NOTES, key, value])

    def forget_note(self, key: str) -> None:
        self._rados(["rmomapkey", _NOTES, key])

    def _rbd_or_nothing(self, words: Sequence[str], timeout_s: float = RBD_S) -> bytes | None:
        """None: what it is about is not there."""
        try:
            return self._rbd(words, timeout_s)
        except ToolFailed as err:
            if err.facts.get("status") == errno.ENOENT:
                return None
            raise

    def _rbd(self, words: Sequence[str], timeout_s: float = RBD_S) -> bytes:
        return tool.run(["rbd", *self._as_user(), *words], timeout_s=timeout_s)

    def _rados(self, words: Sequence[str]) -> bytes:
        return tool.run(["rados", *self._as_user(), "--pool", self.pool.name, *words], timeout_s=RBD_S)

    def _as_user(self) -> list[str]:
        key = ["--keyfile", str(self.pool.key_file)] if self.pool.key_file is not None else []
        return ["--conf", str(self.pool.conf_file), "--id", self.pool.user, *key]


def _named(image: RbdImage) -> list[str]:
    words = ["--pool", image.pool.name, "--image", image.name]
    return [*words, "--snap", image.snapshot] if image.snapshot else words
