"""What the nodes show against what the database says: mended, or an alarm, and never on a stranger's word."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common.errors import StateConflict
from common.ids import new_id
from common.rpc.compute_v1 import EnsureAbsent, Heartbeat, PowerEvent, PowerState
from compute_agent import starved
from compute_agent.hypervisor.base import Domain
from scheduler.reconcilers.domains import SETTLE_S
from tests.fixtures.cloud import COMPUTE, CUMULET, Cloud, CloudNode, MakeCloud


def settle(cloud: Cloud) -> None:
    """Let the latest change be old enough to count, and two heartbeats tell of what is there."""
    cloud.run_for(SETTLE_S + 12)
    cloud.run_until_idle()


def plant(node: CloudNode, *, instance_id: str = "", epoch: int = 1) -> str:
    """A running domain with our cloud's uuid and a disk, of which the agent has no spec."""
    instance_id = instance_id or new_id()
    node.hypervisor.ensure_running(
        Domain(
            instance_id=instance_id, epoch=epoch, generation=1, cloud_uuid=node.config.cloud.uuid, vcpus=1,
            memory_mib=128, disks=(), nics=(), console_log=node.state_dir / "instances" / instance_id / "console.log",
        )
    )  # fmt: skip
    folder = node.state_dir / "instances" / instance_id
    folder.mkdir(exist_ok=True)
    (folder / "disk").write_text("precious")
    return instance_id


def heartbeats(cloud: Cloud, name: str) -> Iterator[Heartbeat]:
    for letter in cloud.bus.sent:
        if not letter.node and b'"heartbeat"' in letter.body:
            message = letter.message()
            if isinstance(message, Heartbeat) and message.node == name:
                yield message


def events_logged(caplog: pytest.LogCaptureFixture) -> set[str]:
    return {record.message for record in caplog.records}


def test_a_guest_that_powers_itself_off(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.node_of(server_id).hypervisor.power_off_from_inside(server_id)
    cloud.run_until_idle()
    shown = cloud.show(server_id)
    assert (shown["status"], shown["OS-EXT-STS:power_state"]) == ("SHUTOFF", 4)
    cloud.do(server_id, "os-start")
    assert cloud.status(server_id) == "ACTIVE"


def test_a_lost_power_event_is_made_up_for_by_the_heartbeat(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.node_of(server_id).hypervisor.power_off_from_inside(server_id)
    cloud.tick()  # the agent tells
    cloud.bus.waiting.clear()  # nobody hears
    cloud.run_for(12)
    assert cloud.status(server_id) == "SHUTOFF"


def test_a_stopped_guest_that_somebody_started_is_stopped(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.do(server_id, "os-stop")
    node = cloud.node_of(server_id)
    cloud.run_for(SETTLE_S + 1)
    spec = node.agent.specs.get(server_id)
    assert spec is not None
    node.hypervisor.ensure_running(
        Domain(
            instance_id=server_id, epoch=spec.epoch, generation=spec.generation, cloud_uuid=node.config.cloud.uuid,
            vcpus=1, memory_mib=128, disks=(), nics=(), console_log=Path("/dev/null"),
        )
    )  # fmt: skip
    settle(cloud)
    assert (cloud.status(server_id), node.power(server_id)) == ("SHUTOFF", PowerState.SHUTDOWN)
    assert cloud.operations(server_id)[0].params["action"] == "hold_stopped"


@pytest.mark.parametrize("status", ["ACTIVE", "SHUTOFF"])
def test_a_domain_removed_behind_our_back_is_restored(cloud: Cloud, status: str) -> None:
    server_id = cloud.active()
    if status == "SHUTOFF":
        cloud.do(server_id, "os-stop")
    node = cloud.node_of(server_id)
    node.hypervisor.ensure_absent(server_id)
    settle(cloud)
    assert cloud.status(server_id) == status
    assert node.power(server_id) == (PowerState.RUNNING if status == "ACTIVE" else PowerState.SHUTDOWN)
    assert [each.kind for each in cloud.operations(server_id)].count("server_restore_domain") == 1


def test_a_missing_domain_may_be_an_error_instead(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(missing_domain="error")
    server_id = cloud.active()
    cloud.node_of(server_id).hypervisor.ensure_absent(server_id)
    settle(cloud)
    assert cloud.show(server_id)["fault"]["message"] == "The server's domain is gone from its node."
    cloud.delete(server_id)
    cloud.run_until_idle()


def test_a_node_that_cannot_list_its_domains_loses_none(cloud: Cloud) -> None:
    server_id = cloud.active()
    node = cloud.node_of(server_id)
    node.fault(list_domains={"code": "hypervisor_error"})
    settle(cloud)
    assert [beat.complete for beat in heartbeats(cloud, node.name)][-1] is False
    assert len(cloud.operations(server_id)) == 1
    node.fault()


def test_an_unknown_domain_is_removed_and_its_disks_kept(cloud: Cloud) -> None:
    server_id, node = cloud.active(), cloud.nodes["n1"]
    stranger = plant(node)
    settle(cloud)
    assert stranger not in node.domains()
    assert [path.read_text() for path in node.state_dir.glob("orphans/*/disk")] == ["precious"]
    assert cloud.status(server_id) == "ACTIVE"


def test_domains_of_another_cloud_are_not_seen(cloud: Cloud) -> None:
    node = cloud.nodes["n1"]
    foreign = Domain(
        instance_id=new_id(), epoch=1, generation=1, cloud_uuid=new_id(), vcpus=1, memory_mib=128, disks=(), nics=(),
        console_log=node.state_dir / "log",
    )  # fmt: skip
    node.hypervisor.ensure_running(foreign)
    node.restart()  # the driver loads only its own cloud's
    settle(cloud)
    assert foreign.instance_id in node.domains()
    (node.state_dir / "fake" / "domains" / f"{foreign.instance_id}.json").unlink()


def test_too_many_unknown_domains_raise_an_alarm_and_nothing_else(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """As after an old database was restored: three of three, which is more than a tenth."""
    node = cloud.nodes["n1"]
    planted = [plant(node) for _ in range(3)]
    with caplog.at_level(logging.ERROR):
        settle(cloud)
    assert "reconcile.alarm" in events_logged(caplog)
    assert set(node.domains()) == set(planted)
    assert not [each for each in cloud.bus.commands() if isinstance(each, EnsureAbsent)]
    for instance_id in planted:
        node.hypervisor.ensure_absent(instance_id)
        node.agent.storage.remove(instance_id)


def test_deleted_servers_that_came_back_are_removed_with_their_disks(cloud: Cloud) -> None:
    server_id = cloud.active()
    node = cloud.node_of(server_id)
    cloud.delete(server_id)
    cloud.run_until_idle()
    plant(node, instance_id=server_id, epoch=1)
    settle(cloud)
    assert node.domains() == {}
    assert not list(node.state_dir.glob("orphans/*/disk"))


def test_a_copy_of_an_older_epoch_is_destroyed(cloud: Cloud) -> None:
    """The creation went on to another node; a copy that turns up on the first is not the server."""
    cloud.nodes["n1"].fault(ensure_running={"code": "hypervisor_error"})
    for _ in range(4):
        server_id = cloud.active()
        if cloud.row(server_id).epoch == 2:
            break
    assert (cloud.row(server_id).epoch, cloud.row(server_id).node_name) == (2, "n2")
    cloud.nodes["n1"].fault()
    plant(cloud.nodes["n1"], instance_id=server_id, epoch=1)
    settle(cloud)
    assert server_id not in cloud.nodes["n1"].domains()
    assert (cloud.status(server_id), cloud.nodes["n2"].power(server_id)) == ("ACTIVE", PowerState.RUNNING)


def power_event(cloud: Cloud, server_id: str, **changes: Any) -> PowerEvent:
    row = cloud.row(server_id)
    facts = {
        "node": row.node_name, "instance_id": server_id, "epoch": row.epoch, "generation": row.generation,
        "power": PowerState.SHUTDOWN, "at": cloud.clock.now() + timedelta(seconds=1),
    }  # fmt: skip
    return PowerEvent(**{**facts, **changes})


@pytest.mark.parametrize("lie", ["other node", "unknown node", "old epoch", "later epoch", "unknown server", "user"])
def test_only_the_own_node_at_the_present_epoch_is_believed(cloud: Cloud, lie: str) -> None:
    """BUS-02."""
    server_id = cloud.active()
    mine = cloud.row(server_id).node_name
    other = next(name for name in cloud.nodes if name != mine)
    changes: dict[str, dict[str, Any]] = {
        "other node": {"node": other}, "unknown node": {"node": "n99"}, "old epoch": {"epoch": 0},
        "later epoch": {"epoch": 2}, "unknown server": {"instance_id": new_id()}, "user": {},
    }  # fmt: skip
    cloud.tell(power_event(cloud, server_id, **changes[lie]), user_id=f"cumulet-node-{other}" if lie == "user" else "")
    assert (cloud.status(server_id), cloud.row(server_id).power_state) == ("ACTIVE", 1)
    cloud.tell(power_event(cloud, server_id), user_id=f"cumulet-node-{mine}")  # the same said by the right one counts
    assert cloud.status(server_id) == "SHUTOFF"
    cloud.do(server_id, "os-start")


def test_a_report_about_another_nodes_command_is_refused(cloud: Cloud) -> None:
    from common.rpc.compute_v1 import Report, ReportKind

    server_id = cloud.create()
    while not (sent := cloud.operations(server_id)[0].sent):
        cloud.tick()
    operation = cloud.operations(server_id)[0]
    other = next(name for name in cloud.nodes if name != sent["node"])
    forged = Report(
        id=new_id(), kind=ReportKind.DONE, node=other, command_id=sent["id"], operation_id=operation.id,
        step="ensure_instance", request_id="", instance_id=server_id, epoch=sent["epoch"], generation=1,
    )  # fmt: skip
    cloud.tell(msgspec.structs.replace(forged, kind=ReportKind.ACCEPTED))
    assert cloud.operations(server_id)[0].run_at == operation.run_at  # nor can it put off the next try
    cloud.tell(forged)
    assert cloud.status(server_id) == "BUILD"
    cloud.run_until_idle()
    assert cloud.status(server_id) == "ACTIVE"


def test_the_heartbeat_of_an_unknown_node_is_refused(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    server_id = cloud.active()
    cloud.beat()
    cloud.run_until_idle()
    beat = list(heartbeats(cloud, "n1"))[-1]
    with caplog.at_level(logging.WARNING):
        cloud.tell(msgspec.structs.replace(beat, node="n99"))
    assert "heartbeat.unknown_node" in events_logged(caplog)
    shown = cloud.ok(cloud.api.get(f"{CUMULET}/nodes", "admin"))["nodes"]
    assert {each["name"] for each in shown} == {"n1", "n2"}
    assert cloud.status(server_id) == "ACTIVE"


def test_a_silent_node_is_shown_down_and_gets_nothing_new(cloud: Cloud) -> None:
    cloud.nodes["n1"].die()
    cloud.run_for(60)
    ids = [cloud.active() for _ in range(2)]
    assert {cloud.row(each).node_name for each in ids} == {"n2"}
    services = cloud.ok(cloud.api.get(f"{COMPUTE}/os-services", "admin"))["services"]
    assert {each["host"]: each["state"] for each in services if each["binary"] == "nova-compute"} == {
        "n1": "down", "n2": "up",
    }  # fmt: skip
    refusals = cloud.why(ids[0], "admin")["refusals"]
    assert [(each["node"], each["filter"]) for each in refusals] == [("n1", "is_up")]
    cloud.nodes["n1"].revive()
    cloud.run_for(12)


def test_a_disabled_node_gets_nothing_new_and_keeps_what_it_has(cloud: Cloud) -> None:
    first = cloud.active()
    name = cloud.row(first).node_name
    services = cloud.ok(
        cloud.api.get(f"{COMPUTE}/os-services", "admin", headers={"OpenStack-API-Version": "compute 2.53"})
    )
    [service_id] = [each["id"] for each in services["services"] if each["host"] == name]
    cloud.ok(
        cloud.api.put(
            f"{COMPUTE}/os-services/{service_id}", "admin", json={"status": "disabled", "disabled_reason": "repair"},
            headers={"OpenStack-API-Version": "compute 2.53"},
        )
    )  # fmt: skip
    ids = [cloud.active() for _ in range(3)]
    assert name not in {cloud.row(each).node_name for each in ids}
    assert cloud.status(first) == "ACTIVE"


def test_states_are_conflicts_while_busy(cloud: Cloud) -> None:
    server_id = cloud.active()
    assert cloud.act(server_id, "os-start").status_code == 409
    cloud.ok(cloud.act(server_id, "os-stop"))
    refused = cloud.act(server_id, "os-stop")
    assert refused.status_code == 409
    assert "powering-off" in refused.text
    assert StateConflict.code == "state_conflict"
    cloud.run_until_idle()


def test_a_server_whose_node_has_no_room_for_what_it_writes_says_so_until_it_goes_on(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_id = cloud.active()
    node = cloud.node_of(server_id)
    monkeypatch.setattr(starved, "ROOM_BYTES", 2**62)
    node.hypervisor.run_out_of_disk(server_id)
    cloud.run_for(12)
    shown = cloud.show(server_id)
    assert (shown["status"], shown["OS-EXT-STS:power_state"]) == ("ACTIVE", 3)
    assert "no room" in shown["fault"]["message"]
    monkeypatch.setattr(starved, "ROOM_BYTES", 0)
    node.agent.look_after()
    cloud.run_for(12)
    shown = cloud.show(server_id)
    assert (shown["OS-EXT-STS:power_state"], "fault" in shown) == (1, False)
