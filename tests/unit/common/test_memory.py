"""What a process holds after a large block was freed; each in a process of its own, since it holds for the whole process."""

from __future__ import annotations

import subprocess
import sys

import pytest

_BLOCK_MIB = 20
_PROGRAM = """
import ctypes, sys
from common import memory

if sys.argv[1] == "give":
    memory.give_back_what_is_freed()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
small = []
for size_mib in (int(sys.argv[2]),) * 2:
    block = libc.malloc(size_mib << 20)
    ctypes.memset(block, 1, size_mib << 20)
    small.append(libc.malloc(1000))  # above it in the heap, so that the heap's end can't be cut off
    libc.free(block)
held = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(int(held.split()[1]) // 1024)
"""


def _held_mib(mode: str) -> int:
    words = [sys.executable, "-c", _PROGRAM, mode, str(_BLOCK_MIB)]
    return int(subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about glibc")
def test_freed_blocks_go_back_to_the_kernel() -> None:
    assert _held_mib("keep") - _held_mib("give") > _BLOCK_MIB // 2
