"""Disk files: made once and whole, private, removed or set aside; with the real qemu-img and genisoimage."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.clock import ManualClock
from common.deadlines import ORPHAN_DISK_KEEP_S
from common.errors import ImageRefused, StorageError
from common.ids import new_id
from compute_agent.storage.disks import GIB, DiskFile, InstanceDisks, recorded_base
from compute_agent.storage.image_cache import CachedImage

pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
MIB = 1024 * 1024


@pytest.fixture
def base(tmp_path: Path) -> CachedImage:
    path = tmp_path / ("a" * 128)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "46M"], check=True, timeout=60)
    return CachedImage("a" * 128, path, "qcow2", 46 * MIB)


@pytest.fixture
def disks(tmp_path: Path) -> InstanceDisks:
    return InstanceDisks(tmp_path / "agent", ManualClock())


def info(path: Path, disk_format: str) -> dict[str, object]:
    words = ["qemu-img", "info", "--output=json", "-f", disk_format, str(path)]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, timeout=60).stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(("root_gib", "size"), [(1, GIB), (0, 46 * MIB)])
def test_root_is_an_overlay_of_the_right_size(
    disks: InstanceDisks, base: CachedImage, root_gib: int, size: int
) -> None:
    instance = new_id()
    disk = disks.ensure_root(instance, base, root_gib)
    found = info(disk.path, disk.format)
    assert (found["virtual-size"], found["backing-filename"]) == (size, str(base.path))
    assert found["backing-filename-format"] == "qcow2"
    assert recorded_base(disk.path) == DiskFile(base.path, "qcow2")
    assert disks.images_in_use() == {base.sha512}


def test_a_raw_image_is_a_raw_base(disks: InstanceDisks, tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_bytes(b"QFI\xfb\x00\x00\x00\x03".ljust(MIB, b"\0"))  # what it looks like must not matter
    disk = disks.ensure_root(new_id(), CachedImage("b" * 128, path, "raw", MIB), 1)
    assert info(disk.path, "qcow2")["backing-filename-format"] == "raw"


def test_an_image_larger_than_the_flavor_is_refused(disks: InstanceDisks, base: CachedImage) -> None:
    """IMG-11, at the last gate."""
    for size in (GIB - 1, GIB):
        instance = new_id()
        disks.ensure_root(instance, CachedImage(base.sha512, base.path, "qcow2", size), 1)
    with pytest.raises(ImageRefused, match="larger flavor"):
        disks.ensure_root(new_id(), CachedImage(base.sha512, base.path, "qcow2", GIB + 1), 1)


def test_a_disk_that_is_there_is_left_alone(disks: InstanceDisks, base: CachedImage) -> None:
    instance = new_id()
    makes = (
        lambda: disks.ensure_root(instance, base, 1),
        lambda: disks.ensure_ephemeral(instance, 1),
        lambda: disks.ensure_swap(instance, 8),
        lambda: disks.ensure_config_drive(instance, {"openstack/latest/meta_data.json": b"{}"}),
    )
    for make_it in makes:
        first = make_it()
        before = first.path.stat()
        assert make_it() == first
        after = first.path.stat()
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_another_image_under_the_same_server_is_an_error(disks: InstanceDisks, base: CachedImage) -> None:
    instance = new_id()
    path = disks.ensure_root(instance, base, 1).path
    with pytest.raises(StorageError, match="another image"):
        disks.ensure_root(instance, CachedImage("c" * 128, base.path, "qcow2", MIB), 1)
    path.with_name("base.json").unlink()
    with pytest.raises(StorageError, match=r"base\.json"):
        recorded_base(path)
    with pytest.raises(StorageError, match=r"base\.json"):
        disks.ensure_root(instance, base, 1)


def test_tool_failures_are_explained_without_paths(disks: InstanceDisks, tmp_path: Path) -> None:
    instance = new_id()
    missing = CachedImage("d" * 128, tmp_path / "missing", "qcow2", MIB)
    with pytest.raises(StorageError) as caught:
        disks.ensure_root(instance, missing, 1)
    assert str(tmp_path) not in caught.value.message
    assert "missing" in caught.value.detail
    assert sorted(os.listdir(disks.folder(instance))) == ["base.json"]


def test_files_are_private(disks: InstanceDisks, base: CachedImage) -> None:
    """IMG-20: whatever the umask, nothing is readable by group or others, and folders can't be listed."""
    instance = new_id()
    old = os.umask(0)
    try:
        disks.ensure_root(instance, base, 1)
        disks.ensure_ephemeral(instance, 1)
        disks.ensure_swap(instance, 8)
        disks.ensure_config_drive(instance, {"openstack/latest/user_data": b"secret"})
    finally:
        os.umask(old)
    folder = disks.folder(instance)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert set(modes) == {"root.qcow2", "base.json", "ephemeral.raw", "swap.raw", "config.iso"}
    assert set(modes.values()) == {0o600}
    for place in (folder, folder.parent, folder.parent.parent):
        assert place.stat().st_mode & 0o067 == 0


def test_the_config_drive_holds_the_files(disks: InstanceDisks, tmp_path: Path) -> None:
    instance = new_id()
    content = {"openstack/latest/meta_data.json": b'{"uuid": 1}', "openstack/latest/user_data": b"#!/bin/sh\n\x00\xff"}
    disk = disks.ensure_config_drive(instance, content)
    assert disk.format == "raw"
    data = disk.path.read_bytes()
    assert data[32768:32774] == b"\x01CD001"
    assert b"config-2" in data[32768 : 32768 + 2048]
    assert all(value in data for value in content.values())
    assert os.listdir(disks.folder(instance)) == ["config.iso"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", "a\0b"])
def test_config_drive_names_stay_below(disks: InstanceDisks, name: str) -> None:
    with pytest.raises(StorageError):
        disks.ensure_config_drive(new_id(), {name: b"x"})


def test_remove_and_set_aside(disks: InstanceDisks, base: CachedImage, tmp_path: Path) -> None:
    clock = ManualClock()
    disks = InstanceDisks(tmp_path / "agent", clock)
    gone, kept = new_id(), new_id()
    for instance in (gone, kept):
        disks.ensure_root(instance, base, 1)
    assert disks.known() == sorted([gone, kept])
    for _ in range(2):
        disks.remove(gone)
    place = disks.set_aside(kept)
    assert disks.set_aside(kept) is None
    assert disks.known() == []
    assert place is not None
    assert (place / "root.qcow2").exists()
    assert disks.images_in_use() == {base.sha512}, "a disk set aside still needs its image"
    (tmp_path / "agent" / "orphans" / "something else").mkdir()
    clock.advance(ORPHAN_DISK_KEEP_S - 60)
    assert disks.purge_orphans() == []
    clock.advance(timedelta(minutes=2).total_seconds())
    assert disks.purge_orphans() == [place.name]
    assert os.listdir(tmp_path / "agent" / "orphans") == ["something else"]
    assert disks.images_in_use() == set()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.one_of(
        st.text(), st.sampled_from(["..", "../../etc", "a/b", "-rf", "\0", new_id() + "/..", "{" + new_id() + "}"])
    )
)
def test_img_15_no_text_becomes_a_path(disks: InstanceDisks, text: str) -> None:
    for verb in (disks.folder, disks.ensure_folder, disks.remove, disks.set_aside):
        with pytest.raises(StorageError, match="not an instance id"):
            verb(text)


def test_img_09_two_callers_of_qemu_img_and_no_default_format() -> None:
    """No other module of the services names the tool in an argument list, and no format has a default."""
    root = Path(__file__).parents[3]
    callers = {root / "compute_agent/storage/qemu_img.py", root / "common/image_conversion.py"}
    for package in ("api", "scheduler", "compute_agent", "common", "cli"):
        for path in (root / package).rglob("*.py"):
            words = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            if path == root / "cli/checks/software.py":
                continue  # asks for the version only
            named = bool(words & {"qemu-img", "/usr/bin/qemu-img", "qemu-io", "qemu-nbd"})
            assert named == (path in callers), path
    for path in callers:
        assert _defaults_of_formats(ast.parse(path.read_text())) == []


def _defaults_of_formats(tree: ast.Module) -> list[str]:
    """Parameters and fields with "format" in their name that need not be given."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            plain = [*node.args.posonlyargs, *node.args.args]
            with_default = plain[len(plain) - len(node.args.defaults) :] if node.args.defaults else []
            keyed = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            found += [arg.arg for arg in (*with_default, *(arg for arg, default in keyed if default is not None))]
        if isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
            found.append(node.target.id)
    return [name for name in found if "format" in name]


@pytest.mark.parametrize("extra", [b"", b"\0" * 65536], ids=["short", "long"])
def test_img_06_what_a_guest_writes_over_its_disk_is_never_read_as_a_header(
    disks: InstanceDisks, base: CachedImage, tmp_path: Path, extra: bytes
) -> None:
    """A guest makes its own disk look like a qcow2 whose backing file is another's: an image of it holds the literal bytes."""
    canary = tmp_path / "canary"
    canary.write_bytes(b"what no tenant may see " * 1000)
    evil, instance_id = tmp_path / "evil.qcow2", new_id()
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(canary), str(evil), "1M"]
    subprocess.run(words, check=True, timeout=60)
    header = evil.read_bytes()[:65536] + extra
    evil.write_bytes(header)
    root = disks.ensure_root(instance_id, base, 1)
    write = f"write -q -s {evil} 0 {len(header)}"
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", write, str(root.path)], check=True, timeout=60, capture_output=True)
    target, plain = tmp_path / "snapshot", tmp_path / "plain"
    disks.copy_root(instance_id, target)
    assert "backing-filename" not in info(target, "qcow2")
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(target), str(plain)], check=True, timeout=60)
    with plain.open("rb") as file:
        assert file.read(len(header)) == header
    assert b"no tenant may see" not in target.read_bytes()
