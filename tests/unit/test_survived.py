"""The count of kills and faults is shown once, whether one process ran the tests or several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CHECKOUT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest
from tests.fixtures.survived import survived

@pytest.mark.parametrize("number", range(4))
def test_that_survives(number):
    survived("kills", 2)
    survived("outages")

def test_without():
    pass
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "two workers"])
def test_kills_of_all_tests_are_added_up(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "test_inner.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.fixtures.survived", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [*command, *workers, "--rootdir", str(tmp_path), str(tmp_path)],
        env={**environment, "PYTHONPATH": str(CHECKOUT)},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines().count("kills: 8") == 1, done.stdout
    assert done.stdout.splitlines().count("outages: 4") == 1, done.stdout
