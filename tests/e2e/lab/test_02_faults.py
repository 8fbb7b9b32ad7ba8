"""A node that hangs, a node without network, a fourth node: what the API says of them and what guests notice."""

from __future__ import annotations

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_wait import until
from tests.fixtures.lab import Lab

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.full]

DOWN_S, UP_S = 60.0, 60.0  # a node without heartbeat is down after 30 s


def wait_for_state(lab: Lab, node: str, state: str) -> None:
    deadline_s = DOWN_S if state == "down" else UP_S
    until(lambda: lab.hypervisors().get(node) == state, f"{node} {state}", deadline_s=deadline_s, every_s=0.5)


def test_a_frozen_node_is_down_and_goes_on_where_it_was(lab: Lab, homes: dict[int, list[Guest]]) -> None:
    guest = homes[1][0]
    before, qemu = guest.boot_id(), lab.qemu_pid(guest.id)
    lab.lab("node", "freeze", "1")
    assert lab.status()["nodes"]["node1"]["power"] == "frozen"
    wait_for_state(lab, "node1", "down")
    lab.lab("node", "thaw", "1")
    wait_for_state(lab, "node1", "up")
    guest.wait_for_ssh()
    assert (guest.boot_id(), lab.qemu_pid(guest.id)) == (before, qemu)


def test_a_cut_node_is_down_and_its_guests_are_reached_once_healed(lab: Lab, homes: dict[int, list[Guest]]) -> None:
    guest = homes[3][0]
    before = guest.boot_id()
    lab.lab("node", "cut", "3")
    assert guest.try_ssh("true").returncode == 255
    wait_for_state(lab, "node3", "down")
    lab.lab("node", "heal", "3")
    wait_for_state(lab, "node3", "up")
    guest.wait_for_ssh()
    assert guest.boot_id() == before


@pytest.mark.parametrize("part", ["rabbitmq", "postgresql", "scheduler1", "api", "gateway"])
def test_a_killed_part_of_the_controller_comes_back(lab: Lab, part: str) -> None:
    lab.kill(part)
    until(lambda: lab.status()["controller"][part] == "RUNNING", f"{part} again", deadline_s=60, every_s=0.5)
    until(lambda: set(lab.try_hypervisors().values()) == {"up"}, "all nodes up", deadline_s=120, every_s=1.0)


def test_a_fourth_node_joins_and_takes_servers(lab: Lab, six: list[Guest]) -> None:
    lab.lab("node", "add")
    assert lab.hypervisors()["node4"] == "up"
    (made,) = lab.create("fourth")
    guest = e2e_guest.find(lab, made)
    guest.wait_for_status("ACTIVE")
    assert lab.node_of(guest) == 4  # the emptiest
    guest.wait_for_ssh()
    lab.sdk().delete_server(guest.id, wait=True, timeout=90)


def test_a_second_up_finds_everything_there(lab: Lab, six: list[Guest]) -> None:
    before = six[0].boot_id()
    second = lab.lab("up", "--nodes", "3")
    for word in ("made", "written", "registered", "installed", "built"):
        assert f" {word}" not in second.output, f"the second up {word} something: {second.output}"
    assert six[0].boot_id() == before
