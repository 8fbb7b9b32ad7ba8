"""Every command of `openstack` that lists something works, but for those that docs/clients.md says do not."""

from __future__ import annotations

import importlib.metadata
import shlex
from unittest import mock

import pytest

from tests.clients.examples import commands_that_fail
from tests.fixtures.live_cloud import LiveCloud

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:osc_lib")]
GROUPS = ("common", "compute.v2", "identity.v3", "image.v2", "network.v2", "volume.v3")
#: works, but says on standard error that it is deprecated
DEPRECATED = {"host list"}


def _lists() -> set[str]:
    points = importlib.metadata.entry_points()
    names = {
        point.name.replace("_", " "): point for group in GROUPS for point in points.select(group=f"openstack.{group}")
    }
    return {name for name, point in names.items() if name.endswith(" list") and _needs_nothing(point, name)}


def _needs_nothing(point: importlib.metadata.EntryPoint, name: str) -> bool:
    """Whether the command's own parser takes it without any argument."""
    parser = point.load()(mock.MagicMock(), None, cmd_name=name).get_parser(name)
    needed = [action for action in parser._actions if action.required]
    return not needed and not any(group.required for group in parser._mutually_exclusive_groups)


def test_every_list_works_but_those_the_page_names(live_cloud: LiveCloud) -> None:
    missing = tuple(commands_that_fail())
    tried = sorted(name for name in _lists() - DEPRECATED if not name.startswith(missing))
    assert len(missing) > 10
    assert len(tried) > 70
    live_cloud.openstack(*map(shlex.split, tried), user="admin")  # none may fail
