"""The pool that libvirt calls run on: order, deadlines, lost threads, health."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.errors import HypervisorTimeout
from compute_agent.hypervisor.call_pool import CallPool


@pytest.fixture
def pool() -> Iterator[CallPool]:
    made = CallPool(4)
    yield made
    made.close()


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_results_and_errors_come_back(pool: CallPool) -> None:
    assert pool.run("a", "x", lambda: 7, 5) == 7
    with pytest.raises(ZeroDivisionError):
        pool.run("a", "x", lambda: 1 // 0, 5)
    with pytest.raises(TimeoutError, match="its own"):
        pool.run("a", "x", _raise_timeout, 5)
    assert pool.run("a", "x", lambda: 8, 5) == 8


def _raise_timeout() -> None:
    raise TimeoutError("its own")


def test_one_domain_is_serial_and_others_are_not(pool: CallPool) -> None:
    inside: dict[str, int] = {"a": 0, "b": 0, "c": 0}
    worst: dict[str, int] = {"a": 0, "b": 0, "c": 0}
    together = threading.Barrier(3, timeout=10)

    def work(key: str) -> None:
        inside[key] += 1
        worst[key] = max(worst[key], inside[key])
        together.wait()  # passes only when three different keys run at once
        inside[key] -= 1

    with ThreadPoolExecutor(30) as callers:
        list(
            callers.map(lambda number: pool.run("abc"[number % 3], "x", lambda: work("abc"[number % 3]), 20), range(30))
        )
    assert worst == {"a": 1, "b": 1, "c": 1}


def test_a_stuck_call_makes_its_domain_busy_until_it_returns(pool: CallPool) -> None:
    release = threading.Event()
    with pytest.raises(HypervisorTimeout, match="did not come back"):
        pool.run("a", "starting", lambda: release.wait(30), 0.05)
    assert pool.busy("a")
    assert pool.lost() == 1
    with pytest.raises(HypervisorTimeout, match="starting has not come back"):
        pool.run("a", "stopping", lambda: None, 5)
    assert pool.run("b", "x", lambda: 1, 5) == 1
    release.set()
    eventually(lambda: not pool.busy("a"))
    assert pool.run("a", "x", lambda: 2, 5) == 2
    assert pool.healthy()


def test_callers_behind_a_stuck_call_are_told_at_once(pool: CallPool) -> None:
    release = threading.Event()
    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(pool.run, "a", "starting", lambda: release.wait(30), 0.3)
        eventually(lambda: bool(pool._running))
        began = time.monotonic()
        second = callers.submit(pool.run, "a", "stopping", lambda: None, 25)
        with pytest.raises(HypervisorTimeout):
            second.result(20)
        assert time.monotonic() - began < 15
        with pytest.raises(HypervisorTimeout):
            first.result(20)
    release.set()


def test_with_half_the_threads_lost_it_is_not_healthy(pool: CallPool) -> None:
    release = threading.Event()
    for key in ("a", "b"):
        assert pool.healthy()
        with pytest.raises(HypervisorTimeout):
            pool.run(key, "x", lambda: release.wait(30), 0.02)
    assert not pool.healthy()
    for key in ("c", "d"):
        with pytest.raises(HypervisorTimeout):
            pool.run(key, "x", lambda: release.wait(30), 0.02)
    with pytest.raises(HypervisorTimeout, match="could not begin"):
        pool.run("e", "x", lambda: None, 0.05)
    assert pool.lost() == 4
    release.set()
    eventually(pool.healthy)
    assert pool.run("e", "x", lambda: 3, 5) == 3


def test_a_closed_pool_takes_nothing(pool: CallPool) -> None:
    pool.close()
    with pytest.raises(HypervisorTimeout, match="shutting down"):
        pool.run("a", "x", lambda: 1, 5)
