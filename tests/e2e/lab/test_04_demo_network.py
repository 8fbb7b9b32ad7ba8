"""devstack/demo-network on three nodes: two tenants with the same addresses, and nobody reaches whom they must not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.e2e_cloud import Finished
from tests.fixtures.lab import Lab

pytestmark = [pytest.mark.qemu, pytest.mark.root, pytest.mark.full]

PREFIX = "demo-network-"


@pytest.fixture(scope="module")
def demo(lab: Lab) -> Iterator[Finished]:
    """Its exit status 0 says that the matrix is right."""
    return lab.script("demo-network")


def test_two_tenants_with_the_same_addresses_reach_only_what_they_may(demo: Finished) -> None:
    assert "The matrix is right." in demo.output
    rows = [line.split() for line in demo.output.splitlines() if line.startswith(("red-", "blue-", "outside "))]
    assert {row[0] for row in rows} == {"red-1", "red-2", "red-3", "blue-1", "blue-2", "blue-3", "outside"}
    assert "6 servers on 3 nodes" in demo.output


def test_clean_removes_all_of_it(lab: Lab, demo: Finished) -> None:
    lab.script("demo-network", "--clean")
    admin = lab.sdk("cumulet-admin")
    assert not [each.name for each in admin.identity.projects() if each.name.startswith(PREFIX)]
    assert {each.name for each in admin.network.networks()} == {"shared", "public"}
    assert not list(admin.network.routers())
    assert not list(admin.network.ips())
