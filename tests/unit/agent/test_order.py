"""Order, epochs and repetition (BUS-03, HYP-10): late, doubled and out-of-order commands change nothing."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.deadlines import ACCEPTED_HELD_BACK_S
from common.errors import InvalidRequest
from common.rpc.compute_v1 import Command, PowerState, RebootMode, ReportKind
from tests.unit.agent.box import Box, Orders, raw

#: hundreds of agents write thousands of files: in memory where there is such a folder, since nothing here cuts power
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


def test_a_lower_pair_is_refused(box: Box, orders: Orders) -> None:
    box.do(orders.create(generation=1))
    box.do(orders.start(generation=4))
    report = box.do(orders.halt(generation=3))
    assert (report.kind, report.code, report.absent) == (ReportKind.FAILED, "stale_command", False)
    assert box.power(orders.instance_id) is PowerState.RUNNING


def test_an_equal_pair_with_a_new_id_is_obeyed(box: Box, orders: Orders) -> None:
    box.do(orders.create(generation=1))
    assert box.do(orders.halt(generation=1)).kind is ReportKind.DONE


def test_after_a_removal_nothing_up_to_it_is_obeyed(box: Box, orders: Orders) -> None:
    box.do(orders.remove(epoch=2, generation=5))
    for epoch, generation in ((1, 9), (2, 4), (2, 5)):
        report = box.do(orders.create(epoch, generation))
        assert (report.code, report.absent) == ("stale_command", True)
    assert box.do(orders.create(3, 1)).kind is ReportKind.DONE


def test_the_tombstone_outlives_the_agent_and_is_purged_after_a_week(box: Box, orders: Orders) -> None:
    box.do(orders.remove(epoch=2, generation=5))
    box.restart()
    assert box.do(orders.create(1, 1)).code == "stale_command"
    box.clock.advance(7 * 24 * 3600 + 1)
    box.agent.look_after()
    assert box.files("specs") == []


def test_the_domain_itself_is_evidence_when_the_memory_is_lost(box: Box, orders: Orders) -> None:
    box.do(orders.create(epoch=3, generation=7))
    box.agent.stop()
    for path in (box.state_dir / "specs").iterdir():
        path.unlink()
    box.restart()
    assert box.do(orders.halt(epoch=2, generation=9)).code == "stale_command"
    assert box.do(orders.remove(epoch=3, generation=6)).code == "stale_command"
    assert box.power(orders.instance_id) is PowerState.RUNNING
    assert box.do(orders.halt(epoch=3, generation=8)).kind is ReportKind.DONE


def test_an_expired_command_is_not_obeyed_but_a_removal_is(box: Box, orders: Orders) -> None:
    creation, removal = orders.create(), orders.remove()
    box.clock.advance(601)
    report = box.do(creation)
    assert (report.kind, report.code, report.absent) == (ReportKind.FAILED, "command_expired", True)
    assert box.hypervisor.list_domains() == []
    assert box.do(removal).kind is ReportKind.DONE


def test_a_repeated_command_gets_its_answer_again(box: Box, orders: Orders) -> None:
    creation = orders.create()
    box.tell(creation)
    box.agent.outbox.send_due()
    assert box.reports() == []  # whoever asks only once hears "accepted" when it takes longer
    box.tell(creation)  # in progress
    box.agent.outbox.send_due()
    assert [report.kind for report in box.reports()] == [ReportKind.ACCEPTED]
    box.clock.advance(ACCEPTED_HELD_BACK_S)
    box.agent.outbox.send_due()
    assert [report.kind for report in box.reports()] == [ReportKind.ACCEPTED] * 2
    first = box.do(creation)
    again = box.do(creation)
    assert again == first
    box.tell(orders.ack(first.id))
    assert box.do(creation) == first
    assert box.hypervisor.boots(orders.instance_id) == 1


def test_an_older_epoch_is_destroyed_before_anything_else(box: Box, orders: Orders) -> None:
    """HYP-10: the node was away; its guest runs elsewhere by now, and this node had been told so."""
    box.do(orders.create(epoch=1))
    domain = box.state_dir / "fake" / "domains" / f"{orders.instance_id}.json"
    kept = domain.read_bytes()
    box.do(orders.remove(epoch=1))
    box.agent.stop()
    domain.write_bytes(kept)
    box.restart()
    assert box.hypervisor.list_domains() == []


def test_unknown_domains_are_reported_and_left_alone(box: Box, orders: Orders) -> None:
    """HYP-11: an agent that lost its memory harms nobody."""
    box.do(orders.create())
    box.agent.stop()
    for path in (box.state_dir / "specs").iterdir():
        path.unlink()
    box.restart()
    [digest] = box.heartbeat().domains
    assert (digest.instance_id, digest.power) == (orders.instance_id, PowerState.RUNNING)
    assert box.hypervisor.boots(orders.instance_id) == 1


def test_a_damaged_memory_is_set_aside(box: Box, orders: Orders) -> None:
    box.do(orders.create())
    [name] = box.files("specs")
    (box.state_dir / "specs" / name).write_text("{ half a fi")
    box.restart()
    assert box.files("specs") == [f"{name}.damaged"]
    assert box.power(orders.instance_id) is PowerState.RUNNING


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "format_disk"},
        {"id": "../../etc/passwd"},
        {"id": ""},
        {"instance_id": "../x"},
        {"instance_id": "ABCDEF00-0000-4000-8000-000000000001"},
        {"deadline": "2026-01-01T00:00:00"},
        {"epoch": "one"},
        {"spec": None},
        {"instance_id": "aaaaaaaa-0000-4000-8000-000000000001"},
    ],
)
def test_what_is_no_command_is_refused(box: Box, orders: Orders, changes: dict[str, Any]) -> None:
    with pytest.raises((msgspec.DecodeError, InvalidRequest)):
        box.agent.handle(raw(orders.create(), **changes))
    assert box.files("inbox") == []
    assert box.reports() == []


@pytest.mark.parametrize("body", [b"", b"\x80\x04K\x01.", b"{}", b"[" * 10_000, b"\xff\xfe"])
def test_what_is_no_json_is_refused(box: Box, body: bytes) -> None:
    """BUS-04, BUS-06: raising is what makes the bus dead-letter a message."""
    with pytest.raises((msgspec.DecodeError, RecursionError)):
        box.agent.handle(body)


def _history(orders: Orders, verbs: list[str]) -> list[Command]:
    """What a control plane might do to one instance, generation by generation."""
    make: dict[str, Callable[[int], Command]] = {
        "start": lambda generation: orders.start(1, generation),
        "stop": lambda generation: orders.halt(1, generation),
        "soft": lambda generation: orders.reboot(1, generation),
        "hard": lambda generation: orders.reboot(1, generation, RebootMode.HARD),
        "create": lambda generation: orders.create(1, generation),
        "remove": lambda generation: orders.remove(1, generation),
    }
    return [orders.create(1, 1), *(make[verb](generation) for generation, verb in enumerate(verbs, start=2))]


def _final_state(box: Box, orders: Orders) -> tuple[Any, ...]:
    known = box.agent.specs.get(orders.instance_id)
    assert known is not None
    state = box.hypervisor.state(orders.instance_id)
    domain = (state.epoch, state.generation, state.power) if state else None
    boots = box.hypervisor.boots(orders.instance_id)
    return known.pair, known.gone, known.wanted, domain, boots, box.files("instances")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    verbs=st.lists(st.sampled_from(["start", "stop", "soft", "hard", "create", "remove"]), max_size=6),
    seed=st.integers(0, 2**32),
)
def test_doubled_late_and_shuffled_delivery_ends_as_the_ordered_run(verbs: list[str], seed: int) -> None:
    """BUS-03. The control plane sends a command after the one before has ended; the network keeps copies of all that
    was ever sent and delivers them again whenever it likes, at least twice each, with restarts of the agent between.
    """
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        calm, stormy = Box(Path(folder) / "calm"), Box(Path(folder) / "stormy")
        orders = Orders(calm.clock)
        history = _history(orders, verbs)
        for command in history:
            calm.do(command)
        late: list[Command] = []
        for command in history:
            copies = [command, command, *chance.sample(late, k=chance.randint(0, len(late)))]
            chance.shuffle(copies)
            for copy in copies:
                stormy.tell(copy)
                if chance.random() < 0.2:
                    stormy.restart()
            stormy.agent.run_pending()
            late += [command, command]
        chance.shuffle(late)
        for copy in late:
            stormy.do(copy)
        assert _final_state(stormy, orders) == _final_state(calm, orders)
        for box in (calm, stormy):
            box.agent.stop()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(order=st.permutations(list(range(6))), epochs=st.lists(st.integers(1, 3), min_size=6, max_size=6))
def test_complete_commands_in_any_order_end_with_the_highest(order: list[int], epochs: list[int]) -> None:
    """Creations and removals of several epochs, sent all at once, in any order: the highest pair decides."""
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        box = Box(Path(folder))
        orders = Orders(box.clock)
        make = (orders.create, orders.remove, orders.create, orders.remove, orders.create, orders.create)
        commands: list[Command] = [make[place](epoch, place + 1) for place, epoch in enumerate(epochs)]
        for place in order:
            box.tell(commands[place])
        box.agent.run_pending()
        highest = max(commands, key=lambda command: (command.epoch, command.generation))
        expected = PowerState.ABSENT if type(highest).__name__ == "EnsureAbsent" else PowerState.RUNNING
        assert box.power(orders.instance_id) is expected
        state = box.hypervisor.state(orders.instance_id)
        assert state is None or (state.epoch, state.generation) == (highest.epoch, highest.generation)
        box.agent.stop()
