"""One cloud of processes for all tests of this folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cloud import FaultCloud


@pytest.fixture(scope="package")
def processes(request: pytest.FixtureRequest) -> Iterator[FaultCloud]:
    """It ends with the last of these tests. After a failure its folder stays, for whoever looks at the logs."""
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
