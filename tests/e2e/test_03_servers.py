"""Two servers by one `openstack server create` with every option, and what the guests find of it."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.e2e.conftest import USER_DATA
from tests.fixtures.e2e_cloud import Cloud
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_openstack import openstack, words

pytestmark = [pytest.mark.qemu, pytest.mark.root]

SERVICE = "http://169.254.169.254"


def fetch(guest: Guest, path: str) -> str:
    return guest.ssh(f"timeout 10 wget -q -O - {SERVICE}/{path}")


def test_servers_are_listed_and_shown(cloud: Cloud, pair: tuple[Guest, Guest]) -> None:
    listed, shown, console = openstack(
        cloud,
        words("server list -f json"),
        words("server show web-1 -f json"),
        words("console log show web-1"),
    )
    assert {row["Name"]: row["Status"] for row in listed.json} == {
        "first": "ACTIVE", "web-1": "ACTIVE", "web-2": "ACTIVE",
    }  # fmt: skip
    server = shown.json
    assert server["status"] == "ACTIVE"
    assert server["addresses"] == {"shared": [pair[0].address]}
    assert server["properties"] == {"colour": "blue"}
    assert (server["key_name"], server["config_drive"]) == ("demo", "True")
    assert [group["name"] for group in server["security_groups"]] == ["web"]
    assert "cloud-init: " in console.output
    assert "done host=web-1" in console.output


def test_guests_have_their_names_and_addresses(pair: tuple[Guest, Guest]) -> None:
    for guest in pair:
        assert guest.ssh("hostname") == guest.name
        assert guest.address in guest.ssh("ip -o -4 addr show eth0")
        assert guest.mac == guest.ssh("cat /sys/class/net/eth0/address")


def test_guests_know_each_other_by_name(pair: tuple[Guest, Guest]) -> None:
    """The network's own resolver."""
    web, other = pair
    assert other.address in web.ssh(f"nslookup {other.name} 2>&1; cat /etc/resolv.conf")


def test_metadata_by_openstacks_paths(cloud: Cloud, pair: tuple[Guest, Guest]) -> None:
    web = pair[0]
    document = json.loads(fetch(web, "openstack/latest/meta_data.json"))
    assert (document["uuid"], document["name"]) == (web.id, "web-1")
    assert document["hostname"].split(".")[0] == "web-1"
    assert document["meta"] == {"colour": "blue"}
    assert document["public_keys"]["demo"].strip() == (cloud.client / "id_demo.pub").read_text().strip()
    assert fetch(web, "openstack/latest/user_data") == USER_DATA.strip()
    network = json.loads(fetch(web, "openstack/latest/network_data.json"))
    assert network["links"][0]["ethernet_mac_address"] == web.mac


def test_a_guest_leaves_a_password_for_its_owner(cloud: Cloud, pair: tuple[Guest, Guest]) -> None:
    """As cloudbase-init does it: looks, leaves it once, and is refused a second time."""
    web, compute = pair[0], cloud.sdk().compute
    path = "openstack/2013-04-04/password"
    leave = f"timeout 10 wget -q -O - --post-data {{}} {SERVICE}/{path}"
    assert fetch(web, path) == ""
    web.ssh(leave.format("Zmlyc3Q="))
    assert web.try_ssh(leave.format("c2Vjb25k")).returncode != 0
    assert fetch(web, path) == "Zmlyc3Q="
    assert fetch(pair[1], path) == ""
    assert compute.get_server_password(web.id) == "Zmlyc3Q="
    compute.clear_server_password(web.id)
    assert fetch(web, path) == compute.get_server_password(web.id) == ""


def test_metadata_by_ec2s_paths(cloud: Cloud, pair: tuple[Guest, Guest]) -> None:
    web, other = pair
    assert fetch(web, "latest/meta-data/local-ipv4") == web.address
    assert fetch(other, "latest/meta-data/local-ipv4") == other.address  # each its own
    assert fetch(web, "latest/meta-data/local-hostname").split(".")[0] == "web-1"
    assert (
        fetch(web, "latest/meta-data/public-keys/0/openssh-key") == (cloud.client / "id_demo.pub").read_text().strip()
    )
    assert fetch(web, "latest/user-data") == USER_DATA.strip()


def test_config_drive_says_the_same(pair: tuple[Guest, Guest]) -> None:
    web = pair[0]
    read = "modprobe -q -a isofs; mkdir -p /mnt/cd; mount -o ro $(findfs LABEL=config-2) /mnt/cd || exit 1; "
    files = web.ssh(
        f"{read} cd /mnt/cd/openstack/latest && cat meta_data.json && echo && cat user_data; cd / && umount /mnt/cd"
    )
    document, end = json.JSONDecoder().raw_decode(files)
    assert (document["uuid"], document["meta"]) == (web.id, {"colour": "blue"})
    assert files[end:].strip() == USER_DATA.strip()


def test_user_data_ran_once(pair: tuple[Guest, Guest]) -> None:
    for guest in pair:
        assert guest.ssh("cat /root/user-data-runs") == "ran"


def test_root_disk_has_grown_to_the_flavor(pair: tuple[Guest, Guest]) -> None:
    mib = int(pair[0].ssh("df -m / | tail -n 1").split()[1])
    assert 900 < mib <= 1024


def test_only_the_key_logs_in(pair: tuple[Guest, Guest]) -> None:
    tried = subprocess.run(
        [
            "ssh", "-o", "PubkeyAuthentication=no", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", f"root@{pair[0].address}", "true",
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert tried.returncode == 255
    assert "Permission denied (publickey)" in tried.stderr
