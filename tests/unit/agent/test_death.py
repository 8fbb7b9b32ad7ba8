"""The agent dies at every single write and every single verb, before and after it; the outcome is that of a calm run.

`kill -9` of a real process is in tests/functional/test_agent.py; here every point is hit, one after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from common.rpc.compute_v1 import Command, PowerState, RebootMode, ReportKind
from compute_agent import durable
from compute_agent.hypervisor.fake import FakeHypervisor
from compute_agent.networking.none import NoNetworking
from compute_agent.storage.none import NoStorage
from tests.unit.agent.box import Box, Orders

_DEADLY = [
    (durable, "write"),
    *((FakeHypervisor, verb) for verb in ("ensure_running", "ensure_stopped", "ensure_absent", "request_shutdown")),
    *((NoNetworking, verb) for verb in ("ensure_ports", "remove_ports")),
    *((NoStorage, verb) for verb in ("ensure", "remove")),
]


class Death(BaseException):
    """No handler of the agent may catch it, as none could catch a SIGKILL."""


class Countdown:
    """Kills at the n-th point passed; 0 never."""

    def __init__(self, point: int) -> None:
        self.left = point

    def pass_point(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Death


@contextmanager
def deadly(countdown: Countdown) -> Iterator[None]:
    def around(verb: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            countdown.pass_point()
            result = verb(*arguments, **named)
            countdown.pass_point()
            return result

        return wrapped

    patches = [mock.patch.object(owner, name, around(getattr(owner, name))) for owner, name in _DEADLY]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def _story(orders: Orders) -> list[Command]:
    return [
        orders.create(1, 1),
        orders.halt(1, 2),
        orders.start(1, 3),
        orders.reboot(1, 4),
        orders.reboot(1, 5, RebootMode.HARD),
        orders.remove(1, 6),
        orders.create(2, 7),
    ]


def _do_with_resends(box: Box, command: Command) -> None:
    """As a scheduler does: the same command again until there is a report; a supervisor restarts what died."""
    for _ in range(3):
        try:
            box.do(command)
            return
        except Death:
            box.restart()
    raise AssertionError(f"no result for {command}")


@pytest.mark.parametrize("prefix", range(1, 8))
def test_death_at_every_point(quick_path: Path, prefix: int) -> None:
    """Dying while the last command of a prefix of the story is worked on."""
    for point in itertools.count(1):
        box = Box(quick_path / str(point))
        orders = Orders(box.clock)
        story = _story(orders)[:prefix]
        for command in story[:-1]:
            box.do(command)
        boots = box.hypervisor.boots(orders.instance_id)
        countdown = Countdown(point)
        with deadly(countdown):
            _do_with_resends(box, story[-1])
        died = countdown.left <= 0
        assert box.result(story[-1]).kind is ReportKind.DONE, point
        assert box.power(orders.instance_id) is _power_after(prefix), point
        assert box.hypervisor.boots(orders.instance_id) == _boots_after(prefix, boots), point
        assert box.files("inbox") == [], point
        box.agent.stop()
        if not died:
            assert point > 4
            return


def _power_after(prefix: int) -> PowerState:
    return {2: PowerState.SHUTDOWN, 6: PowerState.ABSENT}.get(prefix, PowerState.RUNNING)


def _boots_after(prefix: int, before: int) -> int:
    return {2: before, 6: 0, 7: 1}.get(prefix, before + 1)


def test_death_at_every_point_of_a_failing_creation(quick_path: Path) -> None:
    """Nothing may be left, and the report must say so."""
    for point in itertools.count(1):
        box = Box(quick_path / str(point))
        orders = Orders(box.clock)
        box.fault(ensure_running={"code": "hypervisor_error"})
        creation = orders.create()
        countdown = Countdown(point)
        with deadly(countdown):
            _do_with_resends(box, creation)
        report = box.result(creation)
        assert (report.kind, report.absent, report.retry_elsewhere) == (ReportKind.FAILED, True, True), point
        assert box.files("instances") == [], point
        assert box.hypervisor.list_domains() == [], point
        box.agent.stop()
        if countdown.left > 0:
            return


def test_a_creation_that_expired_while_the_agent_was_dead_is_taken_back(quick_path: Path) -> None:
    for point in itertools.count(1):
        box = Box(quick_path / str(point))
        orders = Orders(box.clock)
        creation = orders.create()
        countdown = Countdown(point)
        died = False
        with deadly(countdown):
            try:
                box.do(creation)
            except Death:
                died = True
        if not died:
            box.agent.stop()
            return
        box.clock.advance(601)
        box.restart()
        box.do(creation)
        report = box.result(creation)
        assert report.kind is ReportKind.DONE or (report.code == "command_expired" and report.absent), point
        assert (box.power(orders.instance_id) is PowerState.RUNNING) == (report.kind is ReportKind.DONE), point
        box.agent.stop()
