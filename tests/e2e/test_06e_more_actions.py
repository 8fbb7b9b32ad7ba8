"""What else can be done with a server, each seen from inside a real guest: files, cards, addresses, rescue, deletion and back.

It has one server, whose flavor has an ephemeral and a swap disk; test_06a and test_06c have the actions that are not here.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets import Origin, Subprotocol
from websockets.sync.client import connect

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_rescue import rescue_cd, rescue_disk
from tests.fixtures.e2e_wait import until

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.full]
BOOTS_S = 150.0
PLUG_S = 30.0
STUBBORN_S = 120.0  # a guest that does not listen to the power button has a minute
FILES = {"/root/notes/one": b"written before user data ran\n", "/etc/two": bytes(range(256)) * 40}
USER_DATA = "#!/bin/sh\ncp /root/notes/one /root/seen-by-user-data\n"
MIB = 2**20


def as_personality(files: dict[str, bytes]) -> list[dict[str, str]]:
    return [{"path": path, "contents": base64.b64encode(said).decode()} for path, said in files.items()]


@pytest.fixture(scope="module")
def handy(cloud: Cloud) -> Iterator[Guest]:
    """Made with injected files, which clients have not had since 2.57."""
    openstack(
        cloud, words("flavor create --vcpus 1 --ram 128 --disk 1 --ephemeral 1 --swap 32 --id c1.handy c1.handy"),
        user="cumulet-admin",
    )  # fmt: skip
    openstack(
        cloud,
        words("security group create handy"),
        words("security group rule create --ingress --protocol tcp --dst-port 22 handy"),
        words("network create beside"),
        words("subnet create --network beside --subnet-range 10.78.0.0/24 --gateway none beside"),
    )
    demo = cloud.sdk()
    server = {
        "name": "handy", "imageRef": demo.image.find_image("cumulet-guest").id, "flavorRef": "c1.handy", "key_name": "demo",
        "networks": [{"uuid": demo.network.find_network("shared").id}], "security_groups": [{"name": "handy"}],
        "personality": as_personality(FILES), "user_data": base64.b64encode(USER_DATA.encode()).decode(),
    }  # fmt: skip
    reply = demo.compute.post("/servers", json={"server": server}, microversion="2.56")
    assert reply.status_code == 202, reply.text
    guest = e2e_guest.find(cloud, reply.json()["server"]["id"])
    guest.wait_for_status("ACTIVE")
    guest.wait_for_ssh()
    guest.wait_for_user_data()
    yield guest
    openstack(
        cloud, words("server delete --wait handy"), words("security group delete handy"), words("network delete beside")
    )
    openstack(cloud, words("flavor delete c1.handy"), user="cumulet-admin")


def sums(guest: Guest, files: dict[str, bytes]) -> dict[str, str]:
    return {path: guest.ssh(f"sha256sum {path}").split()[0] for path in files}


def test_injected_files_are_there_before_user_data_runs(handy: Guest) -> None:
    assert sums(handy, FILES) == {path: hashlib.sha256(said).hexdigest() for path, said in FILES.items()}
    assert handy.ssh("stat -c %a /etc/two") == "660"
    assert handy.ssh("cat /root/seen-by-user-data") == FILES["/root/notes/one"].decode().strip()


def test_ephemeral_and_swap_disks_are_devices_of_their_size(handy: Guest) -> None:
    size = "cat /sys/block/vdb/size /sys/block/vdc/size"
    assert [int(sectors) * 512 // MIB for sectors in handy.ssh(size).split()] == [1024, 32]
    handy.ssh(
        "mkdir -p /mnt/e && mount -t ext4 /dev/vdb /mnt/e && echo used >/mnt/e/mark && umount /mnt/e; swapon /dev/vdc"
    )
    assert "/dev/vdc" in handy.ssh("cat /proc/swaps")


def cards(guest: Guest) -> str:
    return guest.try_ssh("ip -o addr; cat /sys/class/net/*/address").stdout


def test_a_card_that_is_plugged_in_gets_its_address_and_goes_again(cloud: Cloud, handy: Guest) -> None:
    boot = handy.boot_id()
    openstack(cloud, words("port create --network beside extra"), words("server add port handy extra"))
    port = cloud.sdk().network.find_port("extra")
    address = port.fixed_ips[0]["ip_address"]
    until(lambda: f"inet {address}/24" in cards(handy), "the card's address", deadline_s=PLUG_S, every_s=0.5)
    assert port.mac_address in cards(handy)
    openstack(cloud, words("server remove port handy extra"))
    until(lambda: port.mac_address not in cards(handy), "the card's end", deadline_s=PLUG_S, every_s=0.5)
    openstack(cloud, words("port delete extra"), words("server add network handy beside"))
    (made,) = cloud.sdk().network.ports(device_id=handy.id, network_id=cloud.sdk().network.find_network("beside").id)
    until(lambda: made.mac_address in cards(handy), "the card of a network", deadline_s=PLUG_S, every_s=0.5)
    openstack(cloud, words("server remove network handy beside"))
    until(lambda: made.mac_address not in cards(handy), "the card's end", deadline_s=PLUG_S, every_s=0.5)
    until(lambda: not list(cloud.sdk().network.ports(id=made.id)), "its port's end", deadline_s=PLUG_S)
    assert handy.boot_id() == boot


def test_one_more_fixed_address_is_good_until_it_is_taken_away(cloud: Cloud, handy: Guest) -> None:
    network_id = cloud.sdk().network.find_network("shared").id
    handy.act("addFixedIp", {"networkId": network_id})
    found = [each["addr"] for each in cloud.sdk().compute.get_server(handy.id).addresses["shared"]]
    (address,) = set(found) - {handy.address}
    handy.ssh(f"ip addr add {address}/24 dev eth0")
    second, boot = replace(handy, address=address), handy.boot_id()
    until(lambda: second.boot_id() == boot, "its second address", deadline_s=PLUG_S)
    handy.act("removeFixedIp", {"address": address})
    until(lambda: second.boot_id() == "", "the end of its second address", deadline_s=PLUG_S)
    assert handy.boot_id() == boot
    handy.ssh(f"ip addr del {address}/24 dev eth0")


def test_groups_let_in_and_keep_out(cloud: Cloud, handy: Guest) -> None:
    boot = handy.boot_id()
    openstack(cloud, words("server remove security group handy handy"))
    until(lambda: handy.boot_id() == "", "nobody let in", deadline_s=PLUG_S)
    openstack(cloud, words("server add security group handy handy"))
    until(lambda: handy.boot_id() == boot, "SSH let in again", deadline_s=PLUG_S)


def test_a_serial_console_is_the_guests(cloud: Cloud, handy: Guest) -> None:
    url = cloud.sdk().compute.create_server_remote_console(handy.id, protocol="serial", type="serial").url
    parts = urlsplit(url)
    base = f"http://{parts.netloc}"
    token = parse_qs(parts.query)["token"][0]
    with connect(
        f"ws://{parts.netloc}{parts.path or '/'}?token={token}", origin=Origin(base), subprotocols=[Subprotocol("binary")],
        compression=None, proxy=None,
    ) as socket:  # fmt: skip
        socket.send(b"\r")
        said = b""
        while b"handy login:" not in said:
            message = socket.recv(timeout=30)
            said += message.encode() if isinstance(message, str) else message


def test_its_log_and_diagnostics_are_the_guests(cloud: Cloud, handy: Guest) -> None:
    assert "file: /root/notes/one" in cloud.sdk().compute.get_server_console_output(handy.id)["output"]
    told = cloud.sdk("cumulet-admin").compute.get_server_diagnostics(handy.id)
    assert (told.state, told.driver, told.num_cpus, told.num_nics) == ("running", "libvirt", 1, 1)
    assert told.disk_details[0]["read_bytes"] > 0


def test_a_state_that_is_reset_disturbs_no_guest(handy: Guest) -> None:
    boot = handy.boot_id()
    for state, status in (("error", "ERROR"), ("active", "ACTIVE")):
        handy.act("os-resetState", {"state": state}, user="cumulet-admin")
        assert (handy.status(), handy.boot_id()) == (status, boot)


def test_a_lock_keeps_its_guest_running(cloud: Cloud, handy: Guest) -> None:
    boot = handy.boot_id()
    openstack(cloud, words("server lock --reason busy handy"))
    openstack(
        cloud, words(f"server lock {handy.id}"), user="cumulet-admin"
    )  # an administrator's goes before the owner's
    (refused,) = openstack(cloud, words("server stop handy"), refused=True)
    assert "is locked" in refused.error
    assert (handy.status(), handy.boot_id()) == ("ACTIVE", boot)
    openstack(cloud, words(f"server unlock {handy.id}"), user="cumulet-admin")


def test_backups_are_of_what_was_on_the_disk_and_the_oldest_goes(cloud: Cloud, handy: Guest) -> None:
    for said in ("old", "new"):
        handy.ssh(f"echo {said} >/root/mark; sync")
        openstack(cloud, words(f"server backup create --name {said} --type daily --rotate 1 --wait handy"))
    kept = [image.name for image in cloud.sdk().image.images() if image.properties.get("backup_type") == "daily"]
    assert kept == ["new"]
    handy.ssh("echo lost >/root/mark; sync")
    boot = handy.boot_id()
    openstack(cloud, words("server rebuild --image new --wait handy"))
    handy.wait_for_other_boot(boot)
    assert handy.ssh("cat /root/mark") == "new"
    openstack(cloud, words("image delete new"))


def test_a_rebuild_writes_its_own_files_and_keeps_data_where_it_is_asked_to(cloud: Cloud, handy: Guest) -> None:
    boot = handy.boot_id()
    handy.ssh("mkdir -p /mnt/e && mount -t ext4 /dev/vdb /mnt/e && echo kept >/mnt/e/mark && umount /mnt/e; sync")
    files = {"/etc/motd": b"rebuilt\n"}
    image_id = cloud.sdk().image.find_image("cumulet-guest").id
    asked = {"imageRef": image_id, "personality": as_personality(files), "preserve_ephemeral": True}
    handy.act("rebuild", asked, version="2.56")
    handy.wait_for_status("ACTIVE", BOOTS_S)
    handy.wait_for_other_boot(boot)
    handy.wait_for_user_data()
    assert handy.ssh("cat /etc/motd") == "rebuilt"
    assert handy.try_ssh("test -e /etc/two || test -e /root/mark").returncode == 1
    assert handy.ssh("mkdir -p /mnt/e && mount -t ext4 /dev/vdb /mnt/e && cat /mnt/e/mark; umount /mnt/e") == "kept"


@dataclass(frozen=True)
class RescuedWith:
    """How the rescue image is to be had by the guest, and what says in the guest that it was started from there.

    The cloud kernel has no driver for SATA: the BIOS starts such a CD, which runs in memory, and the guest sees its controller.
    """

    device: str
    bus: str
    make: Callable[[Path, Path], Path]
    look: str
    seen: str


ROOT = "awk '$2 == \"/\" {print $1}' /proc/mounts"
ON_CD = "mkdir -p /mnt/cd && mount -t iso9660 -o ro /dev/sr0 /mnt/cd && ls /mnt/cd; umount /mnt/cd; "
RESCUES = (
    RescuedWith("disk", "virtio", rescue_disk, ROOT, "/dev/vde2"),
    RescuedWith("disk", "scsi", rescue_disk, ROOT, "/dev/sda2"),
    RescuedWith("cdrom", "ide", rescue_cd, ON_CD + ROOT, "boot.cat boot.img rootfs"),
    RescuedWith("cdrom", "scsi", rescue_cd, ON_CD + ROOT, "boot.cat boot.img rootfs"),
    RescuedWith("cdrom", "", rescue_cd, "grep -l 0x010601 /sys/bus/pci/devices/*/class | wc -l; " + ROOT, "1 rootfs"),
)


@pytest.mark.parametrize("rescue", RESCUES, ids=lambda rescue: f"{rescue.device}-{rescue.bus or 'sata'}")
def test_a_stable_rescue_leaves_every_disk_where_it_is(
    cloud: Cloud, handy: Guest, tmp_path: Path, rescue: RescuedWith
) -> None:
    file, name = (
        rescue.make(cloud.state / "guest/cumulet-guest.qcow2", tmp_path),
        f"rescuer-{rescue.device}-{rescue.bus}",
    )
    kind = "iso" if file.suffix == ".iso" else "qcow2"
    wish = f"--property hw_rescue_device={rescue.device}"
    if rescue.bus:
        wish += f" --property hw_rescue_bus={rescue.bus}"
    openstack(cloud, words(f"image create --file {file} --disk-format {kind} --container-format bare {wish} {name}"))
    boot = handy.boot_id()
    handy.ssh("echo broken >/root/mark; sync")
    openstack(cloud, words(f"server rescue --image {name} handy"))
    handy.wait_for_status("RESCUE", BOOTS_S)
    handy.wait_for_other_boot(boot)
    assert handy.ssh("cat /sys/block/vda/size /sys/block/vdb/size").split() == ["2097152", "2097152"]
    assert handy.ssh(rescue.look).split() == rescue.seen.split()
    assert handy.ssh("mkdir -p /mnt/own && mount -t ext4 /dev/vda2 /mnt/own && cat /mnt/own/root/mark") == "broken"
    handy.ssh("echo mended >/mnt/own/root/mark; umount /mnt/own; sync")
    boot = handy.boot_id()
    openstack(cloud, words("server unrescue handy"))
    handy.wait_for_status("ACTIVE", BOOTS_S)
    handy.wait_for_other_boot(boot)
    assert handy.ssh("cat /root/mark") == "mended"
    openstack(cloud, words(f"image delete {name}"))


@contextmanager
def configured(cloud: Cloud, section: str, line: str) -> Iterator[None]:
    """Its services with one more line in their configuration."""
    before = cloud.config.read_text()
    assert f"\n[{section}]\n" not in before
    try:
        _restart(cloud, f"{before}\n[{section}]\n{line}\n")
        yield
    finally:
        _restart(cloud, before)


def _restart(cloud: Cloud, configuration: str) -> None:
    cloud.config.write_text(configuration)
    for service in ("api", "scheduler"):
        former = cloud.kill(service)
        until(
            lambda: cloud.pid(service) not in (0, former) and cloud.healthy(service),  # noqa: B023
            f"{service} with another configuration", deadline_s=60,
        )  # fmt: skip


@pytest.mark.one_node
def test_a_deleted_server_can_be_had_back_until_it_is_deleted_for_good(cloud: Cloud, handy: Guest) -> None:
    demo = cloud.sdk().compute
    with configured(cloud, "compute", "reclaim_deleted_after_s = 3600"):
        boot = handy.boot_id()
        handy.ssh("echo deleted >/root/mark; sync")
        openstack(cloud, words("server delete handy"))
        until(lambda: not cloud.qemu_pid(handy.id), "the end of its process", deadline_s=STUBBORN_S)
        until(
            lambda: demo.find_server(handy.id) is None or handy.status() == "SOFT_DELETED",
            "its deletion",
            deadline_s=30,
        )
        handy.act("restore")
        handy.wait_for_status("ACTIVE")
        handy.wait_for_other_boot(boot)
        assert handy.ssh("cat /root/mark") == "deleted"
        made = demo.create_server(
            name="short", image_id=cloud.sdk().image.find_image("cumulet-guest").id, networks="none",
            flavor_id=demo.find_flavor("c1.tiny").id,
        )  # fmt: skip
        short = Guest(cloud, made.id, "short", "", "", "")
        short.wait_for_status("ACTIVE")
        short.act("forceDelete")
        until(lambda: not cloud.qemu_pid(short.id) and not short.folder.exists(), "its end", deadline_s=60)
