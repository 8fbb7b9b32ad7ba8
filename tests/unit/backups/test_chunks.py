"""Disks to pieces and back: what is written, what is shared with the backup before, and what damage is noticed."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from common.errors import StorageError
from common.ids import new_id
from compute_agent.backups import chunks
from compute_agent.backups.directory import BackupDirectory

CHUNK = 4096
MANY = 20


@pytest.fixture
def store(tmp_path: Path) -> BackupDirectory:
    return BackupDirectory(tmp_path / "backups")


def _disk(path: Path, written: dict[int, bytes], chunk_count: int = MANY, odd: int = 0) -> Path:
    """A sparse disk with these pieces at these positions; odd: bytes beyond the last whole piece."""
    with path.open("wb") as file:
        file.truncate(chunk_count * CHUNK + odd)
        for index, data in written.items():
            file.seek(index * CHUNK)
            file.write(data)
    return path


def _save(store: BackupDirectory, disk: Path, parent: chunks.Manifest | None = None) -> tuple[str, chunks.Manifest]:
    location = new_id()
    return location, chunks.save(store, location, disk, parent, lambda: None, CHUNK)


def _restored(store: BackupDirectory, location: str, target: Path) -> bytes:
    target.touch()
    chunks.restore(store, chunks.read_manifest(store, location), target, lambda: None)
    return target.read_bytes()


def test_a_disk_comes_back_byte_for_byte(store: BackupDirectory, tmp_path: Path) -> None:
    rng = random.Random(7)
    disk = _disk(tmp_path / "disk", {i: rng.randbytes(CHUNK) for i in (0, 3, 19)}, odd=123)
    with disk.open("r+b") as file:
        file.seek(MANY * CHUNK + 100)
        file.write(b"the end")
    location, _ = _save(store, disk)
    target = tmp_path / "restored"
    assert _restored(store, location, target) == disk.read_bytes()
    assert target.stat().st_blocks * 512 < target.stat().st_size, "zeros take no room"


def test_zeros_are_not_kept_whether_written_or_not(store: BackupDirectory, tmp_path: Path) -> None:
    location, manifest = _save(store, _disk(tmp_path / "disk", {1: bytes(CHUNK), 2: b"x"}))
    assert [index for index, chunk in enumerate(manifest.chunks) if chunk] == [2]
    assert manifest.own(location) == 1
    assert len(list((tmp_path / "backups" / location).iterdir())) == 2  # the piece and the manifest


def test_an_incremental_backup_writes_what_has_changed_and_restores_alone(
    store: BackupDirectory, tmp_path: Path
) -> None:
    written = {i: os.urandom(CHUNK) for i in range(10)}
    full, manifest = _save(store, _disk(tmp_path / "disk", written))
    written |= {4: os.urandom(CHUNK), 12: os.urandom(CHUNK)}
    del written[7]  # zeros now
    later = _disk(tmp_path / "later", written)
    location, second = _save(store, later, manifest)
    assert second.own(location) == 2
    assert second.own(full) == 8
    third_location, third = _save(store, later, second)
    assert third.own(third_location) == 0
    assert _restored(store, third_location, tmp_path / "restored") == later.read_bytes()


def test_an_incremental_backup_of_a_disk_that_has_grown(store: BackupDirectory, tmp_path: Path) -> None:
    data = os.urandom(CHUNK)
    _, manifest = _save(store, _disk(tmp_path / "disk", {0: data}, chunk_count=2))
    grown = _disk(tmp_path / "grown", {0: data, 30: data}, chunk_count=40)
    location, second = _save(store, grown, manifest)
    assert second.own(location) == 1
    assert _restored(store, location, tmp_path / "restored") == grown.read_bytes()


def test_a_backup_without_its_manifest_is_none(store: BackupDirectory, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    looks = iter(range(100))

    def dies_at_the_third_piece() -> None:
        if next(looks) == 2:
            raise Killed

    disk, location = _disk(tmp_path / "disk", {i: os.urandom(CHUNK) for i in range(5)}), new_id()
    with pytest.raises(Killed):
        chunks.save(store, location, disk, None, dies_at_the_third_piece, CHUNK)
    with pytest.raises(StorageError, match="no object manifest"):
        chunks.read_manifest(store, location)
    chunks.save(store, location, disk, None, lambda: None, CHUNK)  # again, over what is there
    assert _restored(store, location, tmp_path / "restored") == disk.read_bytes()


@pytest.mark.parametrize("damage", [b"", b"not zlib", None])
def test_damage_is_noticed(store: BackupDirectory, tmp_path: Path, damage: bytes | None) -> None:
    disk = _disk(tmp_path / "disk", {i: os.urandom(CHUNK) for i in range(3)})
    location, _ = _save(store, disk)
    folder = tmp_path / "backups" / location
    piece = folder / f"{1:012x}"
    piece.write_bytes(damage if damage is not None else (folder / f"{2:012x}").read_bytes())
    with pytest.raises(StorageError, match="piece 1"):
        _restored(store, location, tmp_path / "restored")


def test_a_damaged_manifest_is_noticed(store: BackupDirectory, tmp_path: Path) -> None:
    location, _ = _save(store, _disk(tmp_path / "disk", {0: b"x"}))
    store.put(location, chunks.MANIFEST, b"{}")
    with pytest.raises(StorageError, match="manifest"):
        chunks.read_manifest(store, location)


def test_a_piece_that_unpacks_to_more_than_a_piece_is_refused(store: BackupDirectory, tmp_path: Path) -> None:
    import zlib

    location, _ = _save(store, _disk(tmp_path / "disk", {0: os.urandom(CHUNK)}))
    store.put(location, f"{0:012x}", zlib.compress(bytes(64 * 2**20)))
    with pytest.raises(StorageError, match="another hash"):
        _restored(store, location, tmp_path / "restored")


def test_removal_takes_all_and_is_harmless_when_repeated(store: BackupDirectory, tmp_path: Path) -> None:
    location, _ = _save(store, _disk(tmp_path / "disk", {0: b"x"}))
    store.remove(location)
    store.remove(location)
    assert list((tmp_path / "backups").iterdir()) == []


@pytest.mark.parametrize("location", ["..", "/etc", "", "a/b", "0" * 36])
def test_names_lead_nowhere_else(store: BackupDirectory, location: str) -> None:
    for work in (
        lambda: store.put(location, "x", b""), lambda: store.get(location, "x"), lambda: store.remove(location),
        lambda: store.get(new_id(), "../x"),
    ):  # fmt: skip
        with pytest.raises(StorageError, match="no name"):
            work()
