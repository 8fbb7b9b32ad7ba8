"""Named and timed steps, as `up` and `lab` show them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


class StepFailed(Exception):
    """What failed and what to do about it."""


def step(name: str, work: Callable[[], str]) -> None:
    """Run one step; show its name, its time and what it found or did. Whatever it raises becomes a StepFailed."""
    print(f"  {name:<34}", end="", flush=True)
    begun = time.monotonic()
    try:
        found = work()
    except StepFailed:
        print(f" FAILED after {time.monotonic() - begun:.1f} s")
        raise
    except Exception as err:
        print(f" FAILED after {time.monotonic() - begun:.1f} s")
        raise StepFailed(f"{name}: {type(err).__name__}: {err}") from err
    print(f" ok  {time.monotonic() - begun:6.1f} s  {found}")


def wait_for(condition: Callable[[], bool], *, deadline_s: float, failed: Callable[[], str]) -> None:
    """Until the condition is true. Raises StepFailed with what `failed` says when the deadline passes."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > deadline:
            raise StepFailed(failed())
        time.sleep(0.1)


def side_by_side(work: Callable[[_T], None], items: Iterable[_T]) -> None:
    """Do it for all items at once; the first failure is raised after all have ended."""
    listed = list(items)
    if not listed:
        return
    with ThreadPoolExecutor(max_workers=min(len(listed), 16)) as pool:
        for outcome in [pool.submit(work, item) for item in listed]:
            outcome.result()
