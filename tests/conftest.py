"""Fixtures that all tests may use, and which tests share a worker because a whole cloud is made for them."""

from __future__ import annotations

import gc
from collections import Counter

import pytest

pytest_plugins = [
    "tests.fixtures.compiled",
    "tests.fixtures.postgresql",
    "tests.fixtures.rabbitmq",
    "tests.fixtures.api",
    "tests.fixtures.cloud",
    "tests.fixtures.live_cloud",
    "tests.fixtures.survived",
]

CLOUDS = {"live_cloud": "live", "processes": "faults"}  # fixtures that are dear to make and to keep, and their groups
AT_ONCE = (
    150  # tests that a cloud serves before another worker may have one too: they take minutes, it starts in seconds
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Such a cloud is made by one worker, not by all: it takes processor time even while it is idle."""
    users = Counter[str]()
    for item in items:
        for fixture in CLOUDS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(f"{CLOUDS[fixture]}-{users[fixture] // AT_ONCE}"))
            users[fixture] += 1


def pytest_collection_finish() -> None:
    """What was imported and collected stays: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()
