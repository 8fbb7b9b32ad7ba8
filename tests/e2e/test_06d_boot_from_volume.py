"""Servers that boot from a volume: what one guest writes on it, the next one reads, and so does one made of a snapshot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_wait import until

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.full]
SERVER = "--flavor c1.tiny --network shared --key-name demo --security-group volumes --wait"


@pytest.fixture(scope="module")
def opened(cloud: Cloud) -> Iterator[None]:
    openstack(
        cloud,
        words("security group create volumes"),
        words("security group rule create --ingress --protocol tcp --dst-port 22 volumes"),
    )
    yield
    openstack(cloud, words("security group delete volumes"))


def booted(cloud: Cloud, name: str) -> Guest:
    guest = e2e_guest.find(cloud, name)
    guest.wait_for_ssh()
    return guest


def root_volume(cloud: Cloud, name: str) -> str:
    (answer,) = openstack(cloud, words(f"server show {name} -f json"))
    found = answer.json["volumes_attached"] if "volumes_attached" in answer.json else answer.json["attached_volumes"]
    return str(found[0]["id"])


@pytest.mark.usefixtures("opened")
def test_what_is_written_on_it_outlives_the_server(cloud: Cloud) -> None:
    openstack(cloud, words(f"server create --image cumulet-guest --boot-from-volume 2 {SERVER} on-volume"))
    guest = booted(cloud, "on-volume")
    volume_id = root_volume(cloud, "on-volume")
    assert guest.ssh("cat /sys/block/vda/serial") == volume_id[:20]
    assert int(guest.ssh("cat /sys/block/vda/size")) * 512 == 2 * 2**30
    assert not (guest.folder / "disk.qcow2").exists(), "a root disk of its own was made"
    boot = guest.boot_id()
    guest.ssh("echo written >/root/mark; sync")
    openstack(cloud, words("server reboot --hard on-volume"))
    guest.wait_for_other_boot(boot)
    assert guest.ssh("cat /root/mark") == "written"
    openstack(cloud, words("server delete --wait on-volume"), words(f"volume show {volume_id} -f json"))
    openstack(cloud, words(f"server create --volume {volume_id} {SERVER} from-volume"))
    again = booted(cloud, "from-volume")
    assert (again.ssh("cat /root/mark"), again.id != guest.id) == ("written", True)
    assert root_volume(cloud, "from-volume") == volume_id
    storage = cloud.sdk().block_storage
    snapshot = storage.create_snapshot(volume_id=volume_id, name="then", is_forced=True)
    until(lambda: storage.get_snapshot(snapshot.id).status == "available", "a snapshot", deadline_s=60, every_s=0.3)
    again.ssh("rm /root/mark; sync")
    openstack(cloud, words(f"server create --snapshot then {SERVER} from-snapshot"))
    third = booted(cloud, "from-snapshot")
    assert third.ssh("cat /root/mark") == "written", "as it was when the snapshot was made"
    other_id = root_volume(cloud, "from-snapshot")
    assert other_id != volume_id
    openstack(cloud, words("server delete --wait from-volume from-snapshot"), words("volume snapshot delete then"))
    until(lambda: not list(storage.snapshots()), "no snapshot", deadline_s=60, every_s=0.3)
    openstack(cloud, words(f"volume delete {volume_id} {other_id}"))
