"""The watchdog's judgement: whose guests it stops, and when it must not; and how the agent keeps the lease."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from common.clock import ManualClock
from common.deadlines import SELF_FENCE_S
from common.errors import HypervisorError
from common.ids import new_id
from common.rpc.compute_v1 import LeaseRenewed, PowerState
from compute_agent.hypervisor.base import Domain
from compute_agent.hypervisor.fake import FakeHypervisor
from compute_agent.watchdog.lease import Lease, LeaseFile, folder
from compute_agent.watchdog.stopped import StoppedGuests
from compute_agent.watchdog.watch import Watchdog
from tests.unit.agent.box import NODE, Box

CLOUD, BOOT = new_id(), "boot-1"


@dataclass
class Rig:
    """A node's run folder, its guests, and the watchdog over them."""

    home: Path
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.lease = LeaseFile(self.home / "run")
        self.stopped = StoppedGuests(self.home / "run", BOOT)
        self.hypervisor = FakeHypervisor(self.home / "fake", cloud_uuid=CLOUD, clock=self.clock)
        self.watchdog = self.made()

    def made(self) -> Watchdog:
        return Watchdog(
            lease=self.lease, stopped=self.stopped, hypervisor=self.hypervisor, clock=self.clock, boot_id=BOOT,
            limit_s=SELF_FENCE_S,
        )  # fmt: skip

    def guest(self, *, evacuable: bool = True) -> str:
        guest_id = new_id()
        self.hypervisor.ensure_running(
            Domain(
                instance_id=guest_id, epoch=3, generation=7, cloud_uuid=CLOUD, vcpus=1, memory_mib=32, disks=(),
                nics=(), console_log=self.home / "log", evacuable=evacuable,
            )
        )  # fmt: skip
        return guest_id

    def renew(self, boot_id: str = BOOT) -> bool:
        return self.lease.renew(Lease(boot_id, int(self.clock.boottime() * 1000)), self.clock.boottime())

    def runs(self, guest_id: str) -> bool:
        state = self.hypervisor.state(guest_id)
        return state is not None and state.power is PowerState.RUNNING


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_lease_that_ran_out_stops_evacuable_guests_and_no_others(rig: Rig) -> None:
    moving, local = rig.guest(), rig.guest(evacuable=False)
    rig.renew()
    rig.clock.advance(SELF_FENCE_S)
    assert (rig.watchdog.look(), rig.runs(moving)) == (0, True)
    rig.clock.advance(1)
    assert rig.watchdog.look() == 1
    assert (rig.runs(moving), rig.runs(local)) == (False, True)
    assert rig.stopped.holds(moving, 3, 7)
    assert rig.watchdog.look() == 0


def test_a_guest_started_after_the_lease_ran_out_is_stopped_too(rig: Rig) -> None:
    rig.renew()
    rig.clock.advance(SELF_FENCE_S + 1)
    assert rig.watchdog.look() == 0
    late = rig.guest()
    assert (rig.watchdog.look(), rig.runs(late)) == (1, False)


@pytest.mark.parametrize("boot", ["", "another boot"])
def test_without_a_lease_of_this_boot_nothing_is_stopped(rig: Rig, boot: str) -> None:
    guest_id = rig.guest()
    if boot:
        rig.renew(boot)
    rig.clock.advance(10 * SELF_FENCE_S)
    assert (rig.watchdog.look(), rig.runs(guest_id)) == (0, True)


def test_a_lease_file_that_is_lost_or_damaged_runs_out_like_any_other(rig: Rig) -> None:
    guest_id = rig.guest()
    rig.renew()
    rig.watchdog.look()
    (rig.home / "run" / "lease").write_text("{")
    rig.clock.advance(SELF_FENCE_S + 1)
    assert (rig.watchdog.look(), rig.runs(guest_id)) == (1, False)


def test_a_renewed_lease_leaves_guests_alone_again(rig: Rig) -> None:
    rig.renew()
    rig.clock.advance(SELF_FENCE_S + 1)
    rig.watchdog.look()
    assert rig.renew()
    guest_id = rig.guest()
    assert (rig.watchdog.look(), rig.runs(guest_id)) == (0, True)


def test_one_guest_that_cannot_be_stopped_does_not_save_the_others(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn, other = rig.guest(), rig.guest()
    stop = rig.hypervisor.ensure_stopped

    def failing(instance_id: str) -> None:
        if instance_id == stubborn:
            raise HypervisorError("it does not die", instance_id=instance_id)
        stop(instance_id)

    monkeypatch.setattr(rig.hypervisor, "ensure_stopped", failing)
    rig.renew()
    rig.clock.advance(SELF_FENCE_S + 1)
    assert (rig.watchdog.look(), rig.runs(other)) == (1, False)
    monkeypatch.undo()
    assert (rig.watchdog.look(), rig.runs(stubborn)) == (1, False)


def test_a_lease_never_gets_younger_than_the_heartbeat_was(rig: Rig) -> None:
    now_s = rig.clock.boottime()
    assert rig.lease.renew(Lease(BOOT, 900_000), now_s)
    assert not rig.lease.renew(Lease(BOOT, 899_000), now_s), "an older answer that comes later"
    assert not rig.lease.renew(Lease(BOOT, int(now_s * 1000) + 60_000), now_s), "of the future"
    assert rig.lease.read() == Lease(BOOT, 900_000)


def test_a_record_counts_for_the_very_definition_that_was_stopped(rig: Rig) -> None:
    guest_id = rig.guest()
    rig.stopped.note(guest_id, 3, 7)
    assert not StoppedGuests(rig.home / "run", "another boot").holds(guest_id, 3, 7)
    rig.stopped.note(guest_id, 3, 7)
    assert not rig.stopped.holds(guest_id, 3, 8)
    assert not rig.stopped.holds(guest_id, 3, 7), "of no use any more"


def _renewed(box: Box, boot_id: str, sent_ms: int) -> LeaseRenewed:
    return LeaseRenewed(
        id=new_id(), operation_id="", step="lease", request_id="", instance_id="", epoch=0, generation=0,
        deadline=box.clock.now() + timedelta(seconds=30), boot_id=boot_id, sent_boottime_ms=sent_ms,
    )  # fmt: skip


def test_the_agent_writes_down_when_it_sent_the_heartbeat_that_was_answered(tmp_path: Path) -> None:
    box = Box(tmp_path)
    kept = LeaseFile(folder(box.config.cloud.run_dir, NODE))
    beat = box.heartbeat()
    box.clock.advance(20)
    box.tell(_renewed(box, "an earlier boot", beat.sent_boottime_ms))
    assert kept.read() is None
    box.tell(_renewed(box, beat.boot_id, beat.sent_boottime_ms))
    lease = kept.read()
    assert lease is not None
    assert lease.age_s(box.clock.boottime()) == pytest.approx(20, abs=0.01)
    assert box.files("inbox") == []
    box.agent.stop()
