"""What the agent's core asks of storage: an instance's disks as a whole.

`DiskStorage` makes real ones from cached images; `NoStorage` serves the drivers whose guests need none, so that nodes
made of files neither fetch images nor call qemu-img.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from common.rpc.command_base import ImageSpec
from common.rpc.compute_v1 import InstanceSpec
from common.rpc.queries_v1 import CachedImageEntry
from compute_agent.hypervisor.base import Disk

Measure = Callable[[str], AbstractContextManager[None]]
"""Measures a block under a name of the report's timings: image, disks."""


class Storage(Protocol):
    """All verbs are idempotent and raise common.errors.StorageError; calls for one instance are serial."""

    def ensure(self, spec: InstanceSpec, measure: Measure, *, admin_password: str = "") -> tuple[Disk, ...]:
        """Make the instance's disks, fetching the image if need be. Also raises ImageDamaged and ImageRefused.

        admin_password: what a config drive that is made now tells the guest; one that is there stays as it is.
        """
        ...

    def disks(self, spec: InstanceSpec) -> tuple[Disk, ...]:
        """The disks that `ensure` made, without making any. Raises StorageError when one is missing."""
        ...

    def exists(self, instance_id: str) -> bool:
        """True when anything of the instance is here, even a part."""
        ...

    def fetch(self, spec: InstanceSpec) -> None:
        """Have the spec's image at hand, so that making disks from it can hardly fail. Raises as `ensure`."""
        ...

    def discarded_by(self, instance_id: str) -> str:
        """The id of the last command that `discard` was called for; "" for none."""
        ...

    def discard(self, instance_id: str, command_id: str, *, keep_ephemeral: bool) -> None:
        """Remove the disks, so that `ensure` makes new ones; the serial log stays. The command's id is noted last."""
        ...

    def keep(self, instance_id: str) -> None:
        """Keep copies of the disks as they are, of a guest that is off, for `restore_kept`; those kept already stay."""
        ...

    def restore_kept(self, instance_id: str) -> None:
        """Put the kept disks in the place of the present ones. Succeeds when none are kept."""
        ...

    def discard_kept(self, instance_id: str) -> None:
        """Remove the kept disks. Succeeds when there are none."""
        ...

    def snapshot(self, instance_id: str, image_id: str) -> Path:
        """Where the copy for an image is, or will be, when it is whole."""
        ...

    def copy_root(self, spec: InstanceSpec, target: Path) -> None:
        """Copy the root disk of a guest that is off, as it is, to a new qcow2 that stands alone."""
        ...

    def upload(self, url: str, path: Path, checkpoint: Callable[[], None]) -> None:
        """Send a file to the image service. `checkpoint` is called now and then, and may raise to give up."""
        ...

    def remove(self, instance_id: str) -> None:
        """Remove all of the instance's disks and its serial log. Succeeds when there is nothing."""
        ...

    def set_aside(self, instance_id: str) -> None:
        """Keep the disks of an instance that nobody knows where it is no longer in the way, for seven days."""
        ...

    def console_log(self, instance_id: str) -> Path:
        """Where the guest's serial log is, or will be."""
        ...

    def want_image(self, image: ImageSpec) -> None:
        """Have the image at hand soon, before anything needs it; a hint. Also raises ImageRefused and OSError."""
        ...

    def images(self) -> list[CachedImageEntry]:
        """What is at hand, and what is to come. Raises OSError."""
        ...

    def drop_images(self, sha512s: Collection[str] | None, *, cached: bool, queued: bool) -> None:
        """Remove images that nothing is built on, or forget that they were to come; None: all. Also raises OSError."""
        ...

    def fetch_wanted(self, stop: threading.Event) -> None:
        """Fetch what `want_image` was told, as it comes, until `stop`: a thread's life."""
        ...

    def upkeep(self) -> None:
        """Housekeeping that may take its time: purge what was set aside long ago."""
        ...
