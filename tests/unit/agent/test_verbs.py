"""Every verb on driver `fake`: what it does, that repeating it changes nothing, and what a failure leaves."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from common.rpc.compute_v1 import PowerState, RebootMode, ReportKind, WantedPower
from tests.unit.agent.box import Box, Orders, network_spec, port_spec


def test_create_makes_a_running_guest_and_reports_it(box: Box, orders: Orders) -> None:
    report = box.do(orders.create())
    assert report.kind is ReportKind.DONE
    assert (report.node, report.epoch, report.generation) == ("node1", 1, 1)
    assert report.power is PowerState.RUNNING
    assert set(report.timings_ms) >= {"image", "disks", "ports", "domain"}
    assert box.power(orders.instance_id) is PowerState.RUNNING
    assert [each.kind for each in box.reports()] == [ReportKind.DONE]  # quick enough that "accepted" would say nothing
    assert box.files("inbox") == []


def test_create_with_power_off(box: Box, orders: Orders) -> None:
    report = box.do(orders.create(power=WantedPower.STOPPED))
    assert report.kind is ReportKind.DONE
    assert report.power is PowerState.SHUTDOWN


@pytest.mark.parametrize("code", ["hypervisor_error", "hypervisor_timeout"])
def test_a_failed_creation_is_taken_back_completely(box: Box, orders: Orders, code: str) -> None:
    box.fault(ensure_running={"code": code})
    report = box.do(orders.create())
    assert (report.kind, report.code) == (ReportKind.FAILED, code)
    assert report.absent
    assert report.retry_elsewhere
    assert box.hypervisor.list_domains() == []
    assert box.files("instances") == []
    assert box.agent.networking.port_at(network_spec().id, "10.88.0.5") is None


def test_a_creation_that_cannot_be_taken_back_does_not_claim_to_be_absent(box: Box, orders: Orders) -> None:
    box.fault(ensure_running={"code": "hypervisor_error"}, ensure_absent={"code": "hypervisor_error"})
    report = box.do(orders.create())
    assert report.kind is ReportKind.FAILED
    assert not report.absent or box.hypervisor.state(orders.instance_id) is None
    box.fault()
    removed = box.do(orders.remove(generation=1))
    assert removed.absent


def test_a_failed_second_creation_leaves_the_guest_as_it_is(box: Box, orders: Orders) -> None:
    """The reconciler restores a domain by creating it again: its disks must survive a failure of that."""
    box.do(orders.create())
    box.hypervisor.ensure_absent(orders.instance_id)
    box.fault(ensure_running={"code": "hypervisor_error"})
    report = box.do(orders.create(generation=2))
    assert report.kind is ReportKind.FAILED
    assert not report.absent
    assert box.files("instances") == [orders.instance_id]
    box.fault()
    assert box.do(orders.create(generation=2)).kind is ReportKind.DONE


def test_disks_found_without_a_spec_survive_a_failed_creation(box: Box, orders: Orders) -> None:
    """The node's memory may be lost while the disks are not."""
    (box.state_dir / "instances" / orders.instance_id).mkdir()
    box.fault(ensure_running={"code": "hypervisor_error"})
    report = box.do(orders.create())
    assert report.kind is ReportKind.FAILED
    assert not report.absent
    assert box.files("instances") == [orders.instance_id]


def test_an_image_property_no_domain_can_have_is_no_reason_to_try_elsewhere(box: Box, orders: Orders) -> None:
    command = orders.create()
    spec = msgspec.structs.replace(command.spec, image_properties={"hw_vif_model": "telegraph"})
    report = box.do(msgspec.structs.replace(command, spec=spec))
    assert (report.kind, report.code) == (ReportKind.FAILED, "image_refused")
    assert report.absent
    assert not report.retry_elsewhere


def test_stop_and_start(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    report = box.do(orders.halt(generation=2))
    assert (report.kind, report.power) == (ReportKind.DONE, PowerState.SHUTDOWN)
    report = box.do(orders.start(generation=3))
    assert (report.kind, report.power) == (ReportKind.DONE, PowerState.RUNNING)
    assert box.hypervisor.boots(orders.instance_id) == 2


def test_stop_cuts_power_when_the_guest_does_not_listen(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.fault(request_shutdown={"ignore": True})
    began = box.clock.monotonic()
    report = box.do(orders.halt(timeout_s=30))
    assert report.power is PowerState.SHUTDOWN
    assert box.clock.monotonic() - began == pytest.approx(30, abs=1)


def test_stop_at_once_does_not_ask(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.fault(request_shutdown={"code": "hypervisor_error"})
    assert box.do(orders.halt(timeout_s=0)).power is PowerState.SHUTDOWN


def test_stop_of_an_unknown_instance_fails(box: Box, orders: Orders) -> None:
    report = box.do(orders.halt())
    assert (report.kind, report.code) == (ReportKind.FAILED, "not_found")
    assert report.absent


def test_a_later_command_takes_the_place_of_a_stop_that_waits(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.fault(request_shutdown={"ignore": True})
    stop, removal = orders.halt(generation=2), orders.remove(generation=3)
    box.tell(stop)
    box.tell(removal)
    began = box.clock.monotonic()
    box.agent.run_pending()
    assert box.result(stop).code == "stale_command"
    assert box.result(removal).kind is ReportKind.DONE
    assert box.clock.monotonic() - began < 1


def test_a_hard_reboot_ends_a_soft_one_that_waits(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.fault(request_shutdown={"ignore": True})
    soft, hard = orders.reboot(generation=2), orders.reboot(generation=3, mode=RebootMode.HARD)
    box.tell(soft)
    box.tell(hard)
    began = box.clock.monotonic()
    box.agent.run_pending()
    assert box.result(soft).code == "stale_command"
    assert box.result(hard).kind is ReportKind.DONE
    assert box.clock.monotonic() - began < 1
    assert box.hypervisor.boots(orders.instance_id) == 2


def test_start_ignores_what_the_node_has_stored(box: Box, orders: Orders) -> None:
    """HYP-06: the definition is that of the command."""
    box.do(orders.create())
    box.do(orders.halt(generation=2))
    path = box.state_dir / "fake" / "domains" / f"{orders.instance_id}.json"
    path.write_text(path.read_text().replace('"memory_mib":128', '"memory_mib":4096'))
    box.restart()
    assert box.hypervisor.diagnostics(orders.instance_id)["memory_mib"] == 4096
    box.do(orders.start(generation=3))
    assert box.hypervisor.diagnostics(orders.instance_id)["memory_mib"] == 128


def test_start_without_disks_fails_and_makes_none(box: Box, orders: Orders) -> None:
    report = box.do(orders.start())
    assert (report.kind, report.code) == (ReportKind.FAILED, "storage_error")
    assert box.files("instances") == []
    assert box.files("specs") == []


@pytest.mark.parametrize("mode", list(RebootMode))
def test_reboot_happens_once_per_command(box: Box, orders: Orders, mode: RebootMode) -> None:
    box.do(orders.create())
    reboot = orders.reboot(mode=mode)
    assert box.do(reboot).kind is ReportKind.DONE
    assert box.hypervisor.boots(orders.instance_id) == 2
    box.do(reboot)
    box.restart()
    box.do(reboot)
    assert box.hypervisor.boots(orders.instance_id) == 2


def test_an_acknowledged_reboot_is_not_repeated_by_a_late_copy(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    reboot = orders.reboot()
    box.tell(orders.ack(box.do(reboot).id))
    assert box.files("outbox") != box.files("settled")
    box.restart()
    assert box.do(reboot).kind is ReportKind.DONE
    assert box.hypervisor.boots(orders.instance_id) == 2


def test_a_soft_reboot_becomes_hard_after_its_timeout(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.fault(request_shutdown={"ignore": True})
    began = box.clock.monotonic()
    report = box.do(orders.reboot(timeout_s=20))
    assert (report.kind, report.power) == (ReportKind.DONE, PowerState.RUNNING)
    assert box.clock.monotonic() - began == pytest.approx(20, abs=1)
    assert box.hypervisor.boots(orders.instance_id) == 2


def test_remove_leaves_nothing_and_is_repeatable(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    for _ in range(2):
        report = box.do(orders.remove())
        assert (report.kind, report.absent, report.power) == (ReportKind.DONE, True, PowerState.ABSENT)
    assert box.hypervisor.list_domains() == []
    assert box.files("instances") == []
    assert box.agent.networking.port_at(network_spec().id, "10.88.0.5") is None


def test_remove_of_an_older_epoch_leaves_the_newer(box: Box, orders: Orders) -> None:
    box.do(orders.create(epoch=3, generation=5))
    report = box.do(orders.remove(epoch=2, generation=9))
    assert (report.kind, report.absent) == (ReportKind.DONE, True)
    assert box.power(orders.instance_id) is PowerState.RUNNING


def test_a_failed_removal_is_not_absent_and_can_be_repeated(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.fault(ensure_absent={"code": "hypervisor_timeout", "fail_times": 1})
    report = box.do(orders.remove())
    assert (report.kind, report.code, report.absent) == (ReportKind.FAILED, "hypervisor_timeout", False)
    assert box.do(orders.remove()).absent


def test_a_removal_stops_a_creation_under_way(box: Box, orders: Orders) -> None:
    creation, removal = orders.create(generation=1), orders.remove(generation=2)
    box.tell(creation)
    box.tell(removal)
    box.agent.run_pending()
    assert box.result(removal).absent
    assert box.result(creation).code == "stale_command"
    assert box.result(creation).absent
    assert box.hypervisor.list_domains() == []


def test_network_states_newest_wins(box: Box, orders: Orders) -> None:
    port = port_spec(orders.instance_id)
    newer, older = orders.network(8, [port]), orders.network(7)
    box.tell(older)
    box.tell(newer)
    box.agent.run_pending()
    assert box.result(newer).kind is box.result(older).kind is ReportKind.DONE
    assert box.agent.networking.applied_version() == 8
    assert box.agent.networking.port_at(port.network_id, "10.88.0.5") == port
    assert box.heartbeat().network_version == 8


def test_a_bug_in_a_verb_is_a_failed_report(box: Box, orders: Orders, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(box.agent.networking, "ensure_ports", broken)
    report = box.do(orders.create())
    assert (report.kind, report.code) == (ReportKind.FAILED, "internal_error")
    assert "bug" not in report.message
    assert report.absent


def test_everything_the_agent_keeps_is_private(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.tell(orders.halt())
    for folder in ("inbox", "outbox", "specs"):
        assert box.files(folder)
        for path in (box.state_dir / folder).iterdir():
            assert path.stat().st_mode & 0o777 == 0o600, path
    secret = Path(box.config.agent.image_secret_file)
    assert secret.stat().st_mode & 0o777 == 0o600
    assert len(secret.read_text().strip()) >= 32
    assert os.stat(box.state_dir).st_mode & 0o007 == 0
