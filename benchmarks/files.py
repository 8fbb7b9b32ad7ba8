"""Files that figures are taken with, and how long something takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024


def random_file(path: Path, size_mib: int) -> None:
    """Of bytes that nothing can compress, on the disk when this ends."""
    with path.open("wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(MIB))
        os.fsync(file.fileno())


def timed(act: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def mb_per_s(size_mib: int, seconds: float) -> float:
    return round(size_mib * MIB / 1e6 / seconds, 1)
