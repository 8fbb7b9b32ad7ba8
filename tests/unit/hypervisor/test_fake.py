"""What only the driver `fake` has: faults, triggers, and a state that survives kill -9."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common.clock import ManualClock, SystemClock
from common.errors import ConfigError, HypervisorError, HypervisorTimeout
from common.ids import new_id
from common.rpc.compute_v1 import PowerState
from compute_agent.hypervisor.base import Domain, DomainState
from compute_agent.hypervisor.fake import FakeHypervisor

CLOUD = new_id()


def domain(folder: Path, epoch: int = 1) -> Domain:
    return Domain(new_id(), epoch, 1, CLOUD, 1, 64, (), (), folder / "console.log")


def fake(folder: Path, **options: int) -> FakeHypervisor:
    return FakeHypervisor(folder / "fake", cloud_uuid=CLOUD, clock=SystemClock(), **options)


def set_faults(folder: Path, faults: object) -> None:
    (folder / "fake" / "faults.json").write_text(json.dumps(faults))


def test_failures_are_counted_across_restarts(tmp_path: Path) -> None:
    driver, guest = fake(tmp_path), domain(tmp_path)
    set_faults(tmp_path, {"ensure_running": {"fail_times": 2, "code": "hypervisor_error", "message": "no luck"}})
    with pytest.raises(HypervisorError, match="no luck"):
        driver.ensure_running(guest)
    again = fake(tmp_path)
    with pytest.raises(HypervisorError, match="no luck"):
        again.ensure_running(guest)
    again.ensure_running(guest)
    assert again.boots(guest.instance_id) == 1


def test_faults_may_name_one_instance_and_be_several(tmp_path: Path) -> None:
    driver, one, other = fake(tmp_path), domain(tmp_path), domain(tmp_path)
    set_faults(
        tmp_path,
        {"ensure_running": [{"code": "hypervisor_timeout", "instance_id": one.instance_id}, {"delay_ms": 1}]},
    )
    for _ in range(3):
        with pytest.raises(HypervisorTimeout):
            driver.ensure_running(one)
    driver.ensure_running(other)
    set_faults(tmp_path, {})
    driver.ensure_running(one)


def test_delays_and_boot_time_use_the_clock(tmp_path: Path) -> None:
    clock = ManualClock()
    driver = FakeHypervisor(tmp_path / "fake", cloud_uuid=CLOUD, clock=clock, boot_ms=3000)
    set_faults(tmp_path, {"ensure_running": {"delay_ms": 500}})
    driver.ensure_running(domain(tmp_path))
    assert clock.monotonic() == pytest.approx(3.5)


def test_a_guest_may_ignore_the_power_button(tmp_path: Path) -> None:
    driver, guest = fake(tmp_path), domain(tmp_path)
    driver.ensure_running(guest)
    set_faults(tmp_path, {"request_shutdown": {"ignore": True}, "request_reboot": {"ignore": True}})
    driver.request_shutdown(guest.instance_id)
    driver.request_reboot(guest.instance_id)
    assert driver.state(guest.instance_id) == DomainState(guest.instance_id, 1, 1, PowerState.RUNNING)
    assert driver.boots(guest.instance_id) == 1


def test_reboots_are_counted_and_told(tmp_path: Path) -> None:
    driver, guest = fake(tmp_path), domain(tmp_path)
    events: list[DomainState] = []
    driver.subscribe(events.append)
    driver.ensure_running(guest)
    driver.request_reboot(guest.instance_id)
    assert driver.boots(guest.instance_id) == 2
    assert [event.power for event in events] == [PowerState.RUNNING, PowerState.RUNNING]
    assert "rebooted" in guest.console_log.read_text()
    driver.close()


@pytest.mark.parametrize("faults", [{"ensure_running": {"fail": 1}}, {"ensure_running": {"code": "x"}}, ["x"]])
def test_a_wrong_fault_file_is_an_error(tmp_path: Path, faults: object) -> None:
    driver = fake(tmp_path)
    set_faults(tmp_path, faults)
    with pytest.raises(ConfigError, match=r"faults\.json"):
        driver.ensure_running(domain(tmp_path))


def test_a_guest_powers_itself_off_by_method_and_by_file(tmp_path: Path) -> None:
    driver, one, other = fake(tmp_path), domain(tmp_path), domain(tmp_path)
    events: queue.SimpleQueue[DomainState] = queue.SimpleQueue()
    driver.ensure_running(one)
    driver.ensure_running(other)
    driver.subscribe(events.put)
    driver.power_off_from_inside(one.instance_id)
    assert events.get(timeout=10).instance_id == one.instance_id
    (tmp_path / "fake" / "poweroff" / other.instance_id).touch()
    event = events.get(timeout=10)
    assert (event.instance_id, event.power) == (other.instance_id, PowerState.SHUTDOWN)
    driver.close()


def test_ids_never_become_paths(tmp_path: Path) -> None:
    driver = fake(tmp_path)
    evil = Domain("../../x", 1, 1, CLOUD, 1, 64, (), (), tmp_path / "console.log")
    with pytest.raises(HypervisorError, match="not an instance id"):
        driver.ensure_running(evil)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fake"]


def test_another_clouds_guests_are_not_seen(tmp_path: Path) -> None:
    driver, guest = fake(tmp_path), domain(tmp_path)
    driver.ensure_running(guest)
    other = FakeHypervisor(tmp_path / "fake", cloud_uuid=new_id(), clock=SystemClock())
    assert other.list_domains() == []


CHILD = """
import sys
from pathlib import Path
from common.clock import SystemClock
from compute_agent.hypervisor.base import Domain
from compute_agent.hypervisor.fake import FakeHypervisor
driver = FakeHypervisor(Path(sys.argv[1]), cloud_uuid=sys.argv[2], clock=SystemClock())
driver.ensure_running(Domain(sys.argv[3], 1, 1, sys.argv[2], 1, 64, (), (), Path(sys.argv[1]) / "log"))
"""


@pytest.mark.parametrize(("when", "there"), [("before", False), ("after", True)])
def test_death_before_and_after_a_verb(tmp_path: Path, when: str, there: bool) -> None:
    fake(tmp_path)
    set_faults(tmp_path, {"ensure_running": {"kill": when, "fail_times": 1}})
    instance_id = new_id()
    words = [sys.executable, "-c", CHILD, str(tmp_path / "fake"), CLOUD, instance_id]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    died = subprocess.run(words, check=False, timeout=60, env=env)
    assert died.returncode == -signal.SIGKILL
    assert (fake(tmp_path).state(instance_id) is not None) is there
    subprocess.run(words, check=True, timeout=60, env=env)
    assert fake(tmp_path).boots(instance_id) == 1
