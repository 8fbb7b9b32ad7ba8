"""What the engine does when nodes are silent, late, wrong, or when a later request asks it to stop."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.config import ComputeConfig
from common.db import operations
from common.deadlines import CUT_OFF_S, RESEND_FIRST_S
from common.errors import DatabaseUnavailable, LeaseLost, StateConflict
from common.rpc.compute_v1 import EnsureAbsent, EnsureInstance, PowerState, ReportKind
from common.saga.engine import MAX_BUG_ATTEMPTS
from common.states import Action, OperationState, VmState
from tests.sagas.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_create_takes_five_commits(world: World) -> None:
    commits = 0
    import sqlalchemy as sa

    instance_id = world.new_instance()

    def count(_: object) -> None:
        nonlocal commits
        commits += 1

    sa.event.listen(world.db.engine, "commit", count)
    world.begin(instance_id, Action.CREATE)
    world.run()
    assert world.instance(instance_id).vm_state == VmState.ACTIVE
    assert commits <= 5


def test_a_failure_another_node_might_not_have_moves_the_claim_there(world: World) -> None:
    instance_id = world.new_instance()
    operation_id = world.begin(instance_id, Action.CREATE)
    for node in world.nodes.values():
        node.retry_elsewhere = True
    world.engine.work(operation_id)
    first = world.instance(instance_id).node_name
    assert first is not None
    world.nodes[first].fail = 1
    world.run()
    instance = world.instance(instance_id)
    assert instance.vm_state == VmState.ACTIVE
    assert instance.node_name not in (None, first)
    assert instance.epoch == 2
    assert world.claims() == (1, 1, 128)
    assert world.guests() == 1


def test_after_the_last_node_the_server_is_in_error_with_the_reason(world: World) -> None:
    instance_id = world.new_instance()
    operation_id = world.begin(instance_id, Action.CREATE)
    for node in world.nodes.values():
        node.retry_elsewhere, node.fail = True, 9
    world.run()
    instance = world.instance(instance_id)
    assert instance.vm_state == VmState.ERROR
    assert instance.fault is not None
    assert world.claims() == (0, 0, 0)
    assert world.operation(operation_id).reasoning["filters"][1] == {"name": "not_tried", "passed": 0, "refused": 2}


def test_a_server_too_large_for_every_node_says_what_was_short(world: World) -> None:
    instance_id = world.new_instance(flavor={"id": "1", "name": "f", "vcpus": 64, "memory_mib": 128, "root_gib": 1})
    operation_id = world.begin(instance_id, Action.CREATE)
    world.run()
    instance, operation = world.instance(instance_id), world.operation(operation_id)
    assert instance.vm_state == VmState.ERROR
    assert instance.fault is not None
    assert instance.fault["code"] == "no_valid_node"
    assert instance.fault["message"] == "No valid host was found: of 2 nodes, 2 have too few vCPUs free."
    assert "smaller flavor" in instance.fault["detail"], "names and amounts are for administrators"
    refusals = operation.reasoning["refusals"]
    assert [(r["filter"], r["wanted"], r["free"]) for r in refusals] == [("fits_vcpus", 64, 16.0)] * 2


def test_a_lost_command_is_sent_again_with_the_same_id(world: World) -> None:
    instance_id = world.new_instance()
    operation_id = world.begin(instance_id, Action.CREATE)
    world.engine.work(operation_id)
    (_, lost), world.bus.sent = world.bus.sent[0], []
    world.clock.advance(RESEND_FIRST_S + 0.1)
    world.engine.work(operation_id)
    (_, again) = world.bus.sent[0]
    assert again.id == lost.id
    assert (again.epoch, again.generation) == (lost.epoch, lost.generation)
    world.run()
    assert world.instance(instance_id).vm_state == VmState.ACTIVE


def test_a_time_out_moves_nothing_before_the_node_has_said_absent(world: World) -> None:
    instance_id = world.new_instance()
    operation_id = world.begin(instance_id, Action.CREATE)
    world.engine.work(operation_id)
    node = world.nodes[str(world.instance(instance_id).node_name)]
    node.dead = True
    world.run(patience_s=700)
    assert world.operation(operation_id).state == OperationState.UNWINDING
    assert world.claims() == (1, 1, 128), "the claim stays until the guest is known to be gone"
    node.dead = False
    world.beat()
    world.run(patience_s=100)
    assert world.operation(operation_id).state == OperationState.FAILED
    assert any(isinstance(command, EnsureAbsent) for command in node.commands)
    assert world.claims() == (0, 0, 0)


def test_an_undo_that_never_ends_is_stuck_and_shown(world: World) -> None:
    instance_id = world.new_instance()
    operation_id = world.begin(instance_id, Action.CREATE)
    world.engine.work(operation_id)
    world.nodes[str(world.instance(instance_id).node_name)].dead = True
    world.run(patience_s=3600)
    operation = world.operation(operation_id)
    assert operation.state == OperationState.STUCK
    assert operation.error is not None
    assert operation.error["stuck"]["code"] == "undo_timeout"
    assert world.instance(instance_id).vm_state == VmState.ERROR


def test_delete_during_create_ends_deleted_with_nothing_left(world: World) -> None:
    instance_id = world.new_instance()
    create = world.begin(instance_id, Action.CREATE)
    world.engine.work(create)
    delete = world.begin(instance_id, Action.DELETE)
    world.run()
    assert world.operation(create).state == OperationState.CANCELLED
    assert world.operation(delete).state == OperationState.DONE
    assert world.instance(instance_id).deleted
    assert world.claims() == (0, 0, 0)
    assert world.guests() == 0
    assert {key: used for key, used in world.usage().items() if key in ("instances", "cores", "ram")} == {
        "instances": 0,
        "cores": 0,
        "ram": 0,
    }


def test_two_deletes_give_back_quota_once(world: World) -> None:
    instance_id, other = world.placed_instance(), world.placed_instance()
    world.begin(instance_id, Action.DELETE)
    world.begin(instance_id, Action.DELETE)
    world.run()
    assert world.instance(instance_id).deleted
    assert not world.instance(other).deleted
    assert world.usage()["instances"] == 1


def test_the_loser_of_two_exclusive_actions_gets_a_conflict(world: World) -> None:
    instance_id = world.placed_instance()
    world.begin(instance_id, Action.STOP)
    with pytest.raises(StateConflict, match="powering-off"):
        world.begin(instance_id, Action.REBOOT)


def test_a_hard_reboot_takes_over_from_a_soft_one(world: World) -> None:
    instance_id = world.placed_instance()
    soft = world.begin(instance_id, Action.REBOOT)
    world.engine.work(soft)
    world.bus.sent = []
    hard = world.begin(instance_id, Action.REBOOT_HARD)
    world.run()
    assert world.operation(hard).state == OperationState.DONE
    assert world.operation(soft).state in (OperationState.CANCELLED, OperationState.DONE)
    instance = world.instance(instance_id)
    assert (instance.vm_state, instance.task_state) == (VmState.ACTIVE, None)


def test_a_report_about_an_older_command_changes_nothing(world: World) -> None:
    instance_id = world.new_instance()
    operation_id = world.begin(instance_id, Action.CREATE)
    world.engine.work(operation_id)
    name, command = world.bus.sent[0]
    report = world.nodes[name].report(command, ReportKind.DONE, power=PowerState.RUNNING)
    import msgspec

    forged = msgspec.structs.replace(report, command_id="another")
    assert world.engine.deliver(forged) is False
    assert world.instance(instance_id).vm_state == VmState.BUILDING
    assert world.engine.deliver(report) is True
    assert world.engine.deliver(report) is False
    assert world.instance(instance_id).vm_state == VmState.ACTIVE


def test_a_slow_worker_s_late_write_fails_the_lease_check(world: World) -> None:
    operation_id = world.begin(world.new_instance(), Action.CREATE)
    now = world.clock.now
    with world.db.write() as session:
        slow = operations.lease(session, operation_id, "slow", now())
    assert slow is not None
    world.clock.advance(31)
    with world.db.write() as session:
        assert operations.lease(session, operation_id, "quick", now()) is not None
    with pytest.raises(LeaseLost), world.db.write() as session:
        operations.save(session, slow, now(), keep_lease=False, state=OperationState.DONE)
    assert world.operation(operation_id).state == OperationState.PENDING


def test_side_by_side_schedulers_never_overcommit(tmp_path: Path) -> None:
    world = World(tmp_path, node_count=1)
    flavor = {"id": "1", "name": "f", "vcpus": 1, "memory_mib": 1024, "root_gib": 1}
    wanted = [world.begin(world.new_instance(flavor=flavor), Action.CREATE) for _ in range(10)]
    engines = [world.make_engine(f"w{i}") for i in range(4)]
    threads = [
        threading.Thread(target=lambda e=engine, part=wanted[i::4]: [e.work(o) for o in part])
        for i, engine in enumerate(engines)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    sent = [command for _, command in world.bus.sent if isinstance(command, EnsureInstance)]
    assert len(sent) == 7, "8192 MiB less 512 reserved hold seven of 1024"
    assert world.claims() == (7, 7, 7 * 1024)


def test_a_database_that_is_away_is_no_failure_of_the_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the command has been sent already: the operation goes on from its row when it is back."""
    instance_id = world.new_instance()
    operation_id = world.begin(instance_id, Action.CREATE)
    world.engine.work(operation_id)
    world.bus.sent.clear()
    for _ in range(MAX_BUG_ATTEMPTS + 1):
        world.clock.advance(31)
        world.engine.work(operation_id)
        world.bus.sent.clear()

    def away(_work: Any) -> Any:
        raise DatabaseUnavailable("The database did not answer; try again.")

    world.clock.advance(31)
    monkeypatch.setattr(world.db, "run", away)
    with pytest.raises(DatabaseUnavailable):
        world.engine.work(operation_id)
    monkeypatch.undo()
    assert world.operation(operation_id).state == OperationState.RUNNING
    world.clock.advance(31)
    world.run()
    assert world.instance(instance_id).vm_state == VmState.ACTIVE


def test_a_report_that_could_not_be_written_is_not_taken_for_handled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be acknowledged to the node, which would then not send it again."""
    operation_id = world.begin(world.new_instance(), Action.CREATE)
    world.engine.work(operation_id)
    ((node, command),) = world.bus.sent
    report = world.nodes[node].obey(command)
    assert report is not None

    def away(_work: Any) -> Any:
        raise DatabaseUnavailable("The database did not answer; try again.")

    monkeypatch.setattr(world.db, "run", away)
    with pytest.raises(DatabaseUnavailable):
        world.engine.deliver(report)
    monkeypatch.undo()
    assert world.engine.deliver(report)
    assert world.operation(operation_id).state == OperationState.DONE


def test_a_creation_goes_on_elsewhere_when_its_node_is_cut_off(world: World) -> None:
    instance_id = world.new_instance()
    operation_id = world.begin(instance_id, Action.CREATE)
    world.engine.work(operation_id)
    first = world.nodes[str(world.instance(instance_id).node_name)]
    first.dead = True
    world.clock.advance(CUT_OFF_S + 1)
    world.beat()
    assert world.cut_off(first.name)
    world.run(patience_s=0)
    instance = world.instance(instance_id)
    assert (instance.vm_state, instance.epoch) == (VmState.ACTIVE, 2)
    assert instance.node_name != first.name
    assert world.claims() == (2, 2, 256), "also on the node that is cut off, until it has said that nothing is left"
    first.dead = False
    world.beat()
    world.run()
    removed = [command for command in first.commands if isinstance(command, EnsureAbsent)]
    assert [(command.instance_id, command.epoch) for command in removed] == [(instance_id, 1)]
    assert world.claims() == (1, 1, 128)


def test_what_is_left_on_a_node_is_asked_for_until_it_is_gone(world: World) -> None:
    """The node is back, fails, falls silent, and is back again."""
    instance_id = world.placed_instance()
    operation_id = world.deleted_while_down(instance_id)
    [node] = [one for one in world.nodes.values() if one.domains]
    node.fail, node.fail_absent = 2, True
    world.run(patience_s=40)
    assert world.operation(operation_id).state == OperationState.RUNNING
    node.dead = True
    world.run(patience_s=300)
    assert (world.operation(operation_id).step, world.claims()) == ("await_node", (1, 1, 128))
    node.dead = False
    world.beat()
    world.run()
    assert world.operation(operation_id).state == OperationState.DONE
    assert (world.guests(), world.claims(), world.bound_ports()) == (0, (0, 0, 0), 0)


def test_a_server_waits_while_no_node_at_all_is_heard_of(world: World) -> None:
    """The broker is away: all heartbeats are missing, and nothing is known of the nodes."""
    instance_id = world.new_instance()
    world.clock.advance(60)
    operation_id = world.begin(instance_id, Action.CREATE)
    world.engine.work(operation_id)
    assert world.instance(instance_id).vm_state == VmState.BUILDING
    world.clock.advance(10)
    world.beat()
    world.engine.work(operation_id)
    world.run()
    assert world.instance(instance_id).vm_state == VmState.ACTIVE


def test_a_server_does_not_wait_for_ever_for_silent_nodes(world: World) -> None:
    instance_id = world.new_instance()
    world.clock.advance(60)
    operation_id = world.begin(instance_id, Action.CREATE)
    for _ in range(20):
        world.engine.work(operation_id)
        world.clock.advance(15)
    instance = world.instance(instance_id)
    assert (instance.vm_state, world.operation(operation_id).state) == (VmState.ERROR, OperationState.FAILED)
    assert instance.fault is not None
    assert "do not answer" in instance.fault["message"]


def test_what_an_operation_has_begun_is_worked_on_by_the_same_worker_at_once(world: World) -> None:
    world.config = replace(world.config, compute=ComputeConfig(shelved_offload_time_s=0))
    worker = world.make_engine("worker-2")
    instance_id = world.new_instance()
    world.begin(instance_id, Action.CREATE)
    world.run()
    worker.work(world.begin(instance_id, Action.SHELVE))
    for _ in range(4):
        node, command = world.bus.sent.pop()
        report = world.nodes[node].obey(command)
        assert report is not None
        assert worker.deliver(report)
    assert world.instance(instance_id).vm_state == VmState.SHELVED_OFFLOADED
