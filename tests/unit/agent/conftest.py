from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.agent.box import Box, Orders


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    yield made
    made.agent.stop()
    made.hypervisor.close()


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """A folder in memory, where there is one: for tests that write thousands of files and cut no power."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def orders(box: Box) -> Orders:
    return Orders(box.clock)
