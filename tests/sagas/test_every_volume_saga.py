"""The four promises of sagas, for those of the block storage service: repeatable, undoable, harmless, resumable."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from common.db import audit
from common.rpc.volume_commands import (
    EnsureVolumeAbsent,
)
from common.saga.model import Remote, Step
from common.states import OperationState
from scheduler.sagas import SAGAS
from tests.sagas.test_every_saga import DyingEngine, Killed, failing, with_steps
from tests.sagas.volume_world import STARTED_BY, WITH_SERVED, WITH_VOLUMES, Started, VolumeWorld

#: with the steps of volume_migrate; of export_withdraw
ALIKE = ("volume_retype", "volume_retype into a pool", "volume_remove_copy")


#: of servers that are made with volumes; the first one's guest opens the files itself
EXPORTS = {WITH_VOLUMES: 0, WITH_SERVED: 2}


def _marks(kind: str) -> Any:
    return pytest.mark.full if kind in ALIKE else ()


PASSED_BY = (WITH_VOLUMES, "export_volumes")  # asks nothing of a node
REMOVING = ("backup_delete", "snapshot_delete", "volume_delete", "volume_remove_copy")
STEPS = [
    pytest.param(kind, step.name, marks=_marks(kind))
    for kind in STARTED_BY
    for step in SAGAS[kind.partition(" ")[0]].steps
]


def start(world: VolumeWorld, kind: str) -> Started:
    """Prepare with the untouched sagas, then start the one under test with the world's own."""
    sagas, world.engine._turns._sagas = world.engine._turns._sagas, SAGAS
    made = STARTED_BY[kind].prepare(world)
    world.engine._turns._sagas = sagas
    return STARTED_BY[kind].begin(world, made)


def subject(world: VolumeWorld, started: Started, kind: str) -> Any:
    """What the saga is about."""
    if started.backup_id:
        return world.backup(started.backup_id)
    return world.snapshot(started.snapshot_id) if STARTED_BY[kind].about_snapshot else world.volume(started.volume_id)


def assert_reached(world: VolumeWorld, started: Started, kind: str) -> None:
    case, operation = STARTED_BY[kind], world.operation(started.operation_id)
    assert operation.state == OperationState.DONE, operation.error
    row = subject(world, started, kind)
    assert row.deleted == (case.to == "")
    assert row.deleted or row.status == case.to
    assert world.backups_stored() == case.backups[0]
    assert_settled(world, started, case.after)
    assert world.plugged(started.volume_id) == (row.status == "in-use")
    assert len(world.exports()) == (EXPORTS.get(kind, 1) if row.status == "in-use" else 0)


def assert_clean(world: VolumeWorld, started: Started, kind: str, step: str) -> None:
    case, operation = STARTED_BY[kind], world.operation(started.operation_id)
    assert operation.state == OperationState.FAILED, operation.error
    row = subject(world, started, kind)
    assert row.status == case.failed_to
    if kind == "volume_remove_copy":
        assert world.claimed_gib() == 4, "room that may be taken is given to nobody"
        return
    assert world.backups_stored() == (0 if (kind, step) == ("backup_delete", "finish") else case.backups[1])
    wanted = case.after_failure
    if kind == "volume_delete" and step in ("wait_for_others", "delete_snapshots"):
        wanted = (1, 1, 4)  # nothing had been done yet
    if (kind, step) in (("volume_delete", "finish"), ("snapshot_delete", "finish")):
        wanted = (world.files()[0], world.files()[1], wanted[2])  # what is removed stays removed
    assert_settled(world, started, wanted)
    assert world.plugged(started.volume_id) == (row.status == "in-use")
    if kind != "export_withdraw":  # what the node may have still keeps its port
        assert len(world.exports()) == (row.status == "in-use")


def assert_settled(world: VolumeWorld, started: Started, wanted: tuple[int, int, int]) -> None:
    assert (*world.files(), world.claimed_gib()) == wanted
    with world.db.read() as session:
        found = audit.differences(session)
    assert [each for each in found if "network" not in each.expected and "subnet" not in each.expected] == []
    assert world.volume(started.volume_id).operation_id is None


@pytest.mark.parametrize(("kind", "name"), STEPS)
def test_a_step_done_twice_is_done_once(tmp_path: Path, kind: str, name: str) -> None:
    def twice(step: Step) -> Step:
        if step.name != name or isinstance(step, Remote):
            return step

        def do(session: Any, context: Any) -> Any:
            step.do(session, context)
            return step.do(session, context)

        return dataclasses.replace(step, do=do)

    world = VolumeWorld(tmp_path, with_steps(kind.partition(" ")[0], twice))
    started = start(world, kind)
    world.bus.duplicate = True
    world.run()
    assert_reached(world, started, kind)


@pytest.mark.parametrize("undo_twice", [False, True])
@pytest.mark.parametrize(("kind", "name"), [each for each in STEPS if each.values != PASSED_BY])
def test_a_failure_leaves_a_clean_slate(tmp_path: Path, kind: str, name: str, undo_twice: bool) -> None:
    world = VolumeWorld(tmp_path, failing(kind.partition(" ")[0], name, undo_twice))
    started = start(world, kind)
    world.bus.duplicate = undo_twice
    saga = SAGAS[kind.partition(" ")[0]]
    if isinstance(saga.steps[saga.index(name)], Remote):
        for node in world.nodes.values():
            node.fail, node.fail_absent = 2, kind in REMOVING
            node.fail_step = name if kind in EXPORTS else ""
            node.fails_only = EnsureVolumeAbsent if kind == "volume_delete" else None  # its snapshot's removal doesn't
    world.run()
    assert_clean(world, started, kind, name)


@pytest.mark.parametrize("turns", range(1, 5))
@pytest.mark.parametrize("kind", [pytest.param(kind, marks=_marks(kind)) for kind in sorted(STARTED_BY)])
def test_another_worker_finishes_what_a_killed_one_began(tmp_path: Path, kind: str, turns: int) -> None:
    world = VolumeWorld(tmp_path)
    started = start(world, kind)
    dying = DyingEngine(
        db=world.db,
        bus=world.bus,
        clock=world.clock,
        config=world.config,
        sagas=SAGAS,  # type: ignore[arg-type]
        placement=world.engine._turns._placement,
        owner="dying",
    )
    dying.lives = turns
    try:
        world.run(dying)
    except Killed:
        world.clock.advance(31)
        world.beat()
    world.run(world.make_engine("heir"))
    assert_reached(world, started, kind)
