"""A fixed part of OpenStack's own tests, against a cloud whose driver is `fake`: no guest, no SSH."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import lists, suite_venv, tempest_conf
from tests.conformance.results import Result
from tests.conformance.runner import Runner
from tests.fixtures.live_cloud import LiveCloud

pytestmark = [pytest.mark.slow]


def test_the_sample_passes(live_cloud: LiveCloud, tmp_path: Path) -> None:
    import openstack

    clouds = openstack.config.OpenStackConfig(config_files=[str(live_cloud.folder / "clouds.yaml")], load_envvars=False)
    cloud = openstack.connection.Connection(config=clouds.get_one(cloud="admin"))
    choices = tempest_conf.Choices(guests=False, fixed_network="shared", settings=("auth.tempest_roles=",))
    tempest_conf.write(cloud, tmp_path, choices)
    found: list[Result] = []
    Runner(suite_venv.ensure(), tmp_path, found.append).run(lists.sample())
    assert {each.test: f"{each.result}: {each.why}" for each in found if each.result != "passed"} == {}
    assert {each.test for each in found} == set(lists.sample())
