"""Volumes in a real Ceph pool, reached with a key of their own: bytes, copies, snapshots, what killed agents leave."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from common.clock import ManualClock, SystemClock
from common.errors import StorageError, ToolFailed
from common.ids import new_id
from compute_agent.storage import qemu_img
from compute_agent.storage.rbd import RbdPool
from compute_agent.storage.rbd_image import RbdImage
from compute_agent.volumes.base import NewVolume
from compute_agent.volumes.folder import GIB, VolumeFolder
from compute_agent.volumes.images import VolumeImages
from compute_agent.volumes.not_served import NotServedVolumes
from compute_agent.volumes.notes import KEEP_S
from compute_agent.volumes.place import VolumeBytes, VolumeFile
from compute_agent.volumes.pool_notes import PoolNotes
from compute_agent.volumes.rbd import RbdVolumes
from tests.fixtures.ceph import Ceph, ceph, missing

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]
MIB = 2**20
ONE, OTHER = os.urandom(MIB), os.urandom(MIB)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Ceph]:
    with tempfile.TemporaryDirectory(prefix="cml-ceph-", dir="/var/tmp") as made, ceph(Path(made) / "c") as running:
        yield running


class Node:
    """One that reaches the pool."""

    def __init__(self, folder: Path, cluster: Ceph, clock: ManualClock) -> None:
        nothing = None
        self.files = VolumeFolder(
            folder, images=VolumeImages(nothing, set), uploader=nothing, clock=clock, served=NotServedVolumes()  # type: ignore[arg-type]
        )  # fmt: skip
        self.pool = RbdPool(cluster.pool)
        notes = PoolNotes(self.pool, clock)
        self.volumes = RbdVolumes(
            self.pool, self.files, images=VolumeImages(nothing, set), notes=notes, clock=SystemClock()
        )  # type: ignore[arg-type]
        self._folder = folder

    def read(self, source: VolumeBytes) -> bytes:
        """The first MiB."""
        with tempfile.TemporaryDirectory(dir=self._folder) as made:
            path = Path(made) / "plain"
            qemu_img.convert_from(source.source(), path, "raw")
            with path.open("rb") as file:
                return file.read(MIB)

    def file(self, content: bytes) -> VolumeFile:
        path = self._folder / new_id()
        path.write_bytes(content)
        return VolumeFile(path, "raw")

    def made(self, content: bytes, size_gib: int = 1) -> str:
        volume_id = new_id()
        self.volumes.make_from(NewVolume(volume_id, "raw", size_gib), self.file(content))
        return volume_id


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def node(tmp_path: Path, cluster: Ceph, clock: ManualClock) -> Node:
    return Node(tmp_path / "one", cluster, clock)


def test_a_volume_is_made_once_grows_and_goes(node: Node, cluster: Ceph) -> None:
    new = NewVolume(new_id(), "raw", 1)
    for _ in range(2):
        node.volumes.make(new)
    image = node.volumes.file(new.id, "raw")
    for size_gib in (3, 2):  # a late command makes nothing smaller
        node.volumes.resize(new.id, "raw", size_gib)
    assert node.volumes.virtual_size(image) == 3 * GIB
    assert node.read(image) == bytes(MIB)
    for _ in range(2):
        node.volumes.remove(new.id)
    assert not node.volumes.exists(new.id)
    with pytest.raises(StorageError, match="is not in the pool"):
        node.volumes.file(new.id, "raw")
    assert f"volume-{new.id}" not in cluster.rbd("ls", cluster.pool.name)


def test_only_one_writes_to_a_volume_unless_it_is_for_several(node: Node, cluster: Ceph) -> None:
    features = {}
    for shareable in (False, True):
        new = NewVolume(new_id(), "raw", 1, shareable)
        node.volumes.make(new)
        features[shareable] = "exclusive-lock" in cluster.rbd("info", f"{cluster.pool.name}/volume-{new.id}")
    assert features == {False: True, True: False}


def test_every_copy_has_the_bytes_and_stands_alone(
    node: Node, tmp_path: Path, cluster: Ceph, clock: ManualClock
) -> None:
    volume_id, snapshot_id, other_id = node.made(ONE), new_id(), new_id()
    volumes, other_node = node.volumes, Node(tmp_path / "other", cluster, clock)
    for _ in range(2):
        volumes.moments.take(volume_id, snapshot_id)
    volumes.replace(volume_id, "raw", 1, node.file(OTHER[: MIB // 2]))
    assert node.read(volumes.file(volume_id, "raw")) == OTHER[: MIB // 2] + bytes(MIB // 2), "what it was shows through"
    snapshot = other_node.volumes.snapshot(volume_id, snapshot_id)
    other_node.volumes.make_from(NewVolume(other_id, "raw", 2), snapshot)
    copy = node.files.copy_file(new_id())
    volumes.copy(snapshot, copy, "qcow2")
    local = NewVolume(new_id(), "qcow2", 1)
    node.files.make_from(local, snapshot)
    volumes.revert(volume_id, "raw", 1, snapshot_id)
    with pytest.raises(StorageError):
        volumes.remove(volume_id)  # it has a snapshot, which stays
    for _ in range(2):
        volumes.remove_snapshot(volume_id, snapshot_id)
    places = [
        volumes.file(volume_id, "raw"), volumes.file(other_id, "raw"), VolumeFile(copy, "qcow2"),
        node.files.file(local.id, "qcow2"),
    ]  # fmt: skip
    assert [node.read(place) == ONE for place in places] == [True] * 4
    volumes.remove(volume_id)
    assert node.read(volumes.file(other_id, "raw")) == ONE
    with pytest.raises(StorageError, match="is not in the pool"):
        volumes.snapshot(volume_id, snapshot_id)


@contextlib.contextmanager
def killed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The agent is killed when it has copied all and done nothing else yet."""
    into = qemu_img.convert_into

    def copied(source: qemu_img.Source, target: qemu_img.Source) -> None:
        into(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the block is the caller's
        patched.setattr(qemu_img, "convert_into", copied)
        yield


def test_half_of_a_volume_is_begun_anew(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    new, source = NewVolume(new_id(), "raw", 1), node.file(ONE)
    with killed(monkeypatch):
        node.volumes.make_from(new, source)
    assert not node.volumes.exists(new.id)
    node.volumes.make_from(new, source)
    assert node.read(node.volumes.file(new.id, "raw")) == ONE


def test_a_volume_that_could_not_be_given_other_bytes_has_its_own(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    volume_id = node.made(ONE)
    image = node.volumes.file(volume_id, "raw")
    node.volumes.obeyed(volume_id, 1)
    with pytest.raises(StorageError):
        node.volumes.replace(volume_id, "raw", 1, VolumeFile(Path("/nowhere"), "raw"))
    assert node.read(image) == ONE

    with killed(monkeypatch):
        node.volumes.replace(volume_id, "raw", 1, node.file(OTHER))
    with pytest.raises(StorageError):  # the same command again, and then it fails: what was before both is there
        node.volumes.replace(volume_id, "raw", 1, VolumeFile(Path("/nowhere"), "raw"))
    assert node.read(image) == ONE
    with killed(monkeypatch):
        node.volumes.replace(volume_id, "raw", 1, node.file(OTHER))
    node.volumes.obeyed(volume_id, 2)
    with pytest.raises(StorageError):  # a later command: what the guest has had since is what it goes back to
        node.volumes.replace(volume_id, "raw", 1, VolumeFile(Path("/nowhere"), "raw"))
    assert node.read(image) == OTHER
    assert node.pool.snapshots(image) == []


def test_bytes_come_from_files_and_go_back(node: Node) -> None:
    volume_id = new_id()
    node.files.make_from(NewVolume(volume_id, "qcow2", 1), node.file(ONE))
    source = node.files.source(volume_id, "qcow2")
    for _ in range(2):  # a killed agent is asked again, and looks again
        node.volumes.take_over(NewVolume(volume_id, "raw", 1), source)
    node.files.remove(volume_id)
    node.files.take_over(NewVolume(volume_id, "raw", 1), node.volumes.source(volume_id, "raw"))
    assert node.read(node.files.file(volume_id, "raw")) == ONE
    other_id = node.made(OTHER)
    with pytest.raises(StorageError, match="is in the pool already"):
        node.volumes.take_over(NewVolume(other_id, "raw", 1), source)
    node.volumes.discard(other_id, "raw", taken_over=True)
    assert node.volumes.exists(other_id), "it was not taken over"
    node.volumes.discard(volume_id, "raw", taken_over=True)
    assert not node.volumes.exists(volume_id)


def test_what_a_copy_that_was_given_up_has_left_goes_with_the_volume(node: Node) -> None:
    volume_id = node.made(ONE)
    held = node.volumes.moments.hold(volume_id, new_id())
    assert node.read(held) == ONE
    node.volumes.remove(volume_id)
    assert not node.volumes.exists(volume_id)


def test_all_nodes_know_which_command_was_the_last(
    node: Node, tmp_path: Path, cluster: Ceph, clock: ManualClock
) -> None:
    other, volume_id, gone_id = Node(tmp_path / "other", cluster, clock).volumes, node.made(ONE), new_id()
    for name in (volume_id, gone_id):
        node.volumes.obeyed(name, 7)
        node.volumes.obeyed(name, 3)
        assert (other.generation(name), other.generation(new_id())) == (7, 0)
    clock.advance(KEEP_S + 1)
    other.upkeep()
    assert (node.volumes.generation(volume_id), node.volumes.generation(gone_id)) == (7, 0)


class Writer:
    """A client that has an image open and writes when it is told to, as a guest's QEMU does."""

    def __init__(self, image: RbdImage) -> None:
        source = image.source()
        self._words = ["qemu-io", *source.objects, "--image-opts", source.options]
        self.process = subprocess.Popen(
            self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def begin(self, pattern: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"write -P {pattern} 0 64k\n")
        self.process.stdin.flush()

    def write(self, pattern: int) -> str:
        """What came of it; waits for at most as long as Ceph takes to believe that another one is dead."""
        self.begin(pattern)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "wrote" in line or "failed" in line:
                return line
        raise AssertionError(f"it has ended with status {self.process.wait(timeout=20)}")

    def end(self) -> None:
        self.process.kill()
        self.process.wait(timeout=20)


def test_who_is_thought_dead_writes_no_more(node: Node, cluster: Ceph) -> None:
    volume_id = node.made(bytes(MIB))
    image = node.volumes.file(volume_id, "raw")
    first, second = Writer(image), Writer(image)
    try:
        assert "wrote" in first.write(1)
        first.process.send_signal(signal.SIGSTOP)  # as on a host that hangs
        assert "wrote" in second.write(2)
        first.process.send_signal(signal.SIGCONT)
        assert "failed" in first.write(3)
        assert "127.0.0.1" in cluster.tell("osd", "blocklist", "ls")
    finally:
        first.end()
        second.end()
    assert node.read(image)[:65536] == bytes([2]) * 65536


def test_what_a_killed_guest_had_open_is_removed_when_ceph_believes_it(node: Node) -> None:
    volume_id = node.made(ONE)
    writer = Writer(node.volumes.file(volume_id, "raw"))
    try:
        assert "wrote" in writer.write(1)
    finally:
        writer.end()
    node.volumes.remove(volume_id)
    assert not node.volumes.exists(volume_id)


def test_names_that_are_no_ids_and_formats_that_are_not_raw_are_refused(node: Node) -> None:
    for volume_id, disk_format in (("../x", "raw"), ("a/b@c", "raw"), (new_id(), "qcow2")):
        with pytest.raises(StorageError):
            node.volumes.file(volume_id, disk_format)


def test_without_the_key_nobody_reaches_the_pool(cluster: Ceph, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.key"
    wrong.write_text(cluster.tell("auth", "get-key", "client.admin"))
    image = RbdImage(cluster.pool, "volume-x")
    for key_file in (wrong, None):
        pool = replace(cluster.pool, key_file=key_file)
        with pytest.raises(ToolFailed):
            RbdPool(pool).names()
        with pytest.raises(ToolFailed):
            qemu_img.size_of(replace(image, pool=pool).source())
