"""Storage for the drivers `fake` and `test`: one empty folder per instance, no image, no disk."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from common.errors import StorageError
from common.rpc.command_base import ImageSpec
from common.rpc.compute_v1 import InstanceSpec
from common.rpc.queries_v1 import CachedImageEntry
from compute_agent.hypervisor.base import Disk
from compute_agent.hypervisor.fake import EMPTY_COPY
from compute_agent.storage.base import Measure
from compute_agent.storage.uploader import Uploader


class NoStorage:
    """Implements base.Storage. The folder stands for the disks: an instance whose folder is gone can't be started."""

    def __init__(self, state_dir: Path, uploader: Uploader) -> None:
        self._uploader = uploader
        self._instances = state_dir / "instances"
        self._instances.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._orphans = state_dir / "orphans"

    def ensure(self, spec: InstanceSpec, measure: Measure, *, admin_password: str = "") -> tuple[Disk, ...]:  # noqa: ARG002 - there is no drive
        with measure("image"):
            pass
        with measure("disks"):
            try:
                (self._instances / spec.id).mkdir(mode=0o700, exist_ok=True)
            except OSError as err:
                raise StorageError(f"server {spec.id} got no folder on this node", detail=str(err)) from err
        return ()

    def disks(self, spec: InstanceSpec) -> tuple[Disk, ...]:
        if not self.exists(spec.id):
            raise StorageError(f"the disks of server {spec.id} are not on this node", instance_id=spec.id)
        return ()

    def fetch(self, spec: InstanceSpec) -> None:
        """There is no image."""

    def discarded_by(self, instance_id: str) -> str:
        try:
            return (self._instances / instance_id / "discarded").read_text()
        except FileNotFoundError:
            return ""

    def discard(self, instance_id: str, command_id: str, *, keep_ephemeral: bool) -> None:  # noqa: ARG002 - the interface's
        folder = self._instances / instance_id
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            for path in folder.iterdir():
                if path.name != "console.log":
                    path.unlink()
            (folder / "discarded").write_text(command_id)
        except OSError as err:
            raise StorageError(f"the folder of server {instance_id} could not be emptied", detail=str(err)) from err

    def keep(self, instance_id: str) -> None:
        """A file stands for the kept disks."""
        (self._instances / instance_id / "kept").touch()

    def restore_kept(self, instance_id: str) -> None:
        self.discard_kept(instance_id)

    def discard_kept(self, instance_id: str) -> None:
        (self._instances / instance_id / "kept").unlink(missing_ok=True)

    def snapshot(self, instance_id: str, image_id: str) -> Path:
        return self._instances / instance_id / f"snapshot-{image_id}.qcow2"

    def copy_root(self, spec: InstanceSpec, target: Path) -> None:
        self.disks(spec)
        target.write_bytes(EMPTY_COPY)

    def upload(self, url: str, path: Path, checkpoint: Callable[[], None]) -> None:
        self._uploader.put(url, path, checkpoint)

    def exists(self, instance_id: str) -> bool:
        return (self._instances / instance_id).exists()

    def remove(self, instance_id: str) -> None:
        try:
            shutil.rmtree(self._instances / instance_id)
        except FileNotFoundError:
            return
        except OSError as err:
            raise StorageError(f"the folder of server {instance_id} could not be removed", detail=str(err)) from err

    def set_aside(self, instance_id: str) -> None:
        try:
            self._orphans.mkdir(mode=0o700, exist_ok=True)
            shutil.rmtree(self._orphans / instance_id, ignore_errors=True)
            (self._instances / instance_id).rename(self._orphans / instance_id)
        except FileNotFoundError:
            return
        except OSError as err:
            raise StorageError(f"the folder of server {instance_id} could not be set aside", detail=str(err)) from err

    def console_log(self, instance_id: str) -> Path:
        return self._instances / instance_id / "console.log"

    def want_image(self, image: ImageSpec) -> None:
        raise StorageError("this node makes no disks, so it keeps no images", image_id=image.id)

    def images(self) -> list[CachedImageEntry]:
        return []

    def drop_images(self, sha512s: Collection[str] | None, *, cached: bool, queued: bool) -> None:
        """There are none."""

    def fetch_wanted(self, stop: threading.Event) -> None:
        """There is nothing to wait for."""

    def upkeep(self) -> None:
        return
