"""Two habits of the C library and of Python that cost a small service most of its memory, and how they are turned off."""

from __future__ import annotations

import ctypes
import gc

# Source: mallopt(3), and glibc's malloc.h for the numbers.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_TRIM_BYTES, _MMAP_BYTES, _ARENAS = 256 * 1024, 1024 * 1024, 2


def give_back_what_is_freed() -> None:
    """Have large blocks returned to the kernel when they are freed, and threads share two heaps instead of having eight.

    Without it glibc keeps the largest block ever freed: checking one password takes 19 MiB, in each thread, for good.
    Does nothing with another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for parameter, value in (
        (_M_MMAP_THRESHOLD, _MMAP_BYTES),
        (_M_TRIM_THRESHOLD, _TRIM_BYTES),
        (_M_ARENA_MAX, _ARENAS),
    ):
        mallopt(parameter, value)


def share_with_forks() -> None:
    """Keep the garbage collector away from all that was made so far, to be called just before forking.

    It writes into every object that it looks at, which would give each child a copy of what is otherwise shared.
    """
    gc.collect()
    gc.freeze()
