"""Rebuilding on a node: new disks once per command, and never before the new image is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import StorageError
from common.rpc.compute_v1 import PowerState, ReportKind, WantedPower
from tests.unit.agent.box import Box, Orders


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.fixture
def orders(box: Box) -> Orders:
    return Orders(box.clock)


def disk_of(box: Box, orders: Orders) -> Path:
    return box.state_dir / "instances" / orders.instance_id / "disk"


@pytest.mark.parametrize(
    ("power", "then"), [(WantedPower.RUNNING, PowerState.RUNNING), (WantedPower.STOPPED, PowerState.SHUTDOWN)]
)
def test_the_old_disk_goes_and_the_wanted_power_comes(
    box: Box, orders: Orders, power: WantedPower, then: PowerState
) -> None:
    box.do(orders.create())
    disk_of(box, orders).write_text("old")
    report = box.do(orders.rebuild(power=power))
    assert (report.kind, report.power) == (ReportKind.DONE, then)
    assert not disk_of(box, orders).exists()
    assert box.hypervisor.boots(orders.instance_id) == (1 if then is PowerState.RUNNING else 0)


def test_a_repetition_keeps_what_the_new_guest_has_written(box: Box, orders: Orders) -> None:
    """The agent dies after the new guest was started; the command that it finds in its inbox wipes nothing."""
    box.do(orders.create())
    command = orders.rebuild()
    work = box.hypervisor.ensure_running

    def dying(*arguments: object, **options: object) -> None:
        work(*arguments, **options)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    box.hypervisor.ensure_running = dying  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        box.do(command)
    disk_of(box, orders).write_text("new")
    box.restart()
    box.agent.run_pending()
    assert box.result(command).kind is ReportKind.DONE
    assert disk_of(box, orders).read_text() == "new"
    assert box.hypervisor.boots(orders.instance_id) == 1


def test_without_the_new_image_the_old_guest_goes_on(box: Box, orders: Orders, monkeypatch: pytest.MonkeyPatch) -> None:
    box.do(orders.create())
    disk_of(box, orders).write_text("old")

    def unreachable(_spec: object) -> None:
        raise StorageError("no such image here")

    monkeypatch.setattr(box.agent.storage, "fetch", unreachable)
    report = box.do(orders.rebuild())
    assert (report.kind, report.code, report.absent) == (ReportKind.FAILED, "storage_error", False)
    assert disk_of(box, orders).read_text() == "old"
    assert box.power(orders.instance_id) is PowerState.RUNNING
