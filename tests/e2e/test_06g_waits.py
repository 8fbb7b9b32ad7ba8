"""What ends by itself or is ended by others: an unconfirmed resize, a shelved server's place, the patience with a guest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.test_06e_more_actions import configured
from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_wait import until

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.full, pytest.mark.one_node]
BOOTS_S = 150.0
PATIENCE_S = 8
#: the reader of the power button goes; whatever else has the device open does nothing about it. Not itself: [p]
DEAF = (
    "for each in /proc/[0-9]*; do tr '\\0' ' ' <$each/cmdline 2>/dev/null | grep -q '/usr/lib/cumulet/[p]owerbutton' && "
    "kill -9 ${each#/proc/}; done; true"
)


@pytest.fixture(scope="module")
def patient(cloud: Cloud) -> Iterator[Guest]:
    """Of an image that gives its guests little time to switch themselves off."""
    file = cloud.state / "guest/cumulet-guest.qcow2"
    openstack(
        cloud,
        words(
            f"image create --file {file} --disk-format qcow2 --container-format bare "
            f"--property os_shutdown_timeout={PATIENCE_S} hasty"
        ),
        words("security group create patient"),
        words("security group rule create --ingress --protocol tcp --dst-port 22 patient"),
        words(
            "server create --image hasty --flavor c1.tiny --network shared --key-name demo --security-group patient "
            "--wait patient"
        ),
    )
    guest = e2e_guest.find(cloud, "patient")
    guest.wait_for_ssh()
    yield guest
    openstack(
        cloud,
        words("server delete --wait patient"),
        words("security group delete patient"),
        words("image delete hasty"),
    )


def test_what_is_not_confirmed_is_confirmed_and_what_is_shelved_stays_until_it_is_sent_away(
    cloud: Cloud, patient: Guest
) -> None:
    patient.ssh("echo kept >/root/mark; sync")
    boot = patient.boot_id()
    with configured(cloud, "compute", "resize_confirm_after_s = 1\nshelved_offload_time_s = -1"):
        openstack(cloud, words("server resize --flavor c1.small patient"))
        until(lambda: patient.status() == "ACTIVE" and not (patient.folder / "kept").exists(), "its confirmation",
              deadline_s=BOOTS_S, every_s=0.5)  # fmt: skip
        patient.wait_for_other_boot(boot)
        assert cloud.sdk().compute.get_server(patient.id).flavor.original_name == "c1.small"
        boot = patient.boot_id()
        openstack(cloud, words("server shelve patient"))
        patient.wait_for_status("SHELVED", BOOTS_S)
        assert patient.folder.exists()
        patient.act("shelveOffload", user="cumulet-admin")
        patient.wait_for_status("SHELVED_OFFLOADED")
        until(lambda: not patient.folder.exists(), "the end of its disks", deadline_s=30)
        openstack(cloud, words("server unshelve patient"))
        patient.wait_for_status("ACTIVE", BOOTS_S)
        patient.wait_for_other_boot(boot)
    assert patient.ssh("cat /root/mark") == "kept"


def cuts(cloud: Cloud, guest: Guest) -> list[bool]:
    """For each time that it was stopped, whether the node had to cut its power."""
    ended = [event for event in cloud.events("compute-agent") if event["event"] == "command.ended"]
    stops = [event for event in ended if event["step"] == "ensure_stopped" and event["instance_id"] == guest.id]
    return ["domain" in event["timings_ms"] for event in stops]


def test_a_guest_that_does_not_listen_is_switched_off_after_its_time(cloud: Cloud, patient: Guest) -> None:
    before, boot = cuts(cloud, patient), patient.boot_id()
    openstack(cloud, words("server stop patient"))
    patient.wait_for_status("SHUTOFF", BOOTS_S)
    openstack(cloud, words("server start patient"))
    patient.wait_for_other_boot(boot)
    patient.ssh(DEAF)
    boot = patient.boot_id()
    openstack(cloud, words("server stop patient"))
    patient.wait_for_status("SHUTOFF", BOOTS_S)
    assert cuts(cloud, patient) == [*before, False, True]
    assert patient.boot_id() == ""
    openstack(cloud, words("server start patient"))
    patient.wait_for_other_boot(boot)
