"""The short lab run of every test run: three nodes, six servers on them, one node lost and back, nothing left."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.fixtures.e2e_cloud import CHECKOUT
from tests.fixtures.e2e_guest import BOOT_S, Guest
from tests.fixtures.e2e_openstack import openstack, words
from tests.fixtures.e2e_wait import until
from tests.fixtures.lab import Lab

pytestmark = [pytest.mark.qemu, pytest.mark.root]

NODES = {"node1", "node2", "node3"}
DOWN_S = 60.0  # a node without heartbeat is down after 30 s


def test_three_hypervisors_are_up(lab: Lab) -> None:
    (listed,) = openstack(lab, words("hypervisor list -f json"), user="cumulet-admin")
    assert {row["Hypervisor Hostname"]: row["State"] for row in listed.json} == dict.fromkeys(NODES, "up")
    assert {row["Host IP"] for row in listed.json} == {"10.99.0.11", "10.99.0.12", "10.99.0.13"}


def test_status_tells_of_everything(lab: Lab) -> None:
    status = lab.status()
    wanted = {"api", "scheduler1", "scheduler2", "gateway", "console", "rabbitmq", "epmd", "postgresql"}
    assert status["controller"] == dict.fromkeys(wanted, "RUNNING")
    assert {name: facts["power"] for name, facts in status["nodes"].items()} == dict.fromkeys(NODES, "on")


def test_files_with_credentials_are_private(lab: Lab) -> None:
    for path in (lab.top / "etc/secrets.json", lab.client / "openrc", *lab.top.glob("nodes/*/etc/cumulet.conf")):
        assert path.stat().st_mode & 0o777 == 0o600, path
    for path in (lab.config, lab.top / "etc/rabbitmq.conf"):
        assert path.stat().st_mode & 0o007 == 0, path


def test_a_node_sees_nothing_of_the_controllers_or_another_nodes_files(lab: Lab) -> None:
    assert lab.on_node(1, "ls", str(lab.top)).split() == ["self"]
    bus = [line for line in lab.on_node(1, "cat", f"{lab.top}/self/etc/cumulet.conf").splitlines() if "url" in line]
    secrets = json.loads((lab.top / "etc/secrets.json").read_text())
    assert not [line for line in bus if secrets["broker"] in line]


def test_six_servers_are_spread_over_all_three(homes: dict[int, list[Guest]]) -> None:
    """Two each, give or take one: a scheduler passes over a node on which another claims at that very moment."""
    counts = {node: len(guests) for node, guests in homes.items()}
    assert set(counts) == {1, 2, 3}
    assert max(counts.values()) <= 3


def test_every_server_has_its_name_address_metadata_and_key(six: list[Guest]) -> None:
    for guest in six:
        said = guest.ssh("hostname; timeout 20 wget -q -O - http://169.254.169.254/latest/meta-data/local-ipv4")
        assert said.split() == [guest.name, guest.address]


def test_guests_on_different_nodes_reach_each_other(homes: dict[int, list[Guest]]) -> None:
    for here, there in ((1, 2), (2, 3), (3, 1)):
        homes[here][0].ssh(f"ping -c 1 -W 5 {homes[there][0].address}")


def test_up_and_lab_do_not_run_at_the_same_time(lab: Lab) -> None:
    tried = subprocess.run(
        [CHECKOUT / "devstack/up"], env=lab.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert tried.returncode == 1
    assert "the lab is running" in tried.stdout + tried.stderr


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["bogus"], 2),
        (["up", "--nodes"], 2),
        (["node", "crash", "x"], 2),
        (["exec", "1"], 2),
        (["node", "cut", "9"], 1),
    ],
)
def test_exit_status_tells_usage_from_failure(lab: Lab, command: list[str], status: int) -> None:
    tried = subprocess.run(
        [CHECKOUT / "devstack/lab", *command],
        env=lab.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert tried.returncode == status
    assert tried.stderr


def test_a_crashed_node_comes_back_with_its_guests(lab: Lab, homes: dict[int, list[Guest]]) -> None:
    lost, other = homes[2][0], homes[1][0]
    before, others_boot = lost.boot_id(), other.boot_id()
    qemu = lab.qemu_pid(lost.id)
    lab.lab("node", "crash", "2")
    assert qemu
    assert lab.qemu_pid(lost.id) == 0
    assert lab.status()["nodes"]["node2"]["power"] == "off"
    lab.lab("node", "start", "2")
    for guest in homes[2]:
        until(lambda guest=guest: lab.qemu_pid(guest.id), f"the return of {guest.name}", deadline_s=BOOT_S)  # type: ignore[misc]
    lost.wait_for_other_boot(before)
    assert other.boot_id() == others_boot, "a guest on another node was hit"
    until(lambda: lab.hypervisors() == dict.fromkeys(NODES, "up"), "node2 up", deadline_s=DOWN_S)
