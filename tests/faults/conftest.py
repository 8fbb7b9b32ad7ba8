"""One cloud of processes for all tests of this folder, and the count of what it survived."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cloud import FIGURES, FaultCloud


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.section("kills and faults survived")
        terminalreporter.write_line("\n".join(f"{what}: {count}" for what, count in sorted(FIGURES.items())))


@pytest.fixture(scope="session")
def processes(request: pytest.FixtureRequest) -> Iterator[FaultCloud]:
    """After a failure its folder stays, for whoever looks at the logs."""
    folder = Path(tempfile.mkdtemp(prefix="cml-faults-"))
    folder.chmod(0o711)
    failed_before = request.session.testsfailed
    made = FaultCloud(folder)
    try:
        yield made
    finally:
        made.close()
        if request.session.testsfailed > failed_before:
            print(f"\nThe failed cloud's files and logs are kept in {folder}")
        else:
            shutil.rmtree(folder)


@pytest.fixture
def cloud(processes: FaultCloud) -> Iterator[FaultCloud]:
    """The cloud without armed points and programmed faults, before and after."""
    processes.disarm()
    processes.fault()
    yield processes
    processes.disarm()
    processes.fault()
