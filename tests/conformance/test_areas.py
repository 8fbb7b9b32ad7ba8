"""Whole areas that need no guest, against a cloud with the fake driver, two stores of images and a web server to fetch from.

Whatever of them does not pass is in otherwise.txt, with the reason. With CUMULET_CONFORMANCE_DIR set the results are kept
there, so that docs/conformance.md can be written from them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import lists, results, suite_venv, tempest_conf
from tests.conformance.lists import Area
from tests.conformance.results import Result
from tests.conformance.runner import Runner
from tests.fixtures.live_cloud import LiveCloud
from tests.unit.image_headers import qcow2

pytestmark = [pytest.mark.full, pytest.mark.slow]
PARTS = [
    (Area.IDENTITY, ""), (Area.IMAGE, ""), (Area.RBAC, "keystone_tempest_plugin"), (Area.RBAC, "glance_tempest_plugin"),
]  # fmt: skip


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(live_cloud: LiveCloud, tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "guest.qcow2").write_bytes(qcow2())
    handler = partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", live_cloud.web_port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{live_cloud.web_port}/guest.qcow2"
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class Prepared:
    """workspace: with etc/tempest.conf."""

    workspace: Path


@pytest.fixture
def prepared(live_cloud: LiveCloud, web: str, tmp_path: Path) -> Iterator[Prepared]:
    """With a second image endpoint, which some tests compare with the first."""
    import openstack

    clouds = openstack.config.OpenStackConfig(config_files=[str(live_cloud.folder / "clouds.yaml")], load_envvars=False)
    cloud: Any = openstack.connection.Connection(config=clouds.get_one(cloud="admin"))
    second = cloud.identity.create_service(type="image-second", name="second")
    cloud.identity.create_endpoint(
        service_id=second.id, interface="public", url=f"{live_cloud.url}/image", region_id="RegionOne"
    )
    settings = (
        "auth.tempest_roles=", f"image.http_qcow2_image={web}", f"image.http_image={web}",
        "image.alternate_image_endpoint=image-second", "image.alternate_image_endpoint_type=publicURL",
    )  # fmt: skip
    choices = tempest_conf.Choices(guests=False, fixed_network="shared", settings=settings)
    tempest_conf.write(cloud, tmp_path, choices)
    yield Prepared(tmp_path)
    cloud.identity.delete_service(second)


@pytest.mark.parametrize(("area", "plugin"), PARTS)
def test_all_but_what_is_otherwise_here_passes(prepared: Prepared, area: Area, plugin: str) -> None:
    names = [name for name in lists.counted()[area] if name.startswith(plugin)]
    found: list[Result] = []
    Runner(suite_venv.ensure(), prepared.workspace, found.append).run(names)
    if os.environ.get("CUMULET_CONFORMANCE_DIR"):
        kept = results.of_commit(results.commit())
        for each in found:
            kept.add(replace(each, guests=False))
    otherwise = {name for pattern, _ in lists.otherwise() for name in lists.matching(pattern, names)}
    failed = {each.test: f"{each.result}: {each.why}" for each in found if each.result != "passed"}
    assert {name: why for name, why in failed.items() if name not in otherwise} == {}
    assert {each.test for each in found} == set(names)
    assert otherwise - set(failed) == set(), "these pass by now: take them out of otherwise.txt"
