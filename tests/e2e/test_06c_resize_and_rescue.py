"""Resizing and rescuing a real guest: what it has of memory and disk, and what is on that, is seen from inside."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud
from tests.fixtures.e2e_guest import Guest, has_password
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_wait import until

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.full]
GIB = 2**30
PASSWORD = "chosen-by-e2e"
BOOTS_S = 150


@pytest.fixture(scope="module")
def growing(cloud: Cloud) -> Iterator[Guest]:
    openstack(
        cloud,
        words("security group create growing"),
        words("security group rule create --ingress --protocol tcp --dst-port 22 growing"),
        words(
            "server create --image cumulet-guest --flavor c1.tiny --network shared --key-name demo --config-drive true "
            "--security-group growing --wait growing"
        ),
    )
    guest = e2e_guest.find(cloud, "growing")
    guest.wait_for_ssh()
    yield guest
    openstack(cloud, words("server delete --wait growing"), words("security group delete growing"))


def disk_gib(guest: Guest) -> float:
    return int(guest.ssh("cat /sys/block/vda/size")) * 512 / GIB


def memory_mib(guest: Guest) -> int:
    return int(guest.ssh("grep MemTotal /proc/meminfo").split()[1]) // 1024


def test_a_resized_guest_has_more_and_going_back_gives_it_the_disk_of_before(cloud: Cloud, growing: Guest) -> None:
    boot = growing.boot_id()
    growing.ssh("echo before >/root/mark; sync")
    openstack(cloud, words("server resize --flavor c1.small growing"))
    growing.wait_for_status("VERIFY_RESIZE", BOOTS_S)
    growing.wait_for_other_boot(boot)
    assert (disk_gib(growing), memory_mib(growing) > 180) == (2, True)
    assert growing.ssh("cat /root/mark") == "before"
    assert growing.address in growing.ssh("ip -o -4 addr show eth0")
    boot = growing.boot_id()
    growing.ssh("echo after >/root/mark; sync")
    openstack(cloud, words("server resize revert growing"))
    growing.wait_for_status("ACTIVE", BOOTS_S)
    growing.wait_for_other_boot(boot)
    assert (disk_gib(growing), memory_mib(growing) < 130) == (1, True)
    assert growing.ssh("cat /root/mark") == "before"
    assert not (growing.folder / "kept").exists()


def test_confirmed_it_keeps_what_it_has_and_what_it_was_is_gone(cloud: Cloud, growing: Guest) -> None:
    boot = growing.boot_id()
    openstack(cloud, words("server resize --flavor c1.small growing"))
    growing.wait_for_status("VERIFY_RESIZE", BOOTS_S)
    growing.wait_for_other_boot(boot)
    growing.ssh("echo kept >/root/mark; sync")
    boot = growing.boot_id()
    openstack(cloud, words("server resize confirm growing"))
    growing.wait_for_status("ACTIVE")
    until(lambda: not (growing.folder / "kept").exists(), "the end of the kept disks", deadline_s=30)
    assert growing.boot_id() == boot, "the guest was disturbed"
    assert (disk_gib(growing), growing.ssh("cat /root/mark")) == (2, "kept")


def test_a_rescued_guest_runs_from_another_disk_and_sees_its_own(cloud: Cloud, growing: Guest) -> None:
    boot = growing.boot_id()
    openstack(cloud, words(f"server rescue --password {PASSWORD} growing"))
    growing.wait_for_status("RESCUE", BOOTS_S)
    growing.wait_for_other_boot(boot)
    assert growing.try_ssh("test -e /root/mark").returncode == 1
    until(lambda: has_password(growing, PASSWORD), "the password that it was rescued with", deadline_s=60)
    assert int(growing.ssh("cat /sys/block/vdb/size")) * 512 == 2 * GIB
    growing.ssh(
        "mkdir -p /mnt/own && mount /dev/vdb2 /mnt/own && echo mended >/mnt/own/root/mark; umount /mnt/own; sync"
    )
    boot = growing.boot_id()
    openstack(cloud, words("server unrescue growing"))
    growing.wait_for_status("ACTIVE", BOOTS_S)
    growing.wait_for_other_boot(boot)
    assert growing.ssh("cat /root/mark") == "mended"
    assert not has_password(growing, PASSWORD)
    assert not list(growing.folder.glob("rescue*"))
