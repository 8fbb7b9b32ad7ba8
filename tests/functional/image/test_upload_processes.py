"""Uploads and imports against `cumulet-api` as a process: clients that go away, workers that are killed half-way."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from common import config as configuration
from common import killpoints
from common.clock import SystemClock
from common.db.models import Image
from common.db.session import Database
from common.deadlines import IMAGE_IMPORT_LEASE_S, IMAGE_UPLOAD_SWEEP_S
from tests.fixtures import api_process
from tests.fixtures.api import PASSWORD
from tests.fixtures.api_process import ApiProcess
from tests.fixtures.e2e_wait import until
from tests.functional.image.helpers import BYTES, DATA
from tests.functional.image.imports import disk, foreign, same_disk

PATIENCE_S = 30.0
UPLOAD_KILLS = ("image.upload.received", "image.upload.published")
IMPORT_KILLS = ("image.import.taken", "image.import.convert", "image.import.placed")


@dataclass
class Client:
    """One user of a running API process. kills: the folder in which points are armed."""

    api: ApiProcess
    kills: Path
    token: str = ""

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"X-Auth-Token": self.token, "Connection": "close", **options.pop("headers", {})}
        return requests.request(method, f"{self.api.url}/image/v2{path}", headers=headers, timeout=60, **options)

    def login(self) -> None:
        named = {"name": "demo", "domain": {"id": "default"}}
        auth = {"identity": {"methods": ["password"], "password": {"user": {**named, "password": PASSWORD}}}}
        body = {"auth": {**auth, "scope": {"project": named}}}
        reply = requests.post(f"{self.api.url}/identity/v3/auth/tokens", json=body, timeout=60)
        self.token = reply.headers["X-Subject-Token"]

    def register(self, disk_format: str = "raw") -> str:
        body = {"name": "disk", "disk_format": disk_format, "container_format": "bare"}
        return str(self.call("POST", "/images", json=body).json()["id"])

    def show(self, image_id: str) -> dict[str, Any]:
        return dict(self.call("GET", f"/images/{image_id}").json())

    def upload(self, image_id: str, data: bytes, where: str = "file") -> requests.Response:
        return self.call("PUT", f"/images/{image_id}/{where}", data=data, headers={"Content-Type": BYTES})

    def is_dead_at(self, point: str) -> bool:
        return (self.kills / (point + killpoints.FIRED)).exists()

    def stored(self) -> list[Path]:
        return [path for path in self._config().image_folder.rglob("*") if path.is_file()]

    def _config(self) -> _Store:
        config = configuration.load(str(self.api.folder / "cumulet.conf"))
        return _Store(Path(config.image.store_dir), config)

    def let_time_pass(self, image_id: str) -> None:
        """The image and all files of uploads become an hour older."""
        found = self._config()
        db = Database(found.config.database, SystemClock())
        earlier = SystemClock().now() - timedelta(hours=1)
        with db.write() as session:
            session.execute(sa.update(Image).where(Image.id == image_id).values(updated_at=earlier))
        db.close()
        for path in (found.image_folder / "staging").iterdir():
            os.utime(path, (earlier.timestamp(), earlier.timestamp()))


@dataclass(frozen=True)
class _Store:
    image_folder: Path
    config: configuration.Config


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    kills = tmp_path / "kills"
    kills.mkdir()
    monkeypatch.setenv(killpoints.VARIABLE, str(kills))
    api = api_process.prepare(tmp_path, workers=1)
    try:
        api.start()
        made = Client(api, kills)
        made.login()
        yield made
    finally:
        api.end()


@pytest.mark.parametrize("where", ["file", "stage"])
def test_a_client_that_hangs_up_leaves_a_queued_image_and_no_bytes(client: Client, where: str) -> None:
    """IMG-13: by a real connection that breaks, with a length and in chunks."""
    half = DATA[: len(DATA) // 2]
    image_id = client.register()
    for header, body in (
        (f"Content-Length: {len(DATA)}", half),
        ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (len(half), half)),
        ("Transfer-Encoding: chunked", b"%x\r\n%s" % (len(DATA), half)),
    ):
        host, port = client.api.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as line:
            head = (
                f"PUT /image/v2/images/{image_id}/{where} HTTP/1.1\r\nHost: {host}\r\nX-Auth-Token: {client.token}\r\n"
                f"Content-Type: {BYTES}\r\n{header}\r\n\r\n"
            )
            line.sendall(head.encode() + body)
            until(lambda: client.show(image_id)["status"] != "queued", "bytes come", deadline_s=PATIENCE_S)
        after = until(
            lambda: (found := client.show(image_id))["status"] == "queued" and found, "it is given up",
            deadline_s=PATIENCE_S,
        )  # fmt: skip
        assert "upload the data again" in after["os_glance_upload_failure"]
        assert client.stored() == []
    assert client.upload(image_id, DATA).status_code == 204
    assert client.call("GET", f"/images/{image_id}/file").content == DATA


@pytest.mark.full
@pytest.mark.parametrize("point", UPLOAD_KILLS)
def test_an_upload_whose_process_is_killed(client: Client, point: str) -> None:
    image_id = client.register()
    (client.kills / point).touch()
    with pytest.raises(requests.ConnectionError):
        client.upload(image_id, DATA)
    assert client.is_dead_at(point)
    assert client.show(image_id)["status"] == "saving", "the process that has come in its place answers"
    assert len(client.stored()) == 1
    client.let_time_pass(image_id)
    until(
        lambda: client.show(image_id)["status"] == "queued", "the upload is swept up",
        deadline_s=IMAGE_UPLOAD_SWEEP_S + PATIENCE_S,
    )  # fmt: skip
    assert client.stored() == []
    assert client.upload(image_id, DATA).status_code == 204
    assert client.call("GET", f"/images/{image_id}/file").content == DATA


@pytest.mark.full
@pytest.mark.parametrize("point", IMPORT_KILLS)
def test_an_import_whose_process_is_killed_goes_on_in_another(client: Client, point: str, tmp_path: Path) -> None:
    raw = disk(tmp_path)
    image_id = client.register("vdi")
    assert client.upload(image_id, foreign(raw, "vdi").read_bytes(), "stage").status_code == 204
    (client.kills / point).touch()
    body = {"method": {"name": "glance-direct"}}
    with suppress(requests.ConnectionError):  # the process that took it may die before it has answered
        client.call("POST", f"/images/{image_id}/import", json=body)
    until(lambda: client.is_dead_at(point), f"a process dies at {point}", deadline_s=PATIENCE_S)
    until(
        lambda: client.show(image_id)["status"] == "active", "another has done it",
        deadline_s=2 * IMAGE_IMPORT_LEASE_S + PATIENCE_S,
    )  # fmt: skip
    assert same_disk(raw, client.call("GET", f"/images/{image_id}/file").content)
    (task,) = client.call("GET", f"/images/{image_id}/tasks").json()["tasks"]
    assert (task["status"], task["message"]) == ("success", "Converted from vdi to qcow2.")
    client.let_time_pass(image_id)
    until(
        lambda: [path.name for path in client.stored()] == [image_id], "nothing else is left",
        deadline_s=IMAGE_UPLOAD_SWEEP_S + PATIENCE_S,
    )  # fmt: skip
