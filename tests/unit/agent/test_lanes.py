from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from common.clock import ManualClock, SystemClock
from compute_agent.lanes import Lanes

PATIENCE_S = 10.0


@contextmanager
def working(lanes: Lanes[str], workers: int) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=lanes.work, args=(stop,)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        lanes.wake()
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_one_lane_is_serial_and_in_order() -> None:
    running, seen, done = threading.Lock(), list[str](), threading.Event()

    def run(item: str) -> None:
        assert running.acquire(blocking=False)
        seen.append(item)
        running.release()
        if item == "99":
            done.set()

    lanes: Lanes[str] = Lanes(run, SystemClock())
    with working(lanes, 4):
        for number in range(100):
            lanes.put("lane", str(number))
        assert done.wait(PATIENCE_S)
    assert seen == [str(number) for number in range(100)]


def test_lanes_run_side_by_side() -> None:
    meeting = threading.Barrier(3)

    def run(_item: str) -> None:
        meeting.wait(PATIENCE_S)

    lanes: Lanes[str] = Lanes(run, SystemClock())
    with working(lanes, 3):
        for lane in "abc":
            lanes.put(lane, lane)
        _until_idle(lanes, "abc")
    assert not meeting.broken


def test_urgent_work_goes_first_and_a_waiting_head_comes_back_after_it() -> None:
    seen: list[str] = []

    def run(item: str) -> float | None:
        seen.append(item)
        if item == "slow" and seen.count("slow") == 1:
            lanes.put("lane", "removal", urgent=True)
            return 5.0
        return None

    clock = ManualClock()
    lanes = Lanes(run, clock)
    lanes.put("lane", "slow")
    lanes.put("lane", "next")
    lanes.run_pending()
    assert seen == ["slow", "removal", "slow", "next"]
    assert clock.monotonic() == 5.0
    assert not lanes.busy("lane")


def test_what_waits_holds_no_worker() -> None:
    looks: dict[str, int] = {}

    def run(item: str) -> float | None:
        looks[item] = looks.get(item, 0) + 1
        return 0.05 if item.startswith("wait") and looks[item] < 4 else None

    lanes: Lanes[str] = Lanes(run, SystemClock())
    with working(lanes, 1):
        for number in range(10):
            lanes.put(f"lane {number}", f"wait {number}")
        lanes.put("other", "quick")
        _until_idle(lanes, ["other", *(f"lane {number}" for number in range(10))])
    assert looks["quick"] == 1
    assert all(looks[f"wait {number}"] == 4 for number in range(10))


def test_new_work_wakes_what_waits_in_its_lane() -> None:
    looks: list[float] = []
    clock = ManualClock()

    def run(item: str) -> float | None:
        looks.append(clock.monotonic())
        if item == "waiter" and not lanes.waiting("lane"):
            lanes.put("lane", "later")
            return 60.0
        return None

    lanes = Lanes(run, clock)
    lanes.put("lane", "waiter")
    lanes.run_pending()
    assert clock.monotonic() <= 60.0
    assert len(looks) == 3


def test_watch_sees_what_was_busy_at_any_time() -> None:
    lanes: Lanes[str] = Lanes(lambda _item: None, SystemClock())
    lanes.put("before", "x")
    with lanes.watch() as touched:
        lanes.run_pending()
        lanes.put("during", "x")
        lanes.run_pending()
    lanes.put("after", "x")
    assert touched == {"before", "during"}


def _until_idle(lanes: Lanes[str], keys: Iterable[str]) -> None:
    clock = SystemClock()
    until = clock.monotonic() + PATIENCE_S
    while any(lanes.busy(key) for key in keys):
        assert clock.monotonic() < until
        clock.sleep(0.005)


def test_what_waits_is_looked_at_at_once_when_something_has_happened() -> None:
    """Whether it happens while it waits, or during a look that came too early to see it."""
    clock, looks, happened, looked = ManualClock(), list[float](), set[str](), threading.Event()

    def run(item: str) -> float | None:
        looks.append(clock.monotonic())
        if item == "during" and item not in happened:
            happened.add(item)
            lanes.look_now("lane")
        elif item in happened:
            return None
        looked.set()
        return 60.0

    lanes: Lanes[str] = Lanes(run, clock)
    lanes.look_now("lane")  # nobody is there
    lanes.put("lane", "during")
    lanes.run_pending()
    assert looks == [looks[0]] * 2
    looked.clear()
    with working(lanes, 1):
        lanes.put("lane", "between")
        assert looked.wait(PATIENCE_S)
        happened.add("between")
        lanes.look_now("lane")
        _until_idle(lanes, ["lane"])
    assert looks == [looks[0]] * 4
