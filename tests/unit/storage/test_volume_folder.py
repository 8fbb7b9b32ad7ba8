"""Volumes as real files, made by the real qemu-img: sizes, formats, copies, modes, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from common.clock import ManualClock
from common.errors import StorageError
from common.ids import new_id
from compute_agent.storage import qemu_img
from compute_agent.volumes.base import NewVolume
from compute_agent.volumes.folder import GIB, VolumeFolder
from compute_agent.volumes.images import VolumeImages
from compute_agent.volumes.not_served import NotServedVolumes
from compute_agent.volumes.place import VolumeFile
from compute_agent.volumes.unmanaged import Kind

PATTERN = os.urandom(4096)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> VolumeFolder:
    nothing = None
    return VolumeFolder(
        tmp_path / "volumes", images=VolumeImages(nothing, set), uploader=nothing, clock=clock, served=NotServedVolumes()  # type: ignore[arg-type]
    )  # fmt: skip


def raw_with_pattern(store: VolumeFolder) -> str:
    volume_id = new_id()
    store.make(NewVolume(volume_id, "raw", 1))
    with store.file(volume_id, "raw").path.open("r+b") as file:
        file.write(PATTERN)
    return volume_id


@pytest.mark.parametrize("disk_format", ["qcow2", "raw"])
def test_a_volume_is_private_sparse_and_grows(store: VolumeFolder, disk_format: str) -> None:
    volume_id = new_id()
    for _ in range(2):  # also when it is asked for again
        store.make(NewVolume(volume_id, disk_format, 1))
    file = store.file(volume_id, disk_format)
    found = file.path.stat()
    assert (oct(found.st_mode & 0o777), found.st_blocks * 512 < 2**20) == ("0o600", True)
    store.resize(volume_id, disk_format, 3)
    store.resize(volume_id, disk_format, 2)  # a late command makes nothing smaller
    assert qemu_img.virtual_size(file.path, disk_format) == 3 * GIB
    store.remove(volume_id)
    store.remove(volume_id)
    assert not store.exists(volume_id)


def test_bytes_go_through_a_snapshot_and_back(store: VolumeFolder) -> None:
    volume_id, snapshot_id, other_id = raw_with_pattern(store), new_id(), new_id()
    snapshot = VolumeFile(store.snapshot_file(snapshot_id), "qcow2")
    store.copy(store.file(volume_id, "raw"), snapshot.path, "qcow2")
    with store.file(volume_id, "raw").path.open("r+b") as file:
        file.write(bytes(len(PATTERN)))
    store.make_from(NewVolume(other_id, "raw", 2), snapshot)
    other = store.file(other_id, "raw").path
    assert (other.read_bytes()[: len(PATTERN)], other.stat().st_size) == (PATTERN, 2 * GIB)
    store.replace(volume_id, "raw", 1, snapshot)
    assert store.file(volume_id, "raw").path.read_bytes()[: len(PATTERN)] == PATTERN


def test_a_volume_taken_over_in_another_format_has_its_bytes(store: VolumeFolder) -> None:
    volume_id = raw_with_pattern(store)
    source = store.source(volume_id, "raw")
    for _ in range(2):  # a killed agent is asked again, and looks again
        store.take_over(NewVolume(volume_id, "qcow2", 1), source)
    store.discard(volume_id, "raw", taken_over=True)
    assert store.file(volume_id, "raw"), "it was not taken over"
    with pytest.raises(StorageError, match="has a file on this node already"):
        store.take_over(NewVolume(volume_id, "raw", 1), store.source(volume_id, "qcow2"))
    with store.file(volume_id, "raw").path.open("r+b") as file:
        file.write(b"other")
    with pytest.raises(StorageError, match="has not the bytes"):
        store.take_over(NewVolume(volume_id, "qcow2", 1), source)
    store.discard(volume_id, "raw", taken_over=False)
    copy = store.snapshot_file(new_id())
    store.copy(store.file(volume_id, "qcow2"), copy, "raw")
    assert copy.read_bytes()[: len(PATTERN)] == PATTERN
    store.discard(volume_id, "qcow2", taken_over=True)
    assert not store.exists(volume_id)


def test_a_file_comes_in_and_goes_out_without_a_byte_being_copied(store: VolumeFolder, tmp_path: Path) -> None:
    volume_id = raw_with_pattern(store)
    path = store.path(volume_id, "raw")
    inode = path.stat().st_ino
    for _ in range(2):
        store.unmanaged.hand_out(Kind.VOLUMES, path, "disk.raw")
    outside = tmp_path / "volumes" / "unmanaged" / "disk.raw"
    outside.chmod(0o644)
    qemu_img.create_empty(outside.with_name("plain.qcow2"), disk_format="qcow2", size_bytes=GIB)
    base = outside.with_name("on-another.qcow2")
    qemu_img.create_overlay(base, base=outside, base_format="raw", size_bytes=GIB)
    found = {each.name: each for each in store.unmanaged.list_all(Kind.VOLUMES)}
    assert (found["disk.raw"].size_bytes, found["plain.qcow2"].size_bytes) == (GIB, GIB)
    assert "backing file" in found["on-another.qcow2"].unsafe
    with pytest.raises(StorageError, match="backing file"):
        store.unmanaged.take_in(Kind.VOLUMES, "on-another.qcow2", store.path(new_id(), "qcow2"), "qcow2")
    other_id = new_id()
    for _ in range(2):
        store.unmanaged.take_in(Kind.VOLUMES, "disk.raw", store.path(other_id, "raw"), "raw")
    found_again = store.file(other_id, "raw").path.stat()
    assert (found_again.st_ino, found_again.st_mode & 0o777) == (inode, 0o600)
    outside.write_bytes(b"a new one of this name")
    with pytest.raises(StorageError, match="could not become"):
        store.unmanaged.hand_out(Kind.VOLUMES, store.path(other_id, "raw"), "disk.raw")
    assert store.exists(other_id)


@pytest.mark.parametrize("name", ["../volumes/x.raw", "", ".raw", "a/b.raw", "x" * 300])
def test_only_names_in_the_folder_are_taken_in(store: VolumeFolder, name: str) -> None:
    with pytest.raises(StorageError, match="no name of an unmanaged file"):
        store.unmanaged.take_in(Kind.VOLUMES, name, store.path(new_id(), "raw"), "raw")


def test_half_a_copy_is_no_volume(store: VolumeFolder) -> None:
    class Failing:
        def copy_to(self, path: Path, _disk_format: str) -> None:
            path.write_bytes(PATTERN)
            raise StorageError("the node went away")

        def compare(self, file: VolumeFile) -> None: ...

    volume_id = new_id()
    with pytest.raises(StorageError, match="went away"):
        store.take_over(NewVolume(volume_id, "raw", 1), Failing())
    assert not store.exists(volume_id)
    store.make(NewVolume(volume_id, "qcow2", 1))
    store.discard(volume_id, "raw", taken_over=True)
    assert store.exists(volume_id)


def test_a_deleted_volume_s_bytes_are_in_no_new_one(store: VolumeFolder) -> None:
    store.remove(raw_with_pattern(store))
    fresh = new_id()
    store.make(NewVolume(fresh, "raw", 1))
    with store.file(fresh, "raw").path.open("rb") as file:
        assert not any(file.read(2**20))


def test_a_link_in_a_volume_s_place_is_refused(store: VolumeFolder, tmp_path: Path) -> None:
    volume_id = raw_with_pattern(store)
    path = store.file(volume_id, "raw").path
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="no plain file"):
        store.file(volume_id, "raw")


@pytest.mark.parametrize("name", ["../x", "", "a" * 36, "A0000000-0000-4000-8000-000000000000"])
def test_only_ids_become_file_names(store: VolumeFolder, name: str) -> None:
    with pytest.raises(StorageError, match="is not an id"):
        store.make(NewVolume(name, "raw", 1))


def test_another_format_is_never_guessed(store: VolumeFolder) -> None:
    volume_id = raw_with_pattern(store)
    with pytest.raises(StorageError, match="is not on this node"):
        store.file(volume_id, "qcow2")
    with pytest.raises(StorageError, match="unknown format"):
        store.make(NewVolume(new_id(), "vmdk", 1))


def test_a_removal_is_remembered_for_a_week(store: VolumeFolder, clock: ManualClock) -> None:
    volume_id = raw_with_pattern(store)
    store.obeyed(volume_id, 5)
    store.obeyed(volume_id, 3)
    store.remove(volume_id)
    store.upkeep()
    assert store.generation(volume_id) == 5
    clock.advance(8 * 24 * 3600)
    store.upkeep()
    assert store.generation(volume_id) == 0
