"""Disks as a whole, with a real image cache, qemu-img and genisoimage."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from common.clock import SystemClock
from common.errors import ImageRefused, StorageError
from common.ids import new_id
from common.rpc.compute_v1 import InstanceSpec
from common.rpc.disks_v1 import RescueSpec
from common.secret import Secret
from compute_agent.hypervisor.base import Disk
from compute_agent.storage.disk_storage import DiskStorage
from compute_agent.storage.disks import InstanceDisks, recorded_base
from compute_agent.storage.image_cache import ImageCache
from compute_agent.storage.prefetch import Prefetch
from compute_agent.storage.uploader import Uploader
from tests.unit import image_headers
from tests.unit.agent.box import instance_spec
from tests.unit.storage.image_server import ImageServer, image_server

MIB = 1024**2
GIB = 1024**3


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with image_server() as running:
        yield running


@pytest.fixture
def storage(tmp_path: Path) -> DiskStorage:
    uploader = Uploader(node="node1", secret=Secret("a secret"))
    cache = ImageCache(
        tmp_path / "images", node="node1", secret=Secret("a secret"), max_bytes=64 * MIB, max_virtual_bytes=GIB,
        clock=SystemClock(),
    )  # fmt: skip
    disks = InstanceDisks(tmp_path, SystemClock())
    prefetch = Prefetch(tmp_path / "wanted", cache, in_use=disks.images_in_use, clock=SystemClock())
    return DiskStorage(disks, cache, uploader, prefetch=prefetch, domain="cumulet.internal")


@pytest.fixture
def spec(server: ImageServer) -> InstanceSpec:
    image = server.add(image_headers.qcow2(size=5 * MIB), "qcow2")
    return msgspec.structs.replace(instance_spec(new_id()), image=image)


@dataclass(frozen=True)
class Poisoned:
    """header: what the guest has written. canary: the host's file that it names; secret: what is in that."""

    spec: InstanceSpec
    header: bytes
    canary: Path
    secret: bytes


def unmeasured(_name: str) -> AbstractContextManager[None]:
    return nullcontext()


def test_all_disks_in_the_order_the_guest_sees_them(storage: DiskStorage, spec: InstanceSpec) -> None:
    spec = msgspec.structs.replace(spec, ephemeral_gib=1, swap_mib=16, config_drive=True)
    with pytest.raises(StorageError, match="not on this node"):
        storage.disks(spec)
    made = storage.ensure(spec, unmeasured)
    assert [(disk.device, disk.path.name, disk.format, disk.read_only) for disk in made] == [
        ("vda", "root.qcow2", "qcow2", False),
        ("vdb", "ephemeral.raw", "raw", False),
        ("vdc", "swap.raw", "raw", False),
        ("vdd", "config.iso", "raw", True),
    ]
    assert storage.ensure(spec, unmeasured) == made
    assert storage.disks(spec) == made
    assert storage.console_log(spec.id).parent == made[0].path.parent


def test_a_missing_disk_is_named(storage: DiskStorage, spec: InstanceSpec) -> None:
    storage.ensure(spec, unmeasured)[0].path.unlink()
    with pytest.raises(StorageError, match=r"root\.qcow2"):
        storage.disks(spec)


def test_remove(storage: DiskStorage, spec: InstanceSpec) -> None:
    storage.ensure(spec, unmeasured)
    assert storage.exists(spec.id)
    storage.remove(spec.id)
    storage.remove(spec.id)
    assert not storage.exists(spec.id)


def test_new_disks_for_old_ones(storage: DiskStorage, spec: InstanceSpec, server: ImageServer) -> None:
    spec = msgspec.structs.replace(spec, ephemeral_gib=1, config_drive=True)
    root, ephemeral, drive = (disk.path for disk in storage.ensure(spec, unmeasured))
    storage.console_log(spec.id).write_text("kept")
    kept = ephemeral.stat().st_ino
    for path in (root, drive):
        path.write_bytes(b"written by the guest")
    other = msgspec.structs.replace(spec, image=server.add(image_headers.qcow2(size=6 * MIB), "qcow2"))
    storage.fetch(other)
    assert storage.discarded_by(spec.id) == ""
    for _ in range(2):
        storage.discard(spec.id, "a command", keep_ephemeral=True)
        assert storage.discarded_by(spec.id) == "a command"
    assert not root.exists()
    assert ephemeral.stat().st_ino == kept
    storage.ensure(other, unmeasured)
    assert b"written by the guest" not in root.read_bytes() + drive.read_bytes()
    base = recorded_base(root)
    assert base is not None
    assert base.path.name == other.image.sha512
    assert storage.discarded_by(spec.id) == "a command"
    storage.discard(spec.id, "another", keep_ephemeral=False)
    assert not ephemeral.exists()
    assert storage.console_log(spec.id).read_text() == "kept"


def test_a_new_drive_alone_tells_the_password_and_a_rescue_has_a_drive_of_its_own(
    storage: DiskStorage, spec: InstanceSpec
) -> None:
    spec = msgspec.structs.replace(spec, config_drive=True)
    rescued = msgspec.structs.replace(spec, rescue=RescueSpec(image=spec.image))
    _, drive = storage.ensure(spec, unmeasured, admin_password="its own")
    _, _, other = storage.ensure(rescued, unmeasured, admin_password="of the rescue")
    for _ in range(2):
        assert b'"admin_pass": "its own"' in drive.path.read_bytes()
        assert b'"admin_pass": "of the rescue"' in other.path.read_bytes()
        assert storage.disks(rescued)[2].path == storage.ensure(rescued, unmeasured, admin_password="late")[2].path
    assert storage.ensure(spec, unmeasured)[1].path == drive.path
    assert not other.path.exists()


def test_the_image_chooses_the_bus(storage: DiskStorage, spec: InstanceSpec) -> None:
    ide = msgspec.structs.replace(spec, image_properties={"hw_disk_bus": "ide"})
    [root] = storage.ensure(ide, unmeasured)
    assert (root.device, root.bus) == ("hda", "ide")
    odd = msgspec.structs.replace(spec, image_properties={"hw_disk_bus": "tape"})
    with pytest.raises(ImageRefused, match="tape"):
        storage.ensure(odd, unmeasured)


@pytest.fixture
def poisoned(storage: DiskStorage, spec: InstanceSpec, tmp_path: Path) -> Poisoned:
    """A guest has written the header of a qcow2 that names a file of the host over its root and its ephemeral disk."""
    canary, evil = tmp_path / "canary", tmp_path / "evil.qcow2"
    canary.write_bytes(b"what no tenant may see " * 1000)
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(canary), str(evil), "1M"]
    subprocess.run(words, check=True, timeout=60)
    spec = msgspec.structs.replace(spec, root_gib=1, ephemeral_gib=1)
    root, ephemeral = (disk.path for disk in storage.ensure(spec, unmeasured))
    header = evil.read_bytes()[:65536]
    for path, disk_format in ((root, "qcow2"), (ephemeral, "raw")):
        evil.write_bytes(header)
        write = ["qemu-io", "-f", disk_format, "-c", f"write -q -s {evil} 0 {len(header)}", str(path)]
        subprocess.run(write, check=True, timeout=60, capture_output=True)
    return Poisoned(spec, header, canary, canary.read_bytes())


def _holds(disk: Disk, header: bytes, folder: Path) -> bool:
    """Whether a guest that has the disk reads at its beginning what it wrote there."""
    plain = folder / "plain"
    words = ["qemu-img", "convert", "-f", disk.format, "-O", "raw", str(disk.path), str(plain)]
    subprocess.run(words, check=True, timeout=60)
    with plain.open("rb") as file:
        return file.read(len(header)) == header


def test_img_07_a_resize_takes_a_guest_s_bytes_for_no_header(
    storage: DiskStorage, poisoned: Poisoned, tmp_path: Path
) -> None:
    larger = msgspec.structs.replace(poisoned.spec, root_gib=2)
    storage.keep(larger.id)
    for spec in (larger, larger):
        root, ephemeral = storage.ensure(spec, unmeasured)
        assert (root.format, ephemeral.format) == ("qcow2", "raw")
        assert _holds(root, poisoned.header, tmp_path)
        assert _holds(ephemeral, poisoned.header, tmp_path)
    storage.restore_kept(larger.id)
    for disk in storage.disks(poisoned.spec):
        assert _holds(disk, poisoned.header, tmp_path)
    copy = tmp_path / "for another node"
    storage.copy_root(poisoned.spec, copy)
    assert b"no tenant may see" not in copy.read_bytes()
    assert poisoned.canary.read_bytes() == poisoned.secret


def test_img_08_a_rescue_shows_a_guest_s_bytes_as_they_are(
    storage: DiskStorage, poisoned: Poisoned, server: ImageServer, tmp_path: Path
) -> None:
    image = server.add(image_headers.qcow2(size=6 * MIB), "qcow2")
    rescued = msgspec.structs.replace(poisoned.spec, rescue=RescueSpec(image=image))
    boot, root, ephemeral = storage.ensure(rescued, unmeasured)
    assert (boot.boot, root.format, ephemeral.format) == (True, "qcow2", "raw")
    for disk in (root, ephemeral):
        assert _holds(disk, poisoned.header, tmp_path)
    assert poisoned.canary.read_bytes() == poisoned.secret
    assert [disk.path for disk in storage.ensure(poisoned.spec, unmeasured)] == [root.path, ephemeral.path]
