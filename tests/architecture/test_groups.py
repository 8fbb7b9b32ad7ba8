"""Tests of one group run in one worker: what they share is made once, and they do not meet themselves elsewhere."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("groups")
def test_groups_are_heeded(request: pytest.FixtureRequest) -> None:
    """xdist goes by a suffix that it gives the tests' ids (xdist/remote.py); a pytest that ignores it splits all groups."""
    in_group = request.node.nodeid.endswith("@groups")
    assert in_group == (bool(request.config.getoption("loadgroup", False)))
