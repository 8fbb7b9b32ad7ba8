"""Stop, start, reboot soft and hard, a guest that switches itself off, and delete: by the API and seen in the guest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_cloud import Cloud, host
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_wait import until

pytestmark = [pytest.mark.qemu, pytest.mark.root]


def test_soft_and_hard_reboot(cloud: Cloud, pair: tuple[Guest, Guest]) -> None:
    """Both at once: the machine has two cores."""
    web, other = pair
    before = [guest.boot_id() for guest in pair]
    hard_qemu = cloud.qemu_pid(other.id)
    web.ssh("echo kept >/root/file; sync")
    openstack(cloud, words("server reboot --soft web-1"), words("server reboot --hard web-2"))
    for guest, boot in zip(pair, before, strict=True):
        guest.wait_for_other_boot(boot)
        guest.wait_for_status("ACTIVE")
        assert guest.ssh("cat /root/user-data-runs") == "ran", "user data ran again"
    assert web.ssh("cat /root/file") == "kept"
    assert cloud.qemu_pid(other.id) not in (0, hard_qemu)


def test_stop_and_start(cloud: Cloud, pair: tuple[Guest, Guest]) -> None:
    web = pair[0]
    before = web.boot_id()
    openstack(cloud, words("server stop web-1"))
    web.wait_for_status("SHUTOFF")
    assert cloud.qemu_pid(web.id) == 0
    assert (
        "SHUTOFF"
        in openstack(cloud, words("server show web-1 -f json -c status"), words("server start web-1"))[0].output
    )
    web.wait_for_status("ACTIVE")
    web.wait_for_other_boot(before)
    assert web.ssh("cat /root/file /root/user-data-runs").split() == ["kept", "ran"]


def test_a_guest_that_powers_itself_off_is_shut_off(cloud: Cloud, pair: tuple[Guest, Guest]) -> None:
    other = pair[1]
    other.ssh("(sleep 0.2; poweroff) >/dev/null 2>&1 </dev/null &")
    other.wait_for_status("SHUTOFF", deadline_s=60)
    assert cloud.cumulet("operation", "list", "--resource", other.id, "--stuck", cloud="cumulet") == []


def test_events_tell_what_was_done(cloud: Cloud, pair: tuple[Guest, Guest]) -> None:
    (listed,) = openstack(cloud, words("server event list web-1 -f json"))
    by_action = {row["Action"]: row["Request ID"] for row in listed.json}
    assert set(by_action) == {"create", "reboot", "stop", "start"}
    (shown,) = openstack(cloud, words(f"server event show web-1 {by_action['create']} -f json"))
    assert shown.json["action"] == "create"
    assert shown.json["request_id"].startswith("req-")


def traces(cloud: Cloud, guest: Guest) -> dict[str, Any]:
    """All that a server has on this machine and in the books, by kind; empty kinds left out."""
    config = [path.read_text() for path in (cloud.state / "run").rglob("*") if path.is_file() and not path.is_socket()]
    found = {
        "domain": guest.id in host("virsh", "-q", "-c", "qemu:///system", "list", "--all", "--name"),
        "process": bool(cloud.qemu_pid(guest.id)),
        "device": Path("/sys/class/net", guest.tap).exists(),
        "disk": guest.folder.exists(),
        "spec": _lives(cloud.state / "agent/specs" / f"{guest.id}.json"),
        "DHCP": any(guest.mac in text for text in config),
        "filters": guest.tap in (rules := host("nft", "list", "ruleset")) or guest.mac in rules,
        "port": any(cloud.sdk("cumulet-admin").network.ports(device_id=guest.id)),
        "allocation": any(cloud.sdk("cumulet-admin").network.ports(mac_address=guest.mac)),
    }
    return {kind: there for kind, there in found.items() if there}


def _lives(spec: Path) -> bool:
    """A tombstone may stay, so that a late command can't bring the server back."""
    return spec.exists() and json.loads(spec.read_text())["gone_at"] is None


def claimed(cloud: Cloud) -> dict[str, int]:
    node = cloud.cumulet("node", "list")[0]["Name"]
    return dict(cloud.cumulet("node", "show", node)["claimed"])


def used(cloud: Cloud) -> tuple[int, int, int]:
    limits = cloud.sdk().compute.get_limits().absolute
    return limits.instances_used, limits.total_cores_used, limits.total_ram_used


@pytest.mark.one_node
def test_delete_leaves_nothing(cloud: Cloud, pair: tuple[Guest, Guest]) -> None:
    """A running guest and one that is off; and openstacksdk's own create_server(wait=True) with its delete."""
    made = cloud.sdk().create_server(
        "by-sdk", image="cumulet-guest", flavor="c1.small", network="shared", key_name="demo", wait=True, timeout=120,
        auto_ip=False,
    )  # fmt: skip
    assert made.status == "ACTIVE"
    guests = [*pair, e2e_guest.find(cloud, made.id)]
    assert set(traces(cloud, guests[0])) == {
        "domain", "process", "device", "disk", "spec", "DHCP", "filters", "port", "allocation",
    }  # fmt: skip
    assert claimed(cloud) == {"vcpus": 4, "memory_mib": 3 * 128 + 256, "disk_gib": 5}
    assert used(cloud) == (4, 4, 640)
    openstack(cloud, words("server delete --wait web-1 web-2 by-sdk"), words("security group delete web"))
    for guest in guests:
        until(lambda guest=guest: not traces(cloud, guest), f"the end of {guest.name}", deadline_s=30)  # type: ignore[misc]
    assert claimed(cloud) == {"vcpus": 1, "memory_mib": 128, "disk_gib": 1}
    assert used(cloud) == (1, 1, 128)
    assert [server.name for server in cloud.sdk().compute.servers()] == ["first"]
