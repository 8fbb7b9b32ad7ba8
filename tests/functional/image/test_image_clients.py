"""openstacksdk against the real application on a loopback port, as people's tools use it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack.exceptions import BadRequestException, ForbiddenException
from werkzeug.serving import make_server

from tests.fixtures.api import PASSWORD, ApiClient
from tests.functional.image.imports import work
from tests.unit.image_headers import qcow2


@pytest.fixture
def url(api_client: ApiClient) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, api_client.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def cloud(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    connection = openstack.connect(
        auth_url=f"{url}/identity/v3", username="demo", password=PASSWORD, project_name="demo",
        user_domain_id="default", project_domain_id="default", image_endpoint_override=f"{url}/image",
        load_envvars=False, load_yaml_config=False,
    )  # fmt: skip
    yield connection
    connection.close()


def test_create_list_change_save_delete(cloud: Any, tmp_path: Path) -> None:
    disk = tmp_path / "disk.qcow2"
    disk.write_bytes(qcow2())
    image = cloud.image.create_image(
        "first",
        filename=str(disk),
        disk_format="qcow2",
        container_format="bare",
        validate_checksum=True,
        wait=True,
        k="v",
    )
    assert (image.status, image.size, image.properties["k"]) == ("active", len(qcow2()), "v")
    assert image.properties["owner_specified.openstack.md5"] == image.checksum
    again = cloud.image.create_image(
        "first", filename=str(disk), disk_format="qcow2", container_format="bare", validate_checksum=True
    )
    assert again.id == image.id, "the same bytes under the same name are not uploaded twice"
    cloud.image.download_image(image, output=str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == qcow2()
    cloud.image.update_image(cloud.image.get_image(image), name="renamed", min_ram=64, os_distro="debian")
    changed = cloud.image.get_image(image)
    assert (changed.name, changed.min_ram, changed.os_distro) == ("renamed", 64, "debian")
    cloud.image.add_tag(image, "tag")
    assert cloud.image.get_image(image).tags == ["tag"]
    cloud.image.create_image("second", data=b"raw bytes", disk_format="raw", container_format="bare")
    assert sorted(item.name for item in cloud.image.images(limit=1)) == ["renamed", "second"]
    cloud.image.delete_image(image)
    assert cloud.image.find_image("renamed") is None


def test_what_is_refused_comes_with_the_reason(cloud: Any) -> None:
    with pytest.raises(ForbiddenException, match="publicize_image"):
        cloud.image.create_image("p", data=b"x", disk_format="raw", container_format="bare", visibility="public")
    with pytest.raises(BadRequestException, match="declared raw but is qcow2"):
        cloud.image.create_image("q", data=qcow2(), disk_format="raw", container_format="bare")
    assert list(cloud.image.images()) == [], "the client removes what could not be uploaded"


def test_an_import_as_the_sdk_does_it(cloud: Any, api_client: ApiClient, tmp_path: Path) -> None:
    disk = tmp_path / "disk.qcow2"
    disk.write_bytes(qcow2())
    image = cloud.image.create_image(
        "staged", filename=str(disk), disk_format="qcow2", container_format="bare", use_import=True
    )
    assert cloud.image.get_image(image).status == "importing"
    assert work(api_client.services) == 1
    assert cloud.image.get_image(image).status == "active"
    assert [store.id for store in cloud.image.stores()] == ["local"]
    assert cloud.image.get_import_info().import_methods["value"][:2] == ["glance-direct", "web-download"]
    empty = cloud.image.create_image("from the web", disk_format="qcow2", container_format="bare")
    cloud.image.import_image(empty, method="web-download", uri="http://127.0.0.1/disk.qcow2")
    work(api_client.services)
    failed = cloud.image.get_image(empty)
    assert failed.status == "queued"
    assert "may not be fetched from" in failed.properties["os_glance_upload_failure"]
