"""One server walked through the actions that keep it: what each does is seen from inside the guest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_wait import until

pytestmark = [pytest.mark.qemu, pytest.mark.root]


@pytest.fixture(scope="module")
def walker(cloud: Cloud) -> Iterator[Guest]:
    openstack(
        cloud,
        words("security group create walker"),
        words("security group rule create --ingress --protocol tcp --dst-port 22 walker"),
        words(
            "server create --image cumulet-guest --flavor c1.tiny --network shared --key-name demo "
            "--security-group walker --wait walker"
        ),
    )
    guest = e2e_guest.find(cloud, "walker")
    guest.wait_for_ssh()
    yield guest
    openstack(cloud, words("server delete --wait walker"), words("security group delete walker"))


def uptime_s(guest: Guest) -> float:
    return float(guest.ssh("cat /proc/uptime").split()[0])


def test_a_paused_guest_stands_still_and_goes_on(cloud: Cloud, walker: Guest) -> None:
    boot, qemu = walker.boot_id(), cloud.qemu_pid(walker.id)
    walker.ssh("echo in-memory >/dev/shm/held")
    openstack(cloud, words("server pause walker"))
    walker.wait_for_status("PAUSED")
    assert walker.boot_id() == "", "it answers while it is paused"
    openstack(cloud, words("server unpause walker"))
    walker.wait_for_status("ACTIVE")
    until(lambda: walker.boot_id() == boot, "the same boot", deadline_s=30, every_s=0.3)
    assert walker.ssh("cat /dev/shm/held") == "in-memory"
    assert cloud.qemu_pid(walker.id) == qemu


def test_a_suspended_guest_has_no_process_and_keeps_its_memory(cloud: Cloud, walker: Guest) -> None:
    boot, qemu = walker.boot_id(), cloud.qemu_pid(walker.id)
    openstack(cloud, words("server suspend walker"))
    walker.wait_for_status("SUSPENDED")
    assert cloud.qemu_pid(walker.id) == 0
    openstack(cloud, words("server resume walker"))
    walker.wait_for_status("ACTIVE")
    until(lambda: walker.boot_id() == boot, "the same boot", deadline_s=60, every_s=0.3)
    assert walker.ssh("cat /dev/shm/held") == "in-memory"
    assert cloud.qemu_pid(walker.id) not in (0, qemu)


def test_a_rebuilt_guest_has_a_new_disk_and_its_old_address(cloud: Cloud, walker: Guest) -> None:
    boot = walker.boot_id()
    walker.ssh("echo old >/root/mark; sync")
    openstack(cloud, words("server rebuild --image cumulet-guest --property colour=red --wait walker"))
    walker.wait_for_other_boot(boot)
    assert walker.try_ssh("test -e /root/mark").returncode == 1
    assert walker.address in walker.ssh("ip -o -4 addr show eth0")
    assert walker.mac == walker.ssh("cat /sys/class/net/eth0/address")
    assert cloud.sdk().compute.get_server(walker.id).metadata == {"colour": "red"}


@pytest.mark.full
def test_an_image_of_the_running_guest_holds_what_is_on_its_disk(cloud: Cloud, walker: Guest) -> None:
    """And the server that is rebuilt from it is the one it was made of, with another boot."""
    boot = walker.boot_id()
    walker.ssh("echo in-the-image >/root/mark; sync")
    openstack(cloud, words("server image create --name walked --wait walker"))
    assert walker.boot_id() == boot, "the guest was disturbed"
    image = cloud.sdk().image.find_image("walked")
    assert (image.status, image.properties["image_type"], image.min_disk) == ("active", "snapshot", 1)
    assert list(walker.folder.glob("snapshot-*")) == []
    walker.ssh("echo later >/root/mark; sync")
    openstack(cloud, words("server rebuild --image walked --wait walker"))
    walker.wait_for_other_boot(boot)
    assert walker.ssh("cat /root/mark") == "in-the-image"
    openstack(cloud, words("image delete walked"))


@pytest.mark.full
def test_a_shelved_server_leaves_its_node_and_comes_back_with_its_disk(cloud: Cloud, walker: Guest) -> None:
    boot = walker.boot_id()
    walker.ssh("echo on-the-shelf >/root/mark; sync")
    openstack(cloud, words("server shelve walker"))
    walker.wait_for_status("SHELVED_OFFLOADED", deadline_s=150)
    assert cloud.qemu_pid(walker.id) == 0
    until(lambda: not walker.folder.exists(), "the end of its disks", deadline_s=30)
    assert cloud.sdk().image.find_image("walker-shelved").status == "active"
    openstack(cloud, words("server unshelve --wait walker"))
    walker.wait_for_other_boot(boot)
    assert walker.ssh("cat /root/mark") == "on-the-shelf"
    assert walker.address in walker.ssh("ip -o -4 addr show eth0")
    assert cloud.sdk().image.find_image("walker-shelved") is None
