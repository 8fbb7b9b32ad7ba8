"""The state table: complete, without dead ends, and the only source of the docs' picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from common import states
from common.states import ACTIONS, MOVES, Action, OperationClass, VmState, server_status


def test_every_state_can_be_reached_from_building() -> None:
    seen, frontier = {VmState.BUILDING}, [VmState.BUILDING]
    while frontier:
        for after in MOVES[frontier.pop()] - seen:
            seen.add(after)
            frontier.append(after)
    assert seen == set(VmState)


@pytest.mark.parametrize("state", [state for state in VmState if state != VmState.DELETED])
def test_every_living_state_has_a_way_out_and_can_be_deleted(state: VmState) -> None:
    assert MOVES[state] - {state}
    assert state in ACTIONS[Action.DELETE].allowed


def test_deleted_is_the_end() -> None:
    assert MOVES[VmState.DELETED] == {VmState.DELETED}
    assert all(VmState.DELETED not in rule.allowed for rule in ACTIONS.values())


def test_only_deletions_are_pre_empting_so_far() -> None:
    found = {action for action, rule in ACTIONS.items() if rule.operation_class == OperationClass.PREEMPTING}
    assert found == {Action.DELETE, Action.SOFT_DELETE}


@pytest.mark.parametrize(("vm_state", "task", "status"), [
    ("building", "spawning", "BUILD"), ("active", None, "ACTIVE"), ("active", "rebooting", "REBOOT"),
    ("active", "rebooting_hard", "HARD_REBOOT"), ("stopped", None, "SHUTOFF"), ("error", None, "ERROR"),
    ("active", "rebuilding", "REBUILD"), ("stopped", "rebuilding", "REBUILD"), ("error", "rebuilding", "REBUILD"),
    ("shelved", None, "SHELVED"), ("shelved_offloaded", "unshelving", "SHELVED_OFFLOADED"),
    ("paused", None, "PAUSED"), ("suspended", "resuming", "SUSPENDED"),
    ("deleted", None, "DELETED"), ("resized", None, "VERIFY_RESIZE"), ("resized", "resize_reverting", "REVERT_RESIZE"),
    ("active", "resize_migrating", "RESIZE"), ("stopped", "resize_finish", "RESIZE"), ("rescued", None, "RESCUE"),
    ("soft-delete", None, "SOFT_DELETED"), ("active", "powering-off", "ACTIVE"),
])  # fmt: skip
def test_status_is_computed_from_both_states(vm_state: str, task: str | None, status: str) -> None:
    assert server_status(vm_state, task) == status


def test_the_picture_in_the_docs_is_the_table() -> None:
    page = Path(__file__).parents[3] / "docs/states.md"
    assert states.render_picture() in page.read_text(), "run `python -m common.states > docs/states.md`"
