"""kill -9 of services while real guests are made, stopped, started, rebooted and deleted; a node lost among ten boots.

After each: every server that was accepted is as asked, or in ERROR with a reason; it runs once; the audit finds no
difference; guests that were not hit never noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from tests.e2e.lab.bystanders import unharmed
from tests.fixtures import e2e_guest
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_wait import until
from tests.fixtures.lab import Lab
from tests.fixtures.survived import survived

pytestmark = [pytest.mark.qemu, pytest.mark.root]

KILLED_S = 60.0
RESTED_S = 150.0  # for a lab under emulation to get over one death
SOUND_S = 60.0
NUMBERS = count(1)
SHORT = (
    "api:server_create:after_commit",
    "scheduler:server_create.claim:done:after_commit",
    "agent:ensure_instance:domain:after",
)
MAKING = (
    "api:server_create:before_commit",
    "api:server_create:after_commit",
    "scheduler:server_create.claim:done:before_commit",
    "scheduler:server_create.claim:done:after_commit",
    "scheduler:server_create.ensure_instance:sent:after_commit",
    "scheduler:server_create.finish:done:before_commit",
    "agent:ensure_instance:written",
    "agent:ensure_instance:disks:after",
    "agent:ensure_instance:ports:after",
    "agent:ensure_instance:domain:before",
    "agent:ensure_instance:domain:after",
    "agent:ensure_instance:kept",
)
STOPPING = ("scheduler:server_stop.finish:done:before_commit", "agent:ensure_stopped:worked")
STARTING = ("agent:ensure_running:domain:after",)
REBOOTING = ("agent:reboot:phase_starting:after",)
DELETING = ("agent:ensure_absent:domain:after", "scheduler:server_delete.finish:done:after_commit")


@pytest.fixture(autouse=True)
def disarmed(lab: Lab) -> Iterator[None]:
    lab.disarm()
    yield
    lab.disarm()


@pytest.fixture(scope="module")
def room(lab: Lab) -> None:
    """Quota for twenty servers more."""
    admin, project = lab.sdk("cumulet-admin"), lab.sdk().current_project_id
    admin.compute.put(f"/os-quota-sets/{project}", json={"quota_set": {"instances": 40, "cores": 40}})


@pytest.fixture(scope="module")
def bystanders(six: list[Guest], room: None) -> list[Guest]:
    return six[:3]


@pytest.fixture(scope="module")
def walked(lab: Lab, room: None) -> Guest:
    """The server that is stopped, started and rebooted."""
    guest = e2e_guest.find(lab, made(lab, "walked"))
    guest.wait_for_status("ACTIVE")
    guest.wait_for_ssh()
    return guest


def made(lab: Lab, name: str) -> str:
    """Ask for a server as a client does that asks again when it got no answer and sees that nothing was made."""

    def ask() -> str | None:
        try:
            known = lab.sdk().compute.find_server(name)
            return str(known.id) if known else lab.create(name)[0]
        except (SDKException, ClientException, OSError):
            return None

    return until(ask, f"an answer about {name}", deadline_s=KILLED_S, every_s=0.5)


def wait_killed(lab: Lab, point: str) -> None:
    until(lambda: lab.has_died(point), f"a process dies at {point}", deadline_s=KILLED_S)


def status_of(lab: Lab, server_id: str) -> str:
    """As Guest.status, "GONE" without it, "" while the API can't tell."""
    try:
        server = lab.sdk().compute.find_server(server_id)
    except (SDKException, ClientException, OSError):
        return ""
    if server is None:
        return "GONE"
    return f"{server.status} {server.task_state}" if server.task_state else str(server.status)


def wait_status(lab: Lab, server_id: str, wanted: str) -> None:
    until(lambda: status_of(lab, server_id) == wanted, f"{server_id} {wanted}", deadline_s=RESTED_S, every_s=0.5)


def wait_sound(lab: Lab) -> None:
    """Whatever the audit finds in the middle of an operation is gone at its end."""
    seen: list[Any] = ["not asked yet"]

    def sound() -> bool:
        try:
            seen[:] = lab.differences()
        except (SDKException, ClientException, OSError) as err:
            seen[:] = [str(err)]
        return not seen

    until(sound, f"an audit without difference: {seen}", deadline_s=SOUND_S, every_s=1.0)


def test_all_three_services_are_killed_while_one_server_is_made(lab: Lab, bystanders: list[Guest]) -> None:
    """The short form for every run: three kills, one boot."""
    with unharmed(bystanders):
        for point in SHORT:
            lab.arm(point)
        server_id = made(lab, "short")
        for point in SHORT:
            wait_killed(lab, point)
        wait_status(lab, server_id, "ACTIVE")
        e2e_guest.find(lab, server_id).wait_for_ssh()
        assert len(lab.qemu_pids(server_id)) == 1
        wait_sound(lab)
    lab.sdk().delete_server(server_id, wait=True, timeout=90)
    assert lab.qemu_pids(server_id) == []
    survived("kills on real QEMU guests", len(SHORT))


@pytest.mark.full
@pytest.mark.parametrize("point", MAKING)
def test_a_kill_while_a_server_is_made(lab: Lab, bystanders: list[Guest], point: str) -> None:
    name = f"k{next(NUMBERS)}"
    with unharmed(bystanders):
        lab.arm(point)
        server_id = made(lab, name)
        wait_killed(lab, point)
        wait_status(lab, server_id, "ACTIVE")
        guest = e2e_guest.find(lab, server_id)
        guest.wait_for_ssh()
        assert len(lab.qemu_pids(server_id)) == 1
        assert [each.id for each in lab.sdk().compute.servers(name=f"^{name}$")] == [server_id], "made twice"
        wait_sound(lab)
    lab.sdk().delete_server(server_id, wait=True, timeout=90)
    assert lab.qemu_pids(server_id) == []
    survived("kills on real QEMU guests")


@pytest.mark.full
@pytest.mark.parametrize("point", [*STOPPING, *STARTING, *REBOOTING])
def test_a_kill_while_a_server_is_stopped_started_or_rebooted(
    lab: Lab, bystanders: list[Guest], walked: Guest, point: str
) -> None:
    compute, before = lab.sdk().compute, walked.boot_id()
    with unharmed(bystanders):
        if point in STARTING:
            compute.stop_server(walked.id)
            wait_status(lab, walked.id, "SHUTOFF")
        lab.arm(point)
        if point in STOPPING:
            compute.stop_server(walked.id)
        elif point in STARTING:
            compute.start_server(walked.id)
        else:
            compute.reboot_server(walked.id, "SOFT")
        wait_killed(lab, point)
        if point in STOPPING:
            wait_status(lab, walked.id, "SHUTOFF")
            assert lab.qemu_pids(walked.id) == []
            compute.start_server(walked.id)
        wait_status(lab, walked.id, "ACTIVE")
        walked.wait_for_other_boot(before)
        assert len(lab.qemu_pids(walked.id)) == 1
        wait_sound(lab)
    survived("kills on real QEMU guests")


@pytest.mark.full
@pytest.mark.parametrize("point", DELETING)
def test_a_kill_while_a_server_is_deleted(lab: Lab, bystanders: list[Guest], point: str) -> None:
    server_id = made(lab, f"k{next(NUMBERS)}")
    wait_status(lab, server_id, "ACTIVE")
    with unharmed(bystanders):
        lab.arm(point)
        lab.sdk().compute.delete_server(server_id)
        wait_killed(lab, point)
        wait_status(lab, server_id, "GONE")
        until(lambda: not lab.qemu_pids(server_id), f"the end of {server_id}", deadline_s=SOUND_S)
        wait_sound(lab)
    survived("kills on real QEMU guests")


@pytest.mark.full
@pytest.mark.parametrize(("fate", "back"), [("cut", "heal"), ("freeze", "thaw")])
def test_a_node_that_is_cut_off_or_hangs_in_the_middle_of_boots(
    lab: Lab, bystanders: list[Guest], fate: str, back: str
) -> None:
    """What it was making is made elsewhere while it is away; its own copies are gone soon after it is back."""
    others = [guest for guest in bystanders if lab.node_of(guest) != 3]
    assert others
    with unharmed(others):
        asked = [made(lab, f"{fate}{number}") for number in range(1, 4)]
        until(lambda: any(lab.qemu_pids(each) for each in asked), "the first guest of three", deadline_s=KILLED_S)
        lab.lab("node", fate, "3")
        ended_well(lab, asked, living={1, 2})
        lab.lab("node", back, "3")
        until(lambda: lab.try_hypervisors().get("node3") == "up", "node3 up", deadline_s=SOUND_S, every_s=0.5)
        ended_well(lab, asked)
        wait_sound(lab)
    for server_id in asked:
        lab.sdk().delete_server(server_id, wait=True, timeout=120)
    survived(f"nodes {fate} in the middle of boots")


@pytest.mark.full
def test_a_node_crashes_while_ten_servers_are_created(lab: Lab, bystanders: list[Guest]) -> None:
    others = [guest for guest in bystanders if lab.node_of(guest) != 2]
    assert others
    with unharmed(others):
        asked = lab.create("ten", 10)
        until(lambda: sum(bool(lab.qemu_pids(each)) for each in asked) >= 2, "two guests of ten", deadline_s=KILLED_S)
        lab.lab("node", "crash", "2")
        ended_well(lab, asked, living={1, 3})
        lab.lab("node", "start", "2")
        until(lambda: lab.try_hypervisors().get("node2") == "up", "node2 up", deadline_s=SOUND_S, every_s=0.5)
        ended_well(lab, asked)
        assert sorted(each.id for each in lab.sdk().compute.servers(name="^ten-")) == sorted(asked)
        wait_sound(lab)
    for server_id in asked:
        lab.sdk().delete_server(server_id, wait=True, timeout=120)
    wait_sound(lab)
    survived("nodes crashed while ten servers were created")


def ended_well(lab: Lab, server_ids: list[str], living: set[int] | None = None) -> None:
    """Each is ACTIVE, runs once and answers, or is in ERROR with a reason.

    living: the nodes that are there, if not all are. A server that was ACTIVE on another when that was lost waits for it,
    and what another still runs of a server that has moved is not counted: nobody can end it yet.
    """
    for server_id in server_ids:
        until(
            lambda server_id=server_id: status_of(lab, server_id) in ("ACTIVE", "ERROR"),  # type: ignore[misc]
            f"{server_id} at rest", deadline_s=RESTED_S, every_s=0.5,
        )  # fmt: skip
        server = lab.sdk().compute.get_server(server_id)
        if server.status == "ERROR":
            assert server.fault["message"]
            assert living or len(lab.qemu_pids(server_id)) <= 1
            continue
        guest = e2e_guest.find(lab, server_id)
        if living and lab.node_of(guest) not in living:
            continue
        guest.wait_for_ssh()
        if not living:
            until(
                lambda server_id=server_id: len(lab.qemu_pids(server_id)) == 1,  # type: ignore[misc]
                f"{server_id} runs once", deadline_s=SOUND_S,
            )  # fmt: skip
