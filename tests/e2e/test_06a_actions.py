"""One server walked through the actions that keep it: what each does is seen from inside the guest, in which an agent runs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets import Origin, Subprotocol
from websockets.sync.client import connect

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud, host
from tests.fixtures.e2e_guest import Guest, has_password
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_wait import until

pytestmark = [pytest.mark.qemu, pytest.mark.root]
PASSWORD = "chosen-by-e2e"
FROZEN = "/var/lib/cumulet-frozen"  # there for as long as the guest's disk is frozen: devstack/guest/agent


@pytest.fixture(scope="module")
def walker(cloud: Cloud) -> Iterator[Guest]:
    """Its image wants to be frozen for snapshots: without an agent that answers there are none."""
    file = cloud.state / "guest/cumulet-guest-agent.qcow2"
    openstack(
        cloud,
        words("security group create walker"),
        words("security group rule create --ingress --protocol tcp --dst-port 22 walker"),
        words(
            f"image create --file {file} --disk-format qcow2 --container-format bare --property hw_qemu_guest_agent=yes "
            "--property os_require_quiesce=yes with-agent"
        ),
    )
    demo = cloud.sdk()
    made = demo.compute.create_server(
        name="walker", image_id=demo.image.find_image("with-agent").id, key_name="demo",
        flavor_id=demo.compute.find_flavor("c1.tiny").id, networks=[{"uuid": demo.network.find_network("shared").id}],
        security_groups=[{"name": "walker"}], config_drive=True, admin_password=PASSWORD,
    )  # fmt: skip
    guest = e2e_guest.find(cloud, made.id)
    guest.wait_for_status("ACTIVE")
    yield guest
    openstack(
        cloud,
        words("server delete --wait walker"),
        words("security group delete walker"),
        words("image delete with-agent"),
    )


def wait_for_agent(guest: Guest) -> None:
    until(lambda: guest.try_ssh("pidof qemu-ga").returncode == 0, "the agent in the guest", deadline_s=60, every_s=0.3)


def interrupts(guest: Guest) -> int:
    """How many NMIs the guest's processors have had."""
    return sum(int(word) for word in guest.ssh("grep NMI: /proc/interrupts").split() if word.isdigit())


def test_logging_in_waits_for_a_guest_that_boots_and_says_so(cloud: Cloud, walker: Guest) -> None:
    done = subprocess.run(
        [
            str(cloud.binaries / "cumulet"), "server", "ssh", "walker", "-i", str(cloud.client / "id_demo"),
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "--", "hostname",
        ],
        env={**cloud.environment, "OS_CLOUD": "cumulet"}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=e2e_guest.BOOT_S + 60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "walker"), done.stderr
    assert f"waiting for SSH of server walker at {walker.address} port 22" in done.stderr


def test_the_password_that_a_server_was_asked_for_with_is_that_of_its_root(cloud: Cloud, walker: Guest) -> None:
    """By its config drive; no other file of the cloud has it, database, broker and logs included (LOG-01)."""
    until(lambda: has_password(walker, PASSWORD), "the password that the config drive tells", deadline_s=60)
    found = subprocess.run(["grep", "-rlF", PASSWORD, str(cloud.state)], capture_output=True, text=True, check=False)
    (holder,) = map(Path, found.stdout.splitlines())
    assert holder.parts[-3:] == ("instances", walker.id, "config.iso")


def test_the_agent_in_the_guest_sets_a_password(cloud: Cloud, walker: Guest) -> None:
    wait_for_agent(walker)
    cloud.sdk().compute.change_server_password(walker.id, f"{PASSWORD} anew")
    assert has_password(walker, f"{PASSWORD} anew")


def test_the_interrupt_of_a_crash_dump_reaches_the_guest(cloud: Cloud, walker: Guest) -> None:
    before = interrupts(walker)
    cloud.sdk().compute.trigger_server_crash_dump(walker.id)
    until(lambda: interrupts(walker) > before, "an NMI in the guest", deadline_s=30, every_s=0.3)
    assert "NMI" in walker.ssh("dmesg | tail -n 20")


def test_its_screen_is_seen_all_the_same(cloud: Cloud, walker: Guest) -> None:
    told = cloud.sdk().compute.create_server_remote_console(walker.id, protocol="vnc", type="novnc")
    parts = urlsplit(told.url)
    base = f"{parts.scheme}://{parts.netloc}"
    at = parse_qs(parts.query)["path"][0]
    with connect(
        f"ws{base.removeprefix('http')}/{at}", origin=Origin(base), subprotocols=[Subprotocol("binary")], compression=None,
        proxy=None,
    ) as socket:  # fmt: skip
        assert socket.recv(timeout=30) == b"RFB 003.008\n"


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
    openstack(
        cloud, words(f"server rebuild --image with-agent --property colour=red --password {PASSWORD} --wait walker")
    )
    walker.wait_for_other_boot(boot)
    assert walker.try_ssh("test -e /root/mark").returncode == 1
    assert walker.address in walker.ssh("ip -o -4 addr show eth0")
    assert walker.mac == walker.ssh("cat /sys/class/net/eth0/address")
    assert cloud.sdk().compute.get_server(walker.id).metadata == {"colour": "red"}
    until(lambda: has_password(walker, PASSWORD), "the password that it was rebuilt with", deadline_s=60)


@pytest.mark.full
def test_an_image_of_the_running_guest_holds_what_is_on_its_disk(cloud: Cloud, walker: Guest) -> None:
    """Even what it had not yet written, since its agent froze its disk for the moment of the copy; it goes on meanwhile.

    And the server that is rebuilt from it is the one it was made of, with another boot.
    """
    boot = walker.boot_id()
    wait_for_agent(walker)
    walker.ssh("(n=0; while :; do n=$((n+1)); echo $n >>/root/numbers; done) >/dev/null 2>&1 </dev/null &")
    walker.ssh("echo in-the-image >/root/mark")
    openstack(cloud, words("server image create --name walked --wait walker"))
    assert walker.boot_id() == boot, "the guest was disturbed"
    assert walker.ssh("cat /run/cumulet/fsfreeze.log").split() == ["freeze", "thaw"]
    image = cloud.sdk().image.find_image("walked")
    assert (image.status, image.properties["image_type"], image.min_disk) == ("active", "snapshot", 1)
    assert list(walker.folder.glob("snapshot-*")) == []
    walker.ssh("echo later >/root/mark; sync")
    openstack(cloud, words("server rebuild --image walked --wait walker"))
    walker.wait_for_other_boot(boot)
    assert walker.ssh("cat /root/mark") == "in-the-image"
    walker.ssh(f"test -e {FROZEN}")
    numbers = [int(line) for line in walker.ssh("cat /root/numbers").splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))
    openstack(cloud, words("image delete walked"))


@pytest.mark.full
@pytest.mark.one_node
def test_a_guest_that_was_left_frozen_is_thawed_by_its_next_image(cloud: Cloud, walker: Guest) -> None:
    """An agent of ours that is killed between the two leaves it so."""
    wait_for_agent(walker)
    walker.ssh("rm -f /run/cumulet/fsfreeze.log")
    host("virsh", "-c", "qemu:///system", "domfsfreeze", walker.id)
    openstack(cloud, words("server image create --name thawed --wait walker"))
    walker.ssh("echo thawed >/root/mark; sync")
    assert walker.ssh("cat /run/cumulet/fsfreeze.log").split() == ["freeze", "thaw", "freeze", "thaw"]
    openstack(cloud, words("image delete thawed"))


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
