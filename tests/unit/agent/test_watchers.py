"""Reports until acknowledged, heartbeats, power events, restarts after a host reboot, questions."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec
import pytest

from common.deadlines import REPORT_REPEAT_FIRST_S, REPORT_REPEAT_MAX_S
from common.errors import ConfigError
from common.rpc import queries_v1
from common.rpc.compute_v1 import PowerState, ReportKind, WantedPower
from common.rpc.queries_v1 import ConsoleLog, Diagnostics
from compute_agent import factory, identity, starved
from compute_agent.inventory import InventoryReader
from tests.unit.agent.box import Box, Orders, settings


def test_final_reports_are_repeated_until_acknowledged(box: Box, orders: Orders) -> None:
    creation = orders.create()
    report = box.do(creation)
    pause_s, times = REPORT_REPEAT_FIRST_S, 1
    for _ in range(8):
        box.clock.advance(pause_s - 0.1)
        box.agent.outbox.send_due()
        assert len(box.results(creation)) == times
        box.clock.advance(0.1)
        box.agent.outbox.send_due()
        times += 1
        assert len(box.results(creation)) == times
        pause_s = min(pause_s * 2, REPORT_REPEAT_MAX_S)
    assert {each.id for each in box.results(creation)} == {report.id}
    box.tell(orders.ack(report.id, "an id of nobody"))
    box.clock.advance(REPORT_REPEAT_MAX_S * 10)
    box.agent.outbox.send_due()
    assert len(box.results(creation)) == times
    assert box.files("outbox") == []


def test_reports_survive_a_broker_and_an_agent_that_are_gone(box: Box, orders: Orders) -> None:
    box.messages.down = True
    creation = orders.create()
    box.tell(creation)
    box.agent.run_pending()
    assert box.reports() == []
    box.restart()
    box.messages.down = False
    box.clock.advance(2)
    box.agent.outbox.send_due()
    assert box.result(creation).kind is ReportKind.DONE


def test_acknowledged_reports_are_forgotten_when_their_command_has_expired(box: Box, orders: Orders) -> None:
    box.tell(orders.ack(box.do(orders.create()).id))
    box.agent.look_after()
    assert len(box.files("settled")) == 1
    box.clock.advance(3600)
    box.agent.look_after()
    assert box.files("settled") == []


def test_heartbeat(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.do(orders.halt(generation=2))
    beat = box.heartbeat()
    assert (beat.node, beat.boot_id, beat.complete) == ("node1", "boot-1", True)
    [digest] = beat.domains
    assert (digest.epoch, digest.generation, digest.power, digest.busy) == (1, 2, PowerState.SHUTDOWN, False)
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    assert beat.inventory.memory_mib == int(total.split()[1]) // 1024
    assert beat.inventory.vcpus >= 1
    assert beat.inventory.disk_gib >= beat.inventory.disk_free_gib >= 0
    node_id = beat.node_id
    box.restart()
    assert box.heartbeat().node_id == node_id


def test_heartbeat_marks_what_is_queued_as_busy(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.tell(orders.halt())
    [digest] = box.heartbeat().domains
    assert digest.busy


def test_heartbeat_says_when_the_list_of_domains_is_not_complete(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.fault(list_domains={"code": "hypervisor_timeout"})
    beat = box.heartbeat()
    assert not beat.complete
    assert beat.domains == []


def test_the_offer_is_that_of_the_configuration_or_of_the_first_start(tmp_path: Path) -> None:
    box = Box(tmp_path / "a", vcpus=7, memory_mib=1000, disk_gib=50)
    inventory = box.heartbeat().inventory
    assert (inventory.vcpus, inventory.memory_mib, inventory.disk_gib) == (7, 1000, 50)
    box.agent.stop()
    box = Box(tmp_path / "b")
    (box.state_dir / "disk_gib").write_text("12345\n")
    reader = InventoryReader(box.config.agent, box.hypervisor, box.clock)
    assert reader.read().disk_gib == 12345
    box.agent.stop()


def test_the_machine_says_since_when_it_runs_and_who_is_there(box: Box, tmp_path: Path) -> None:
    utmp = tmp_path / "utmp"
    utmp.write_bytes(b"".join(struct.pack("=h382x", kind) for kind in (2, 7, 7, 8)) + b"half a record")
    found = InventoryReader(box.config.agent, box.hypervisor, box.clock, utmp=utmp).read()
    assert (found.uptime_s, found.users) == (int(box.clock.boottime()), 2)
    assert InventoryReader(box.config.agent, box.hypervisor, box.clock, utmp=tmp_path / "none").read().users == 0


def test_a_guest_that_powers_itself_off_is_told_of_at_once(box: Box, orders: Orders) -> None:
    box.agent.hypervisor.subscribe(box.agent._power_events.on_event)
    box.do(orders.create())
    box.do(orders.halt(generation=2))
    box.do(orders.start(generation=3))
    assert box.power_events() == []  # commands caused those, and report themselves
    box.hypervisor.power_off_from_inside(orders.instance_id)
    box.agent.run_pending()
    [event] = box.power_events()
    assert (event.instance_id, event.epoch, event.generation) == (orders.instance_id, 1, 3)
    assert event.power is PowerState.SHUTDOWN


def test_an_agents_restart_leaves_guests_alone(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    stopped = Orders(box.clock)
    box.do(stopped.create())
    box.hypervisor.power_off_from_inside(stopped.instance_id)
    box.restart()
    box.agent.run_pending()
    assert box.hypervisor.boots(orders.instance_id) == 1
    assert box.power(stopped.instance_id) is PowerState.SHUTDOWN


def test_after_a_host_reboot_the_guests_that_should_run_do(box: Box) -> None:
    running, stopped, never, removed = (Orders(box.clock) for _ in range(4))
    box.do(running.create())
    box.do(stopped.create())
    box.do(stopped.halt())
    box.do(never.create(power=WantedPower.STOPPED))
    box.do(removed.create())
    box.do(removed.remove())
    box.restart(boot_id="boot-2")
    box.agent.run_pending()
    assert box.power(running.instance_id) is PowerState.RUNNING
    assert box.power(stopped.instance_id) is PowerState.SHUTDOWN
    assert box.power(never.instance_id) is PowerState.SHUTDOWN
    assert box.power(removed.instance_id) is PowerState.ABSENT
    assert box.heartbeat().boot_id == "boot-2"


def test_a_host_reboot_during_a_stop_does_not_start_the_guest(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.tell(orders.halt())
    box.restart(boot_id="boot-2")
    box.agent.run_pending()
    assert box.hypervisor.boots(orders.instance_id) == 1


def test_restarts_after_a_host_reboot_go_on_after_a_kill(box: Box) -> None:
    guests = [Orders(box.clock) for _ in range(3)]
    for guest in guests:
        box.do(guest.create())
    box.restart(boot_id="boot-2")  # and killed before anything was started
    box.restart()
    box.agent.run_pending()
    assert all(box.power(guest.instance_id) is PowerState.RUNNING for guest in guests)
    for guest in guests:
        box.hypervisor.power_off_from_inside(guest.instance_id)
    box.restart()
    box.agent.run_pending()
    assert all(box.power(guest.instance_id) is PowerState.SHUTDOWN for guest in guests)


def test_a_restart_keeps_rules_that_are_newer_than_the_spec(box: Box, orders: Orders) -> None:
    creation = orders.create()
    box.do(creation)
    newer = msgspec.structs.replace(creation.spec.ports[0], groups=["a group"])
    box.do(orders.network(5, [newer]))
    box.restart(boot_id="boot-2")
    box.agent.run_pending()
    assert box.power(orders.instance_id) is PowerState.RUNNING
    assert box.agent.networking.port_at(newer.network_id, "10.88.0.5") == newer


def test_questions(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.do(orders.reboot())
    log = box.agent.answer(queries_v1.encode(ConsoleLog(instance_id=orders.instance_id, length=1)))
    assert log.error_code == ""
    assert log.text.count("\n") == 1
    facts = box.agent.answer(queries_v1.encode(Diagnostics(instance_id=orders.instance_id)))
    assert facts.data["state"] == "running"
    nobody = box.agent.answer(queries_v1.encode(Diagnostics(instance_id=Orders(box.clock).instance_id)))
    assert nobody.error_code == "not_found"
    sly = box.agent.answer(queries_v1.encode(ConsoleLog(instance_id="../../../etc")))
    assert sly.error_code == "not_found"
    with pytest.raises(msgspec.DecodeError):
        box.agent.answer(b'{"kind": "shell"}')


def test_two_agents_do_not_share_a_state_folder(box: Box) -> None:
    with pytest.raises(ConfigError, match="another agent"):
        box._make()


def test_a_cloud_without_uuid_is_refused(tmp_path: Path, box: Box) -> None:
    config = settings(tmp_path)
    nameless = type(config)(agent=config.agent, network=config.network)
    with pytest.raises(ConfigError, match="uuid"):
        factory.build(nameless, bus=box.agent.bus, clock=box.clock)


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.secret"
    first = identity.image_secret(path)
    assert identity.image_secret(path) == first
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="readable by others"):
        identity.image_secret(path)


def test_health_and_metrics(box: Box, orders: Orders) -> None:
    assert not box.agent.health().healthy
    box.heartbeat()
    assert box.agent.health().healthy
    box.do(orders.create())
    box.heartbeat()
    text = box.agent.metrics.render().decode()
    assert 'cumulet_agent_commands_total{code="",kind="ensure_instance",result="done"} 1.0' in text
    assert 'cumulet_agent_guests{power="running"} 1.0' in text
    assert 'cumulet_agent_phase_seconds_count{phase="domain"} 1.0' in text
    box.clock.advance(60)
    assert not box.agent.health().healthy


def test_an_agent_whose_driver_has_given_up_ends(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box.agent._upkeep, "_healthy", lambda: False)
    box.agent.look_after()
    box.agent.wait()
    assert box.agent.failed


def test_an_agent_that_lost_a_thread_ends(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(box.agent._heartbeats, "beat", broken)
    box.agent.start()
    box.agent.wait()
    assert box.agent.failed


def test_a_guest_that_ran_out_of_disk_goes_on_when_there_is_room(
    box: Box, orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.do(orders.create())
    box.hypervisor.run_out_of_disk(orders.instance_id)
    monkeypatch.setattr(starved, "ROOM_BYTES", 2**62)
    box.agent.look_after()
    [digest] = box.heartbeat().domains
    assert (digest.power, digest.starved) == (PowerState.PAUSED, True)
    monkeypatch.setattr(starved, "ROOM_BYTES", 0)
    box.agent.look_after()
    [digest] = box.heartbeat().domains
    assert (digest.power, digest.starved) == (PowerState.RUNNING, False)


def test_a_guest_that_is_to_be_paused_stays_so_although_there_is_room(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    box.hypervisor.run_out_of_disk(orders.instance_id)
    assert box.do(orders.pause()).kind is ReportKind.DONE
    box.agent.look_after()
    assert box.power(orders.instance_id) is PowerState.PAUSED
