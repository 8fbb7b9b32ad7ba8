"""One lab of three nodes for all tests of this folder, and six servers on them.

The modules are numbered, because they run in order and hand the guests on: a boot takes ten seconds or more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures import e2e_guest
from tests.fixtures.e2e_guest import Guest
from tests.fixtures.lab import Lab, made_lab

SERVERS = 6


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """openstacksdk warns of its own future at every call."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings("ignore::Warning:openstack"))


@pytest.fixture(scope="package")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with made_lab(request, nodes=3) as made:
        yield made


@pytest.fixture(scope="package")
def six(lab: Lab) -> list[Guest]:
    """Six servers created at the same moment, each answering SSH from the controller."""
    made = lab.create("s", SERVERS)
    guests = [e2e_guest.find(lab, server_id) for server_id in made]
    for guest in guests:
        guest.wait_for_status("ACTIVE")
    for guest in guests:
        guest.wait_for_ssh()
    return guests


@pytest.fixture(scope="package")
def homes(lab: Lab, six: list[Guest]) -> dict[int, list[Guest]]:
    """The six by the number of the node they were placed on."""
    found: dict[int, list[Guest]] = {}
    for guest in six:
        found.setdefault(lab.node_of(guest), []).append(guest)
    return found
