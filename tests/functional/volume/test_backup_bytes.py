"""The bytes of backups by the agent's own verbs, with real qemu-img and both stores: there, changed, back, and refused."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.clock import ManualClock
from common.config import BackupConfig
from common.errors import StaleCommand, StorageError
from common.ids import new_id
from common.rpc.backup_commands import BackupCommand, CheckBackup, EnsureBackupAbsent, StoreBackup
from common.rpc.volume_commands import CopyVolume, EnsureVolume, RestoreVolume, SnapshotVolume, VolumeCommand
from common.secret import Secret
from compute_agent.backups.base import BackupStore
from compute_agent.backups.chunks import CHUNK_BYTES
from compute_agent.backups.directory import BackupDirectory
from compute_agent.backups.verbs import Backups
from compute_agent.hypervisor.fake import FakeHypervisor
from compute_agent.storage import qemu_img
from compute_agent.task import Outcome, Task
from compute_agent.volumes.base import VolumeStores
from compute_agent.volumes.folder import GIB, VolumeFolder
from compute_agent.volumes.images import VolumeImages
from compute_agent.volumes.not_served import NotServedVolumes
from compute_agent.volumes.verbs import Volumes

pytestmark = pytest.mark.xdist_group("s3")  # one S3 service

MIB = 2**20


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    moto_server = pytest.importorskip("moto.server", reason="extra `test` is not installed")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BackupStore:
    if request.param == "directory":
        return BackupDirectory(tmp_path / "backups")
    boto3 = pytest.importorskip("boto3", reason="extra `s3` is not installed")
    endpoint = request.getfixturevalue("endpoint")
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket="bytes")
    from compute_agent.backups.s3 import BackupBucket

    return BackupBucket(
        BackupConfig(
            driver="s3", s3_endpoint=endpoint, s3_bucket="bytes", s3_access_key="key", s3_secret_key=Secret("secret")
        )
    )


class Node:
    """Volumes and backups of one node, with the verbs that obey commands about them."""

    def __init__(self, folder: Path, store: BackupStore) -> None:
        self.clock, nothing = ManualClock(), None
        self.files = VolumeFolder(
            folder / "volumes",
            images=VolumeImages(nothing, set),  # type: ignore[arg-type]
            uploader=nothing,  # type: ignore[arg-type]
            served=NotServedVolumes(),
            clock=self.clock,
        )
        self.removal_waits = False
        self.backups = Backups(
            clock=self.clock, store=store, volumes=self.files, superseded=lambda _task: self.removal_waits,
            stopping=lambda: False,
        )  # fmt: skip
        hypervisor = FakeHypervisor(folder / "guests", cloud_uuid=new_id(), clock=self.clock)
        self.volumes = Volumes(
            clock=self.clock, hypervisor=hypervisor, stores=VolumeStores(self.files), backups=self.backups, stopping=lambda: False
        )  # fmt: skip

    def do(self, kind: type[VolumeCommand] | type[BackupCommand], *, resumed: bool = False, **fields: Any) -> Outcome:
        generation = 2 if kind is EnsureBackupAbsent else 1
        command = kind(
            id=new_id(), operation_id="", step="x", request_id="", instance_id="", epoch=0, generation=generation,
            deadline=self.clock.now() + timedelta(hours=1), **fields,
        )  # fmt: skip
        task = Task(command, self.clock.now(), resumed=resumed)
        done = (
            self.backups.obey(task, command) if isinstance(command, BackupCommand) else self.volumes.obey(task, command)
        )
        assert isinstance(done, Outcome)
        return done

    def volume(self, disk_format: str) -> str:
        volume_id = new_id()
        self.do(EnsureVolume, volume_id=volume_id, size_gib=1, disk_format=disk_format)
        return volume_id

    def write(self, volume_id: str, disk_format: str, at: int, data: bytes) -> None:
        """Into a volume that nobody has, by way of a raw copy where that is needed."""
        file = self.files.file(volume_id, disk_format)
        raw = file.path if disk_format == "raw" else file.path.with_suffix(".writing")
        if raw != file.path:
            qemu_img.convert(file.path, disk_format, raw, "raw")
        with raw.open("r+b") as disk:
            disk.seek(at)
            disk.write(data)
        if raw != file.path:
            qemu_img.convert(raw, "raw", file.path, disk_format)
            raw.unlink()

    def read(self, volume_id: str, disk_format: str, at: int, count: int) -> bytes:
        path = self.files.file(volume_id, disk_format).path
        raw = path.with_suffix(".reading")
        qemu_img.convert(path, disk_format, raw, "raw")
        with raw.open("rb") as disk:
            disk.seek(at)
            found = disk.read(count)
        raw.unlink()
        return found

    def back_up(self, volume_id: str, disk_format: str, parent: str = "", snapshot_id: str = "") -> tuple[str, int]:
        """(its id and location, how many objects it wrote)"""
        backup_id, about = new_id(), {"volume_id": volume_id, "disk_format": disk_format, "snapshot_id": snapshot_id}
        self.do(CopyVolume, backup_id=backup_id, **about)
        written = self.do(StoreBackup, backup_id=backup_id, location=backup_id, parent_location=parent).objects
        assert not self.files.copy_file(backup_id).exists()
        return backup_id, written

    def restore(self, location: str, volume_id: str, disk_format: str) -> None:
        about = {"volume_id": volume_id, "disk_format": disk_format, "size_gib": 1}
        self.do(RestoreVolume, backup_location=location, **about)


@pytest.fixture
def node(tmp_path: Path, store: BackupStore) -> Node:
    return Node(tmp_path, store)


FIRST, SECOND, THIRD = 0, 100 * MIB + 17, GIB - 4096


@pytest.mark.parametrize("disk_format", ["raw", "qcow2"])
def test_what_was_written_comes_back_byte_by_byte(node: Node, disk_format: str) -> None:
    pattern, changed = os.urandom(2 * CHUNK_BYTES), os.urandom(5000)
    volume_id = node.volume(disk_format)
    node.write(volume_id, disk_format, FIRST, pattern)
    node.write(volume_id, disk_format, THIRD, changed[:4096])
    full, written = node.back_up(volume_id, disk_format)
    assert written == 3, "holes take no object"
    node.write(volume_id, disk_format, SECOND, changed)
    node.write(volume_id, disk_format, FIRST, bytes(CHUNK_BYTES))
    second, written = node.back_up(volume_id, disk_format, parent=full)
    assert written == 1, "what became zeros, or stayed, is not written"
    new = node.volume(disk_format)
    node.restore(full, new, disk_format)
    assert node.read(new, disk_format, FIRST, len(pattern)) == pattern
    assert node.read(new, disk_format, SECOND, 5000) == bytes(5000)
    assert node.read(new, disk_format, THIRD, 4096) == changed[:4096]
    node.restore(second, new, disk_format)
    assert node.read(new, disk_format, FIRST, len(pattern)) == bytes(CHUNK_BYTES) + pattern[CHUNK_BYTES:]
    assert node.read(new, disk_format, SECOND, 5000) == changed
    file = node.files.file(new, disk_format).path
    assert (qemu_img.virtual_size(file, disk_format), file.stat().st_blocks * 512 < 64 * MIB) == (GIB, True)


def test_a_snapshot_is_backed_up_as_it_was(node: Node) -> None:
    volume_id, snapshot_id, pattern = node.volume("raw"), new_id(), os.urandom(4096)
    node.write(volume_id, "raw", SECOND, pattern)
    node.do(SnapshotVolume, volume_id=volume_id, disk_format="raw", snapshot_id=snapshot_id)
    node.write(volume_id, "raw", SECOND, bytes(4096))
    backup_id, _ = node.back_up(volume_id, "qcow2", snapshot_id=snapshot_id)
    node.restore(backup_id, volume_id, "raw")
    assert node.read(volume_id, "raw", SECOND, 4096) == pattern


def test_half_a_backup_is_none_and_a_damaged_one_changes_nothing(node: Node, store: BackupStore) -> None:
    volume_id, pattern = node.volume("raw"), os.urandom(4096)
    node.write(volume_id, "raw", SECOND, pattern)
    half = new_id()
    node.do(CopyVolume, volume_id=volume_id, disk_format="raw", backup_id=half)
    node.removal_waits = True
    with pytest.raises(StaleCommand):
        node.do(StoreBackup, backup_id=half, location=half)
    node.removal_waits = False
    with pytest.raises(StorageError):
        node.restore(half, volume_id, "raw")
    backup_id, _ = node.back_up(volume_id, "raw")
    piece = f"{SECOND // CHUNK_BYTES:012x}"
    store.put(backup_id, piece, zlib.compress(os.urandom(CHUNK_BYTES)))
    node.write(volume_id, "raw", FIRST, b"later")
    with pytest.raises(StorageError, match="damaged"):
        node.restore(backup_id, volume_id, "raw")
    assert node.read(volume_id, "raw", FIRST, 5) == b"later"
    left = {each.name for each in node.files.copy_file(volume_id).parent.iterdir()}
    assert left == {half}, "only the copy for the half one waits for its removal"


def test_removal_leaves_nothing_and_nothing_comes_after_it(node: Node, store: BackupStore) -> None:
    volume_id = node.volume("raw")
    node.write(volume_id, "raw", FIRST, b"x")
    backup_id, _ = node.back_up(volume_id, "raw")
    assert node.do(StoreBackup, resumed=True, backup_id=backup_id, location=backup_id).objects == 1, "killed at the end"
    assert node.do(CheckBackup, backup_id=backup_id, location=backup_id, size_gib=1).objects == 1
    node.do(CopyVolume, volume_id=volume_id, disk_format="raw", backup_id=backup_id)
    for _ in range(2):
        node.do(EnsureBackupAbsent, backup_id=backup_id, location=backup_id)
    assert not node.files.copy_file(backup_id).exists()
    with pytest.raises(StorageError):
        store.get(backup_id, "manifest")
    with pytest.raises(StorageError):
        node.do(CheckBackup, backup_id=backup_id, location=backup_id, size_gib=1)
    with pytest.raises(StaleCommand):
        node.do(StoreBackup, backup_id=backup_id, location=backup_id)
