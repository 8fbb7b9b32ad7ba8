"""A kill point kills the process that reaches it, once, and only when a test has armed it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from common.killpoints import FIRED, VARIABLE

PROGRAM = "from common.killpoints import reach\nreach('api', 'server_create', 'before_commit')\nprint('alive')"


def _run(folder: Path | None) -> subprocess.CompletedProcess[str]:
    environment = {VARIABLE: str(folder)} if folder else {}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=Path(__file__).parents[3], env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_an_armed_point_kills_once(tmp_path: Path) -> None:
    point = tmp_path / "api:server_create:before_commit"
    point.touch()
    assert _run(tmp_path).returncode == -signal.SIGKILL
    assert not point.exists()
    assert point.with_name(point.name + FIRED).exists()
    assert _run(tmp_path).stdout == "alive\n"


def test_nothing_happens_without_the_variable(tmp_path: Path) -> None:
    (tmp_path / "api:server_create:before_commit").touch()
    assert _run(None).stdout == "alive\n"
