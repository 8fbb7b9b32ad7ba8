"""One cloud of processes for all tests of this folder, and one whose nodes have folders of volumes of their own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.cloud import FaultCloud


@pytest.fixture(scope="package")
def processes(request: pytest.FixtureRequest) -> Iterator[FaultCloud]:
    """It ends with the last of these tests."""
    with _made(request, shared=True) as made:
        yield made


@pytest.fixture(scope="module")
def processes_apart(request: pytest.FixtureRequest) -> Iterator[FaultCloud]:
    with _made(request, shared=False) as made:
        yield made


@contextmanager
def _made(request: pytest.FixtureRequest, *, shared: bool) -> Iterator[FaultCloud]:
    """After a failure its folder stays, for whoever looks at the logs."""
    folder = Path(tempfile.mkdtemp(prefix="cml-faults-"))
    folder.chmod(0o711)
    failed_before = request.session.testsfailed
    made = FaultCloud(folder, shared=shared)
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
    yield from _unarmed(processes)


@pytest.fixture
def apart(processes_apart: FaultCloud) -> Iterator[FaultCloud]:
    yield from _unarmed(processes_apart)


def _unarmed(made: FaultCloud) -> Iterator[FaultCloud]:
    made.disarm()
    made.fault()
    yield made
    made.disarm()
    made.fault()
