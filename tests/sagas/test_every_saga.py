"""The four promises, for every step of every saga: repeatable, undoable, undone twice is harmless, and resumable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import scheduler.sagas
from common.db import ports
from common.errors import CloudError
from common.saga.engine import Engine
from common.saga.model import Local, Remote, Saga, Step
from common.states import ACTIONS, Action, OperationClass, OperationState, VmState
from scheduler.sagas import SAGAS
from tests.sagas import volume_world
from tests.sagas.world import World

#: One action to start each saga with. A saga that is not here fails `test_every_saga_is_in_the_harness`.
STARTED_BY = {
    "server_create": Action.CREATE,
    "server_delete": Action.DELETE,
    "server_start": Action.START,
    "server_stop": Action.STOP,
    "server_reboot": Action.REBOOT,
    "server_restore": Action.RESTORE,
    "server_restore_domain": Action.RESTORE_DOMAIN,
    "server_resize": Action.RESIZE,
    "server_confirm_resize": Action.CONFIRM_RESIZE,
    "server_revert_resize": Action.REVERT_RESIZE,
    "server_rescue": Action.RESCUE,
    "server_soft_delete": Action.SOFT_DELETE,
    "server_pause": Action.PAUSE,
    "server_suspend": Action.SUSPEND,
    "server_resume": Action.RESUME,
    "server_rebuild": Action.REBUILD,
    "server_snapshot": Action.CREATE_IMAGE,
    "server_shelve": Action.SHELVE,
    "server_offload": Action.SHELVE_OFFLOAD,
    "server_unshelve": Action.UNSHELVE,
    "server_attach_interface": Action.ATTACH_INTERFACE,
    "server_detach_interface": Action.DETACH_INTERFACE,
    "server_remains": Action.DELETE,  # of a server whose node is down
}
#: ports that a server has then beside the one it was made with
PORTS_MORE = {"server_attach_interface": 1, "server_detach_interface": -1}
#: steps whose command removes something, so that a node that failed at it has not nothing left
REMOVALS = ("ensure_absent", "clear_old_place", "leave_node", "take_back")
#: claims (rows, vCPUs, memory) and cores counted in the quota, where a second flavor has a part in them
RESIZED = {"server_resize": ((2, 3, 384), 2), "server_confirm_resize": ((1, 2, 256), 2)}
#: sagas that do other things when the server moves to another node; they are tested both ways
MOVING = ("server_resize", "server_confirm_resize", "server_revert_resize")
KINDS = [(kind, False) for kind in sorted(STARTED_BY)] + [(kind, True) for kind in MOVING]
STEPS = [(kind, step.name, moves) for kind, moves in KINDS for step in SAGAS[kind].steps]
#: steps that ask nothing of a node unless the server moves, or has moved
ONLY_MOVING = ("snapshot_instance", "upload_snapshot", "leave_node")
#: and those that do nothing unless the server boots from a volume, or was not resized; see test_every_volume_saga.py
PASSED_BY = {
    ("server_delete", "clear_old_place"), ("server_create", "attach_volumes"), ("server_snapshot", "await_snapshots"),
    ("server_rebuild", "hold_volume"), ("server_rebuild", "ensure_stopped"), ("server_rebuild", "reimage_volume"),
    ("server_create", "export_volumes"), ("server_unshelve", "export_volumes"), ("server_resize", "export_back"),
    ("server_resize", "export_volumes"), ("server_revert_resize", "export_volumes"),
    ("server_rebuild", "withdraw_export"), ("server_rebuild", "export_volume"),
}  # fmt: skip
ASKED = [
    (kind, name, moves)
    for kind, name, moves in STEPS
    if (kind, name) not in PASSED_BY and (moves or kind != "server_resize" or name not in ONLY_MOVING)
]


class Broken(CloudError):
    code = "broken_for_the_test"


def make_world(folder: Path, sagas: dict[str, Saga] | None, moves: bool) -> World:
    world = World(folder, sagas)
    world.config = dataclasses.replace(
        world.config, compute=dataclasses.replace(world.config.compute, resize_on_same_node=not moves)
    )
    world.engine = world.make_engine("worker-1")
    return world


def with_steps(kind: str, change: Callable[[Step], Step]) -> dict[str, Saga]:
    changed = dataclasses.replace(SAGAS[kind], steps=tuple(change(step) for step in SAGAS[kind].steps))
    return {**SAGAS, kind: changed}


def start(world: World, kind: str) -> tuple[str, str]:
    """Prepare with the untouched sagas, then start the one under test with the world's own."""
    sagas, world.engine._turns._sagas = world.engine._turns._sagas, SAGAS
    instance_id = world.prepared(STARTED_BY[kind])
    if kind == "server_remains":
        operation_id = world.deleted_while_down(instance_id)
        world.engine._turns._sagas = sagas
        return instance_id, operation_id
    world.engine._turns._sagas = sagas
    return instance_id, world.begin(instance_id, STARTED_BY[kind])


def assert_reached(world: World, instance_id: str, operation_id: str, kind: str) -> None:
    operation, instance = world.operation(operation_id), world.instance(instance_id)
    assert operation.state == OperationState.DONE, operation.error
    wanted = ACTIONS[STARTED_BY[kind]].leads_to or VmState.ACTIVE
    assert instance.vm_state == wanted
    assert instance.task_state is None
    living = 0 if wanted in (VmState.DELETED, VmState.SOFT_DELETED) else 1
    placed = 0 if wanted in (VmState.DELETED, VmState.SHELVED_OFFLOADED) else 1
    assert world.guests() == placed
    claims, cores = RESIZED.get(kind, ((placed, placed, 128 * placed), living))
    assert world.claims() == claims
    assert world.bound_ports() == placed + PORTS_MORE.get(kind, 0)
    assert world.usage()["port"] == (wanted != VmState.DELETED) + PORTS_MORE.get(kind, 0)
    assert_plugged(world, instance_id)
    assert {key: used for key, used in world.usage().items() if key in ("instances", "cores")} == {
        "instances": living,
        "cores": cores,
    }
    assert world.differences() == []


def assert_plugged(world: World, instance_id: str) -> None:
    """What the node was told of devices agrees with the ports that the server has."""
    with world.db.read() as session:
        mine = {port.id for port in ports.for_instance(session, instance_id)}
    for node in world.nodes.values():
        for port_id, (_, plugged) in node.devices.get(instance_id, {}).items():
            assert plugged == (port_id in mine)


def assert_clean(world: World, instance_id: str, operation_id: str, kind: str, before: VmState) -> None:
    """As if the operation had never been: only the record of it, and ERROR where the table says so."""
    operation, instance = world.operation(operation_id), world.instance(instance_id)
    assert operation.state == OperationState.FAILED, operation.error
    assert instance.task_state is None
    assert instance.operation_id is None
    if kind == "server_remains":
        assert world.claims() == (1, 1, 128), "what may still be used is given to nobody"
        return
    assert instance.vm_state == (ACTIONS[STARTED_BY[kind]].on_failure or before)
    assert world.differences() == []
    if ACTIONS[STARTED_BY[kind]].operation_class == OperationClass.DEVICE:
        assert (world.bound_ports(), world.usage()["port"]) == (1, 1), "the device is where it was"
        assert_plugged(world, instance_id)
    if kind == "server_create":
        assert world.guests() == 0
        assert world.claims() == (0, 0, 0)
        assert world.bound_ports() == 0
        assert instance.fault is not None
        assert instance.fault["code"] == "broken_for_the_test"
    assert world.usage()["instances"] == (instance.vm_state != VmState.SOFT_DELETED), "one in ERROR still counts"


def test_every_saga_is_in_the_harness() -> None:
    helpers = {
        "__init__", "backup_shared", "port_commands", "server_volumes", "shared", "silent_node", "volume_disks",
        "volume_moves", "volume_shared",
    }  # fmt: skip
    files = {path.stem for path in Path(scheduler.sagas.__file__).parent.glob("*.py")} - helpers
    of_volumes = {kind.partition(" ")[0] for kind in volume_world.STARTED_BY}
    assert files == set(SAGAS) == set(STARTED_BY) | of_volumes
    assert not set(STARTED_BY) & set(volume_world.STARTED_BY)


@pytest.mark.parametrize(("kind", "name", "moves"), STEPS)
def test_a_step_done_twice_is_done_once(tmp_path: Path, kind: str, name: str, moves: bool) -> None:
    def twice(step: Step) -> Step:
        if step.name != name or isinstance(step, Remote):
            return step

        def do(session: Any, context: Any) -> Any:
            step.do(session, context)
            return step.do(session, context)

        return dataclasses.replace(step, do=do)

    world = make_world(tmp_path, with_steps(kind, twice), moves)
    instance_id, operation_id = start(world, kind)
    world.bus.duplicate = True  # and every command reaches the node twice, with two reports
    world.run()
    assert_reached(world, instance_id, operation_id, kind)


def failing(kind: str, name: str, undo_twice: bool) -> dict[str, Saga]:
    def change(step: Step) -> Step:
        if isinstance(step, Local):
            undo = step.undo
            if undo is not None and undo_twice:

                def undone(session: Any, context: Any, once: Any = undo) -> None:
                    once(session, context)
                    once(session, context)

                undo = undone

            def broken(session: Any, context: Any) -> Any:
                raise Broken("it was told to fail", detail="secret path")

            return dataclasses.replace(step, undo=undo, do=broken if step.name == name else step.do)
        if step.name == name:
            return dataclasses.replace(step, failed=lambda *_: Broken("it was told to fail"))
        return step

    return with_steps(kind, change)


@pytest.mark.parametrize("undo_twice", [False, True])
@pytest.mark.parametrize(("kind", "name", "moves"), ASKED)
def test_a_failure_leaves_a_clean_slate(tmp_path: Path, kind: str, name: str, moves: bool, undo_twice: bool) -> None:
    world = make_world(tmp_path, failing(kind, name, undo_twice), moves)
    instance_id, operation_id = start(world, kind)
    before = VmState(world.instance(instance_id).vm_state)
    world.bus.duplicate = undo_twice
    if isinstance(next(step for step in SAGAS[kind].steps if step.name == name), Remote):
        for node in world.nodes.values():
            node.fail, node.fail_step, node.fail_absent = 2, name, name in REMOVALS
    world.run()
    assert_clean(world, instance_id, operation_id, kind, before)


class DyingEngine(Engine):
    """A worker that is killed after a number of its transactions: it neither sends nor gives its lease back."""

    lives = 0

    def _send(self, turn: Any) -> None:
        if self.lives <= 0:
            raise Killed
        super()._send(turn)

    def _turn_or_failure(self, operation: Any) -> Any:
        turn = super()._turn_or_failure(operation)
        self.lives -= 1
        return turn


class Killed(BaseException):
    """Not an Exception: nothing in the engine may catch it, as nothing catches kill -9."""


@pytest.mark.parametrize("turns", range(1, 5))
@pytest.mark.parametrize(("kind", "moves"), KINDS)
def test_another_worker_finishes_what_a_killed_one_began(tmp_path: Path, kind: str, moves: bool, turns: int) -> None:
    world = make_world(tmp_path, None, moves)
    instance_id, operation_id = start(world, kind)
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
    assert_reached(world, instance_id, operation_id, kind)


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, n, _ in ASKED if k == "server_create"])
def test_a_killed_worker_s_unwinding_is_finished_by_another(tmp_path: Path, kind: str, name: str) -> None:
    for turns in range(1, 6):
        folder = tmp_path / str(turns)
        folder.mkdir()
        world = World(folder, failing(kind, name, undo_twice=False))
        instance_id, operation_id = start(world, kind)
        if name == "ensure_instance":
            for node in world.nodes.values():
                node.fail = 1
        dying = DyingEngine(
            db=world.db,
            bus=world.bus,
            clock=world.clock,
            config=world.config,
            sagas=world.sagas,  # type: ignore[arg-type]
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
        assert_clean(world, instance_id, operation_id, kind, VmState.BUILDING)
