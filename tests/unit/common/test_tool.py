"""Child processes: a deadline and limits that hold, and an error that says what happened."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from common import tool
from common.errors import ToolFailed
from common.tool import UNTRUSTED, Limits

PYTHON = sys.executable


def python(code: str, *arguments: str, **options: object) -> bytes:
    return tool.run([PYTHON, "-c", code, *arguments], **{"timeout_s": 30, **options})  # type: ignore[arg-type]


def test_output_and_input() -> None:
    assert tool.run(["cat"], timeout_s=5, stdin=b"a\x00b") == b"a\x00b"
    assert python("import sys; print(sys.stdin.read() == '')").strip() == b"True"  # not our own standard input


def test_arguments_are_no_shell_words() -> None:
    words = ["; rm -rf /", "$(id)", "`id`", "a b", "", "*"]
    assert python("import sys; print(sys.argv[1:])", *words).decode().strip() == repr(words)


def test_the_environment_is_what_is_given() -> None:
    assert python("import os; print(os.environ.get('A'), os.environ.get('HOME'))", env={"A": "b"}).split() == [
        b"b",
        b"None",
    ]


def test_failure_says_the_status_and_keeps_the_reason_for_operators() -> None:
    with pytest.raises(ToolFailed) as caught:
        python("import sys; sys.stderr.write('the /secret/path'); sys.exit(3)")
    assert "status 3" in caught.value.message
    assert "/secret" not in caught.value.message
    assert "the /secret/path" in caught.value.detail


@pytest.mark.parametrize("limits", [None, UNTRUSTED])
def test_a_missing_tool(limits: Limits | None) -> None:
    with pytest.raises(ToolFailed) as caught:
        tool.run(["cml-no-such-tool"], timeout_s=5, limits=limits)
    assert "cml-no-such-tool" in caught.value.message


def test_a_file_that_may_not_be_run(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    with pytest.raises(ToolFailed):
        tool.run([str(tmp_path / "tool")], timeout_s=5)


def test_the_deadline_kills(tmp_path: Path) -> None:
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(ToolFailed, match="did not end within"):
        python(code, str(tmp_path / "pid"), timeout_s=1.5)
    if (tmp_path / "pid").exists():  # a busy machine may not have come so far
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)


def test_memory_is_limited() -> None:
    with pytest.raises(ToolFailed, match="failed with status"):
        python("x = bytearray(600 * 1024 * 1024)", limits=Limits(address_space_mib=400))


def test_threads_do_not_use_up_the_address_space_by_their_arenas() -> None:
    """As qemu-img, which starts dozens: for each of the first the C library reserves 64 MiB unless it is told not to."""
    program = (
        "import threading; gate = threading.Event(); threads = [threading.Thread(target=gate.wait) for _ in range(40)]\n"
        "for thread in threads: thread.start()\n"
        "gate.set()\n"
        "for thread in threads: thread.join()\n"
        "print('all')"
    )
    limits = Limits(address_space_mib=512)  # 40 stacks of 8 MiB, and what the interpreter takes
    assert tool.run([sys.executable, "-c", program], timeout_s=20, limits=limits) == b"all\n"


def test_cpu_is_limited() -> None:
    with pytest.raises(ToolFailed, match="failed with status"):
        python("while True: pass", limits=Limits(cpu_s=1))


def test_files_are_limited(tmp_path: Path) -> None:
    target = tmp_path / "big"
    with pytest.raises(ToolFailed):
        python("import sys; open(sys.argv[1], 'wb').write(b'x' * (3 * 1024 * 1024))", str(target),
               limits=Limits(file_size_mib=1))  # fmt: skip
    assert target.stat().st_size <= 1024 * 1024
