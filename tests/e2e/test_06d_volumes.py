"""Volumes of real guests: what one wrote is there for the next, from a snapshot, after a kill, and when a disk was full."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud, host
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_wait import until

# one_node: a volume of files is on one node, and whoever attaches it has to be there
pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.full, pytest.mark.one_node]
GIB, MIB = 2**30, 2**20
DONE_S = 60.0
PATIENCE_S = 120.0  # above what a guest gets to let a disk go (common/deadlines.py)
PATTERN_MIB = 8
FIRST_BLOCK = 4096  # of 4 KiB, behind the pattern


@pytest.fixture(scope="module")
def two(cloud: Cloud) -> Iterator[tuple[Guest, Guest]]:
    openstack(
        cloud,
        words("security group create disks"),
        words("security group rule create --ingress --protocol tcp --dst-port 22 disks"),
        words(
            "server create --image cumulet-guest --flavor c1.tiny --network shared --key-name demo "
            "--security-group disks --min 2 --max 2 --wait disks"
        ),
    )
    guests = e2e_guest.find(cloud, "disks-1"), e2e_guest.find(cloud, "disks-2")
    for guest in guests:
        guest.wait_for_ssh()
    yield guests
    openstack(cloud, words("server delete --wait disks-1 disks-2"), words("security group delete disks"))


@dataclass(frozen=True)
class Disk:
    """A volume, as the API and a guest have it."""

    cloud: Cloud
    id: str

    @classmethod
    def make(cls, cloud: Cloud, **wanted: Any) -> Disk:
        made = cls(cloud, cloud.sdk().block_storage.create_volume(**{"size": 1, "name": "data", **wanted}).id)
        made.wait_for("available")
        return made

    def show(self) -> Any:
        return self.cloud.sdk().block_storage.get_volume(self.id)

    def wait_for(self, status: str) -> None:
        until(lambda: self.show().status == status, f"volume {self.id} {status}", deadline_s=DONE_S, every_s=0.2)

    def attach(self, guest: Guest) -> None:
        self.cloud.sdk().compute.create_volume_attachment(guest.id, volume_id=self.id)

    def detach(self, guest: Guest) -> None:
        self.cloud.sdk().compute.delete_volume_attachment(guest.id, self.id)

    def extend(self, size_gib: int) -> None:
        body, headers = {"os-extend": {"new_size": size_gib}}, {"OpenStack-API-Version": "volume 3.71"}
        answer = self.cloud.sdk().block_storage.post(f"/volumes/{self.id}/action", json=body, headers=headers)
        assert answer.status_code == 202, answer.text

    def delete(self) -> None:
        self.cloud.sdk().block_storage.delete_volume(self.id, ignore_missing=False)

    def names_in(self, guest: Guest) -> list[str]:
        """Of the guest's disks, those with this volume's serial number."""
        found = guest.ssh("cd /sys/block && for each in vd*; do echo $each $(cat $each/serial); done")
        return [line.split()[0] for line in found.splitlines() if line.split()[1:] == [self.id[:20]]]

    def path_in(self, guest: Guest) -> str:
        until(lambda: self.names_in(guest), f"volume {self.id} in {guest.name}", deadline_s=DONE_S, every_s=0.3)
        [name] = self.names_in(guest)
        return f"/dev/{name}"

    def size_in(self, guest: Guest) -> int:
        name = self.path_in(guest).rpartition("/")[2]
        return int(guest.ssh(f"cat /sys/block/{name}/size")) * 512


def write(guest: Guest, path: str, *, mib: int = PATTERN_MIB) -> str:
    """Random bytes at the disk's beginning; their checksum, when they are on the disk."""
    guest.ssh(f"dd if=/dev/urandom of=/tmp/pattern bs=1M count={mib} 2>/dev/null")
    guest.ssh(f"dd if=/tmp/pattern of={path} bs=1M conv=fsync 2>/dev/null; sync", timeout_s=DONE_S)
    return guest.ssh("sha256sum </tmp/pattern; rm /tmp/pattern").split()[0]


def read(guest: Guest, path: str, *, mib: int = PATTERN_MIB) -> str:
    guest.ssh("echo 3 >/proc/sys/vm/drop_caches")
    return guest.ssh(f"dd if={path} bs=1M count={mib} 2>/dev/null | sha256sum", timeout_s=DONE_S).split()[0]


def test_what_a_guest_wrote_is_there_for_the_next_and_in_the_snapshot(cloud: Cloud, two: tuple[Guest, Guest]) -> None:
    first, second = two
    disk = Disk.make(cloud)
    disk.attach(first)
    disk.wait_for("in-use")
    path = disk.path_in(first)
    before = write(first, path)
    storage = cloud.sdk().block_storage
    snapshot = storage.create_snapshot(volume_id=disk.id, name="then", is_forced=True)
    until(lambda: storage.get_snapshot(snapshot.id).status == "available", "a snapshot", deadline_s=DONE_S, every_s=0.2)
    after = write(first, path)
    assert after != before
    disk.extend(2)
    until(lambda: disk.show().size == 2, "a larger volume", deadline_s=DONE_S, every_s=0.2)
    disk.wait_for("in-use")
    assert disk.size_in(first) == 2 * GIB
    assert read(first, path) == after
    disk.detach(first)
    disk.wait_for("available")
    assert disk.names_in(first) == []
    disk.attach(second)
    disk.wait_for("in-use")
    assert (read(second, disk.path_in(second)), disk.size_in(second)) == (after, 2 * GIB)
    restored = Disk.make(cloud, snapshot_id=snapshot.id, name="restored")
    restored.attach(second)
    restored.wait_for("in-use")
    assert read(second, restored.path_in(second)) == before
    for each in (disk, restored):
        each.detach(second)
        each.wait_for("available")
    storage.delete_snapshot(snapshot.id)
    until(lambda: not list(storage.snapshots()), "no snapshot", deadline_s=DONE_S, every_s=0.2)
    for each in (disk, restored):
        each.delete()


@dataclass(frozen=True)
class Writer:
    """A process in a guest that writes rising numbers to its disk, a block each, in order and each with a sync.

    So whatever was on the disk at one moment is 1, 2, 3 and so on, up to some number, and no block behind it.
    """

    guest: Guest
    path: str

    @classmethod
    def start(cls, guest: Guest, path: str) -> Writer:
        block = f"printf '%4095d\\n' $n | dd of={path} bs=4096 seek=$(({FIRST_BLOCK} + n)) conv=fsync"
        guest.ssh(
            f"(n=1; while {block} && echo $n >/tmp/on-disk; do n=$((n+1)); done) >/dev/null 2>&1 </dev/null & "
            "echo $! >/tmp/writer"
        )
        made = cls(guest, path)
        until(lambda: made.on_disk() > 0, "its first block", deadline_s=DONE_S, every_s=0.3)
        return made

    def on_disk(self) -> int:
        """The last number that the guest was told is on the disk."""
        found = self.guest.try_ssh("cat /tmp/on-disk").stdout.strip()
        return int(found) if found else 0

    def stop(self) -> int:
        self.guest.ssh("kill $(cat /tmp/writer)")
        return self.on_disk()


def numbers(guest: Guest, path: str) -> int:
    """The last number on a copy of a Writer's disk; AssertionError when one before it is missing or torn."""
    guest.ssh("echo 3 >/proc/sys/vm/drop_caches")
    read_all = f"dd if={path} bs=4096 skip={FIRST_BLOCK + 1} count=16384 2>/dev/null | tr -d '\\0'"
    count, wrong = guest.ssh(f"{read_all} | awk '$1 != NR {{ wrong++ }} END {{ print NR, wrong + 0 }}'", DONE_S).split()
    assert wrong == "0", f"{wrong} of {count} blocks are not what was written"
    return int(count)


def test_backups_and_images_of_a_disk_that_is_written_to_have_all_that_was_on_it_then(
    cloud: Cloud, two: tuple[Guest, Guest], tmp_path: Path
) -> None:
    first, second = two
    storage = cloud.sdk().block_storage
    disk = Disk.make(cloud)
    disk.attach(first)
    disk.wait_for("in-use")
    path = disk.path_in(first)
    pattern = write(first, path)
    writer = Writer.start(first, path)

    def backup(*, is_incremental: bool) -> tuple[Any, int, int]:
        """With the last numbers that were on the disk before it and after it."""
        before = writer.on_disk()
        made = storage.create_backup(volume_id=disk.id, name="kept", force=True, is_incremental=is_incremental)
        until(lambda: storage.get_backup(made.id).status == "available", "a backup", deadline_s=DONE_S, every_s=0.3)
        return made, before, writer.on_disk()

    whole = backup(is_incremental=False)
    later = backup(is_incremental=True)
    before, images = writer.on_disk(), cloud.sdk().image
    told = storage.upload_volume_to_image(disk.id, "written-to", force=True, disk_format="qcow2")
    image_id = told["image_id"]
    until(lambda: images.get_image(image_id).status == "active", "an image", deadline_s=DONE_S, every_s=0.3)
    disk.wait_for("in-use")
    images.download_image(image_id, output=str(tmp_path / "image"))
    imported = cloud.sdk().create_image(
        "imported", filename=str(tmp_path / "image"), disk_format="qcow2", container_format="bare", use_import=True,
        wait=True, timeout=DONE_S,
    )  # fmt: skip
    assert writer.stop() > later[2] > whole[2] > 0, "the guest was held up"
    copies = []
    for made, least, most in (whole, later):
        restored = storage.restore_backup(made.id, name="restored")
        copies.append((Disk(cloud, restored.volume_id), least, most))
    copies.append((Disk.make(cloud, image_id=imported.id), before, writer.on_disk()))
    for copy, least, most in copies:
        copy.wait_for("available")
        copy.attach(second)
        copy.wait_for("in-use")
        place = copy.path_in(second)
        assert read(second, place) == pattern
        assert least <= numbers(second, place) <= most + 1
        copy.detach(second)
        copy.wait_for("available")
        copy.delete()
    disk.detach(first)
    disk.wait_for("available")
    storage.delete_backup(later[0].id)  # it is based on the other
    until(lambda: len(list(storage.backups())) == 1, "one backup", deadline_s=DONE_S, every_s=0.3)
    storage.delete_backup(whole[0].id)
    until(lambda: not list(storage.backups()), "no backup", deadline_s=DONE_S, every_s=0.3)
    for each in (image_id, imported.id):
        images.delete_image(each)
    disk.delete()


@pytest.mark.one_node
def test_an_agent_that_is_killed_attaches_extends_and_detaches_all_the_same(
    cloud: Cloud, two: tuple[Guest, Guest]
) -> None:
    guest, _ = two
    disk = Disk.make(cloud)
    disk.attach(guest)
    cloud.kill("compute-agent")
    disk.wait_for("in-use")
    path = disk.path_in(guest)
    written = write(guest, path)
    disk.extend(2)
    cloud.kill("compute-agent")
    until(lambda: disk.show().size == 2, "a larger volume", deadline_s=DONE_S, every_s=0.2)
    disk.wait_for("in-use")
    assert disk.size_in(guest) == 2 * GIB
    assert read(guest, path) == written
    disk.detach(guest)
    cloud.kill("compute-agent")
    _comes_back_whole(disk, guest, written)


def _comes_back_whole(disk: Disk, guest: Guest, written: str) -> None:
    """A disk that is let go is free, has what was written when it is attached again, and ends."""
    disk.wait_for("available")
    assert disk.names_in(guest) == []
    disk.attach(guest)
    disk.wait_for("in-use")
    assert read(guest, disk.path_in(guest)) == written
    disk.detach(guest)
    disk.wait_for("available")
    disk.delete()


def test_two_guests_have_one_volume(cloud: Cloud, two: tuple[Guest, Guest]) -> None:
    first, second = two
    admin = cloud.sdk("cumulet-admin").block_storage
    kind = admin.create_type(name="for several")
    admin.update_type_extra_specs(kind, multiattach="<is> True")
    disk = Disk.make(cloud, volume_type="for several")
    for guest in two:
        disk.attach(guest)
        until(lambda guest=guest: disk.names_in(guest), f"it in {guest.name}", deadline_s=DONE_S, every_s=0.3)  # type: ignore[misc]
    written = write(first, disk.path_in(first))
    assert read(second, disk.path_in(second)) == written
    disk.detach(first)
    until(lambda: not disk.names_in(first), "its end there", deadline_s=DONE_S, every_s=0.3)
    assert read(second, disk.path_in(second)) == written
    disk.wait_for("in-use")
    disk.detach(second)
    disk.wait_for("available")
    disk.delete()
    until(lambda: not list(cloud.sdk().block_storage.volumes()), "its end", deadline_s=DONE_S, every_s=0.3)
    admin.delete_type(kind)


def test_a_disk_is_as_fast_as_its_type_allows(cloud: Cloud, two: tuple[Guest, Guest]) -> None:
    guest, admin = two[0], cloud.sdk("cumulet-admin").block_storage
    kind = admin.create_type(name="slow")
    headers = {"OpenStack-API-Version": "volume 3.71"}
    body = {"qos_specs": {"name": "slow", "consumer": "front-end", "total_iops_sec": "60"}}
    qos = admin.post("/qos-specs", json=body, headers=headers).json()["qos_specs"]
    assert admin.get(f"/qos-specs/{qos['id']}/associate?vol_type_id={kind.id}").status_code == 202
    disk = Disk.make(cloud, volume_type="slow")
    disk.attach(guest)
    disk.wait_for("in-use")
    name = disk.path_in(guest).rpartition("/")[2]
    told = host("virsh", "-c", "qemu:///system", "blkdeviotune", guest.id, name)
    limits = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in told.splitlines())}
    assert limits["total_iops_sec"] == "60", told
    disk.detach(guest)
    disk.wait_for("available")
    disk.delete()
    until(lambda: not list(cloud.sdk().block_storage.volumes()), "its end", deadline_s=DONE_S, every_s=0.3)
    admin.delete_type(kind)
    admin.delete(f"/qos-specs/{qos['id']}")


def test_a_guest_that_does_not_let_its_disk_go_keeps_it_and_the_owner_is_told(
    cloud: Cloud, two: tuple[Guest, Guest]
) -> None:
    """It stands still, so that it answers no request of its hardware; once it goes on, the disk comes off."""
    guest, _ = two
    storage, compute = cloud.sdk().block_storage, cloud.sdk().compute
    disk = Disk.make(cloud)
    disk.attach(guest)
    disk.wait_for("in-use")
    written = write(guest, disk.path_in(guest))
    compute.pause_server(guest.id)
    guest.wait_for_status("PAUSED")
    disk.detach(guest)
    disk.wait_for("detaching")
    until(lambda: disk.show().status == "in-use", "a volume that stays", deadline_s=PATIENCE_S, every_s=1.0)
    headers = {"OpenStack-API-Version": "volume 3.71"}
    told = storage.get(f"/messages?resource_uuid={disk.id}", headers=headers).json()["messages"]
    assert "did not let the device" in told[0]["user_message"]
    compute.unpause_server(guest.id)
    guest.wait_for_status("ACTIVE")
    disk.detach(guest)
    _comes_back_whole(disk, guest, written)


@pytest.fixture
def small(cloud: Cloud, tmp_path: Path) -> Iterator[Path]:
    """The node's folder of volumes on a file system of 400 MiB, for as long as the test runs."""
    folder = cloud.state / "agent/volumes"
    (tmp_path / "small").mkdir()
    host("mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(tmp_path / "small"))
    host("cp", "-a", f"{folder}/.", str(tmp_path / "small"))
    host("mount", "--move", str(tmp_path / "small"), str(folder))
    yield folder
    host("umount", "--lazy", str(folder))


@pytest.mark.one_node
def test_a_guest_whose_disk_is_full_stands_says_so_and_goes_on_with_nothing_lost(
    cloud: Cloud, two: tuple[Guest, Guest], small: Path
) -> None:
    guest, _ = two
    boot = guest.boot_id()
    cloud.sdk().compute.reboot_server(guest.id, "HARD")  # libvirt gave the old process a view of the mounts of then
    guest.wait_for_other_boot(boot)
    disk = Disk.make(cloud)
    disk.attach(guest)
    disk.wait_for("in-use")
    path = disk.path_in(guest)
    filler = small / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small).free - 20 * MIB)
    guest.ssh("dd if=/dev/urandom of=/tmp/pattern bs=1M count=30 2>/dev/null")
    guest.ssh(f"(dd if=/tmp/pattern of={path} bs=1M conv=fsync 2>/dev/null; echo $? >/tmp/ended) >/dev/null 2>&1 &")

    def stands() -> bool:
        server = cloud.sdk().compute.get_server(guest.id)
        return server.power_state == 3 and "no room" in str((server.fault or {}).get("message"))

    until(stands, "a server that says that it stands", deadline_s=DONE_S, every_s=0.5)
    assert guest.try_ssh("true", timeout_s=5).returncode == 255
    filler.unlink()
    until(lambda: guest.try_ssh("cat /tmp/ended").stdout.strip() == "0", "the end of its writing", deadline_s=DONE_S)
    assert read(guest, path, mib=30) == guest.ssh("sha256sum </tmp/pattern").split()[0]
    until(lambda: not cloud.sdk().compute.get_server(guest.id).fault, "no fault any more", deadline_s=DONE_S)
    guest.ssh("rm /tmp/pattern /tmp/ended")
    disk.detach(guest)
    disk.wait_for("available")
    disk.delete()
    until(lambda: not list((small / "volumes").iterdir()), "the file's end", deadline_s=DONE_S)
