"""Imports from the web, from other images and into several stores; what becomes of them when their worker dies."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from api.image.operations import importer
from api.request import Services
from common.clock import ManualClock
from common.config import Config
from common.db import image_tasks
from common.errors import StorageError
from tests.fixtures.api import ApiClient
from tests.functional.image.helpers import BYTES, DATA, V2, patch, qcow2, register, replace, stored_files, uploaded
from tests.functional.image.imports import disk, foreign, same_disk, show, stage, start, tasks, work
from tests.unit.ova_files import ova

DIRECT = {"method": {"name": "glance-direct"}}


class Web:
    """A web server on loopback that gives `pages`, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.during: Any = None
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.path)
                data = web.pages.get(self.path)
                if data is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: len(data) // 2])
                if web.during is not None:
                    web.during()
                self.wfile.write(data[len(data) // 2 :])

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def config(config: Config, web: Web, tmp_path: Path) -> Config:
    """The web server's address is one that the operator has allowed; there are three stores."""
    image = dataclasses.replace(
        config.image, web_download_internal="127.0.0.1/32", web_download_ports=f"80, {web.port}", max_size_mib=8,
        more_stores=f"fast:{tmp_path / 'fast'}, far:{tmp_path / 'far'}",
    )  # fmt: skip
    return dataclasses.replace(config, image=image)


def from_web(uri: str) -> dict[str, Any]:
    return {"method": {"name": "web-download", "uri": uri}}


def test_an_image_from_the_web(api_client: ApiClient, services: Services, web: Web, database_url: str) -> None:
    web.pages["/disk?v=1"] = qcow2()
    image = register(api_client, disk_format="qcow2")
    reply = start(api_client, image["id"], from_web(f"{web.url}/disk?v=1"))
    assert reply.status_code == 202
    assert web.asked == [], "nothing is fetched while the client waits"
    waiting = show(api_client, image["id"])
    assert (waiting["status"], waiting["os_glance_importing_to_stores"]) == ("importing", "local")
    assert start(api_client, image["id"], from_web(f"{web.url}/disk")).status_code == 409
    assert work(services) == 1
    shown = show(api_client, image["id"])
    assert (shown["status"], shown["os_hash_value"]) == ("active", hashlib.sha512(qcow2()).hexdigest())
    assert (shown["os_glance_importing_to_stores"], shown["os_glance_failed_import"]) == ("", "")
    assert "os_glance_import_task" not in shown
    assert api_client.get(f"{V2}/{image['id']}/file").data == qcow2()
    assert [path.name for path in stored_files(api_client)] == [image["id"]]


def test_foreign_formats_from_the_web(api_client: ApiClient, services: Services, web: Web, tmp_path: Path) -> None:
    raw = disk(tmp_path)
    web.pages = {"/vmdk": foreign(raw, "vmdk").read_bytes(), "/ova": ova(foreign(raw, "vmdk").read_bytes())}
    for path, container in (("/vmdk", "bare"), ("/ova", "ova")):
        image = register(api_client, disk_format="vmdk", container_format=container)
        start(api_client, image["id"], from_web(web.url + path))
        work(services)
        assert show(api_client, image["id"])["disk_format"] == "qcow2"
        assert same_disk(raw, api_client.get(f"{V2}/{image['id']}/file").data)


@pytest.mark.parametrize(("path", "why"), [
    ("/none", "status 404"), ("/page", "declared qcow2 but is raw data"), ("/large", "larger than"),
])  # fmt: skip
def test_what_can_not_be_had(api_client: ApiClient, services: Services, web: Web, path: str, why: str) -> None:
    web.pages = {"/page": b"<html>", "/large": qcow2(length=9 * 2**20)}
    image = register(api_client, disk_format="qcow2")
    assert start(api_client, image["id"], from_web(web.url + path)).status_code == 202
    work(services)
    shown = show(api_client, image["id"])
    assert (shown["status"], shown["os_glance_failed_import"]) == ("queued", "local")
    assert why in shown["os_glance_upload_failure"]
    assert tasks(api_client, image["id"]) == [("failure", shown["os_glance_upload_failure"])]
    assert stored_files(api_client) == []


@pytest.mark.parametrize("uri", [
    "http://127.0.0.2/", "http://169.254.169.254/latest/meta-data", "http://[::1]/", "http://10.0.0.1/", "http://2130706433/",
    "http://localhost:5432/", "file:///etc/passwd", "http://127.0.0.1:22/", "", "http://u:p@127.0.0.1/",
])  # fmt: skip
def test_internal_addresses_are_never_spoken_to(api_client: ApiClient, services: Services, web: Web, uri: str) -> None:
    """SSRF-01: refused at once where the text tells, else by the worker, and nothing is left."""
    image = register(api_client, disk_format="qcow2")
    if start(api_client, image["id"], from_web(uri)).status_code == 202:
        work(services)
        assert "may not be fetched from" in show(api_client, image["id"])["os_glance_upload_failure"]
    assert (show(api_client, image["id"])["status"], stored_files(api_client)) == ("queued", [])


def test_a_redirect_inside_is_not_followed(api_client: ApiClient, services: Services, web: Web) -> None:
    """SSRF-02, through the whole of an import."""
    inner = Web()
    inner.pages["/"] = qcow2()

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.2:{inner.port}/")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    web.server.RequestHandlerClass = Redirect
    image = register(api_client, disk_format="qcow2")
    start(api_client, image["id"], from_web(f"{web.url}/"))
    work(services)
    inner.server.shutdown()
    inner.server.server_close()
    assert (show(api_client, image["id"])["status"], inner.asked) == ("queued", [])


def test_nobody_without_the_right_makes_the_service_fetch(api_client: ApiClient, services: Services, web: Web) -> None:
    """SSRF-04."""
    web.pages["/"] = qcow2()
    image = register(api_client, disk_format="qcow2")
    answers = [start(api_client, image["id"], from_web(f"{web.url}/"), as_).status_code for as_ in ("other", "reader")]
    assert answers == [404, 403]
    assert start(api_client, image["id"], from_web(f"{web.url}/"), as_=None).status_code == 401
    assert (work(services), web.asked) == (0, [])


def test_the_operator_may_switch_it_off(api_client: ApiClient, services: Services, web: Web) -> None:
    config = dataclasses.replace(
        services.config, image=dataclasses.replace(services.config.image, web_download_hosts="")
    )
    off = dataclasses.replace(services, config=config)
    from api.app import create_app

    client = ApiClient(off, create_app(off))
    assert "web-download" not in client.get("/image/v2/info/import").json["import-methods"]["value"]
    image = register(client, disk_format="qcow2")
    assert start(client, image["id"], from_web(f"{web.url}/")).status_code == 400


def test_deleted_while_it_comes(api_client: ApiClient, services: Services, web: Web) -> None:
    web.pages["/"] = qcow2()
    image = register(api_client, disk_format="qcow2")
    start(api_client, image["id"], from_web(f"{web.url}/"))
    second = ApiClient(services, api_client.app)
    web.during = lambda: second.delete(f"{V2}/{image['id']}")
    work(services)
    assert api_client.get(f"{V2}/{image['id']}").status_code == 404
    assert stored_files(api_client) == []


def test_a_copy_of_another_image(api_client: ApiClient, services: Services) -> None:
    source = uploaded(api_client, data=qcow2(), disk_format="qcow2", hw_disk_bus="ide", speed="high")
    region = services.config.cloud.region
    copy = register(api_client, disk_format="iso", container_format="ovf", hw_disk_bus="scsi")
    asked = {"name": "glance-download", "glance_image_id": source["id"], "glance_region": region}
    assert start(api_client, copy["id"], {"method": asked}).status_code == 202
    work(services)
    shown = show(api_client, copy["id"])
    assert (shown["status"], shown["disk_format"], shown["container_format"]) == ("active", "qcow2", "bare")
    assert (shown["hw_disk_bus"], shown["os_hash_value"]) == ("ide", source["os_hash_value"])
    assert "speed" not in shown
    assert api_client.delete(f"{V2}/{source['id']}").status_code == 204
    assert api_client.get(f"{V2}/{copy['id']}/file").data == qcow2()


@pytest.mark.parametrize("change", [
    {"glance_region": "elsewhere"}, {"glance_service_interface": "back door"},
    {"glance_image_id": "36d4b546-64a2-4bb9-bdd0-ba676aa48f2c"}, {"glance_image_id": "another's"}, {"glance_image_id": "queued"},
])  # fmt: skip
def test_no_copy_of_what_is_not_there_for_the_caller(
    api_client: ApiClient, services: Services, change: dict[str, str]
) -> None:
    others = uploaded(api_client, "other", visibility="private")
    mine = uploaded(api_client, hw_disk_bus="ide")
    known = {"another's": others["id"], "queued": register(api_client)["id"]}
    copy = register(api_client, hw_disk_bus="sata")
    change = {name: known.get(value, value) for name, value in change.items()}
    asked = {
        "name": "glance-download",
        "glance_image_id": mine["id"],
        "glance_region": services.config.cloud.region,
        **change,
    }
    assert start(api_client, copy["id"], {"method": asked}).status_code == 202
    work(services)
    shown = show(api_client, copy["id"])
    assert (shown["status"], shown["hw_disk_bus"]) == ("queued", "sata")
    assert tasks(api_client, copy["id"])[0][0] == "failure"


@pytest.mark.parametrize(("body", "status"), [
    ({"method": {"name": "glance-download", "glance_region": "x"}}, 400),
    ({"method": {"name": "glance-download", "glance_region": "x", "glance_image_id": "foo"}}, 400),
    ({"method": {"name": "nothing"}}, 400), ({**DIRECT, "stores": ["nowhere"]}, 409),
    ({**DIRECT, "stores": ["fast"], "all_stores": True}, 400), ({"method": {"name": "copy-image"}, "all_stores": True}, 409),
])  # fmt: skip
def test_requests_that_make_no_sense(api_client: ApiClient, body: Any, status: int) -> None:
    image = register(api_client)
    stage(api_client, image["id"])
    assert start(api_client, image["id"], body).status_code == status


def files(tmp_path: Path, image_id: str) -> list[str]:
    return [name for name in ("images", "fast", "far") if (tmp_path / name / image_id).exists()]


@pytest.mark.parametrize(("more", "headers", "expected"), [
    ({"all_stores": True}, {}, "local,fast,far"), ({"stores": ["far", "fast"]}, {}, "far,fast"), ({}, {}, "local"),
    ({}, {"X-Image-Meta-Store": "fast"}, "fast"),
])  # fmt: skip
def test_several_stores(
    api_client: ApiClient, services: Services, tmp_path: Path, more: Any, headers: Any, expected: str
) -> None:
    image = register(api_client)
    stage(api_client, image["id"])
    assert start(api_client, image["id"], {**DIRECT, **more}, headers=headers).status_code == 202
    work(services)
    shown = show(api_client, image["id"])
    assert (shown["status"], shown["stores"]) == ("active", expected)
    assert len(files(tmp_path, image["id"])) == expected.count(",") + 1
    assert api_client.get(f"{V2}/{image['id']}/file").data == DATA
    assert api_client.delete(f"{V2}/{image['id']}").status_code == 204
    assert files(tmp_path, image["id"]) == []


def test_an_upload_says_which_store_it_is_for(api_client: ApiClient, tmp_path: Path) -> None:
    image = register(api_client)
    path, sent = f"{V2}/{image['id']}/file", {"data": DATA, "content_type": BYTES}
    wrong = api_client.put(path, headers={"X-Image-Meta-Store": "nowhere"}, **sent)
    assert (wrong.status_code, "local, fast, far" in wrong.text) == (400, True)
    assert api_client.put(path, headers={"X-Image-Meta-Store": "far"}, **sent).status_code == 204
    assert (show(api_client, image["id"])["stores"], files(tmp_path, image["id"])) == ("far", ["far"])
    assert api_client.get(path).data == DATA


def test_copies_into_stores_and_out_of_them(api_client: ApiClient, services: Services, tmp_path: Path) -> None:
    image = uploaded(api_client)
    copy = {"method": {"name": "copy-image"}}
    assert start(api_client, image["id"], {**copy, "stores": ["local"]}).status_code == 400
    assert start(api_client, image["id"], {**copy, "stores": ["fast"]}).status_code == 202
    busy = show(api_client, image["id"])
    assert (busy["status"], busy["os_glance_importing_to_stores"]) == ("active", "fast")
    assert start(api_client, image["id"], {**copy, "stores": ["far"]}).status_code == 409
    assert api_client.get(f"{V2}/{image['id']}/file").data == DATA
    work(services)
    assert start(api_client, image["id"], {**copy, "all_stores": True}).status_code == 202
    work(services)
    assert (show(api_client, image["id"])["stores"], files(tmp_path, image["id"])) == (
        "local,fast,far",
        ["images", "fast", "far"],
    )
    assert start(api_client, image["id"], {**copy, "all_stores": True}).status_code == 202
    assert work(services) == 0
    out = "/image/v2/stores"
    answers = [
        api_client.delete(f"{out}/{name}/{image['id']}", "admin").status_code
        for name in ("nowhere", "local", "local", "fast", "far")
    ]
    assert answers == [409, 204, 404, 204, 403]
    assert api_client.delete(f"{out}/far/{image['id']}").status_code == 403
    assert files(tmp_path, image["id"]) == ["far"]
    assert api_client.get(f"{V2}/{image['id']}/file").data == DATA


@pytest.mark.parametrize("must", [True, False])
def test_a_store_that_is_full(
    api_client: ApiClient, services: Services, tmp_path: Path, monkeypatch: Any, must: bool
) -> None:
    from api.image.store import ImageStore

    place = ImageStore.place

    def full(store: ImageStore, source: Path, image_id: str) -> None:
        if store.root.name == "far":
            raise StorageError("There is not enough disk space in the image store; ask its operator.")
        place(store, source, image_id)

    monkeypatch.setattr(ImageStore, "place", full)
    image = register(api_client)
    stage(api_client, image["id"])
    start(api_client, image["id"], {**DIRECT, "all_stores": True, "all_stores_must_succeed": must})
    work(services)
    shown = show(api_client, image["id"])
    if must:
        assert (shown["status"], shown["os_glance_failed_import"], stored_files(api_client)) == (
            "queued",
            "local,fast,far",
            [],
        )
        assert files(tmp_path, image["id"]) == []
    else:
        assert (shown["status"], shown["stores"], shown["os_glance_failed_import"]) == ("active", "local,fast", "far")


def test_a_copy_across_file_systems(tmp_path: Path) -> None:
    """Where one file can't have two names."""
    from api.image.store import ImageStore

    other = Path("/dev/shm") / f"store-{tmp_path.name}"
    store = ImageStore.at(str(other))
    source = tmp_path / "file"
    source.write_bytes(DATA)
    image_id = "36d4b546-64a2-4bb9-bdd0-ba676aa48f2c"
    try:
        for _ in range(2):
            store.place(source, image_id)
        assert (other / image_id).read_bytes() == DATA
        assert [path.name for path in other.rglob("*") if path.is_file()] == [image_id]
    finally:
        store.remove(image_id)
        (other / "staging").rmdir()
        other.rmdir()


def test_another_worker_goes_on_when_one_has_died(
    api_client: ApiClient, services: Services, manual_clock: ManualClock, database_url: str
) -> None:
    image = register(api_client)
    stage(api_client, image["id"])
    start(api_client, image["id"], DIRECT)
    now = manual_clock.now()
    dead = services.db.run(lambda session: image_tasks.take(session, "dead", now, now + timedelta(seconds=30)))
    assert dead is not None
    assert work(services, "alive") == 0
    manual_clock.advance(31)
    assert work(services, "alive") == 1
    assert show(api_client, image["id"])["status"] == "active"
    importer._run(services, dead, "dead")  # it was only slow: nothing that it does counts
    shown = show(api_client, image["id"])
    assert (shown["status"], shown["stores"]) == ("active", "local")
    assert api_client.get(f"{V2}/{image['id']}/file").data == DATA
    assert tasks(api_client, image["id"]) == [("success", "")]


def test_a_worker_that_dies_over_and_over_is_not_tried_for_ever(
    api_client: ApiClient, services: Services, manual_clock: ManualClock
) -> None:
    image = register(api_client)
    stage(api_client, image["id"])
    start(api_client, image["id"], DIRECT)
    for number in range(importer.MAX_ATTEMPTS):
        now = manual_clock.now()
        taken = services.db.run(
            lambda session, now=now, number=number: image_tasks.take(
                session, f"w{number}", now, now + timedelta(seconds=30)
            )
        )
        assert taken is not None
        manual_clock.advance(31)
    assert work(services) == 1
    shown = show(api_client, image["id"])
    assert (shown["status"], "3 times" in shown["os_glance_upload_failure"]) == ("queued", True)
    assert stored_files(api_client) == []


def test_tasks_are_an_administrators_view(api_client: ApiClient, services: Services) -> None:
    made = []
    for _ in range(3):
        image = register(api_client)
        stage(api_client, image["id"])
        start(api_client, image["id"], DIRECT)
        made.append(api_client.get(f"{V2}/{image['id']}/tasks").json["tasks"][0]["id"])
    importer.work(services, "w1")
    assert api_client.get("/image/v2/tasks").status_code == 403
    page = api_client.get("/image/v2/tasks?limit=2&sort_key=created_at&sort_dir=asc", "admin").json
    assert [task["id"] for task in page["tasks"]] == made[:2]
    rest = api_client.get("/image" + page["next"], "admin").json
    assert [task["id"] for task in rest["tasks"]] == made[2:]
    done = api_client.get("/image/v2/tasks?status=success", "admin").json["tasks"]
    assert [(task["id"], "input" in task) for task in done] == [(made[0], False)]
    shown = api_client.get(f"/image/v2/tasks/{made[0]}", "admin").json
    assert (shown["status"], shown["type"], shown["self"]) == ("success", "api_image_import", f"/v2/tasks/{made[0]}")
    assert api_client.get("/image/v2/tasks/none", "admin").status_code == 404
    assert api_client.get("/image/v2/tasks?status=x", "admin").status_code == 400


def test_only_the_service_writes_what_it_writes(api_client: ApiClient, services: Services) -> None:
    """IMG-14 for what imports add."""
    image = uploaded(api_client)
    for name in (
        "stores",
        "os_glance_importing_to_stores",
        "os_glance_failed_import",
        "os_glance_import_task",
        "locations",
    ):
        for op in ("add", "replace", "remove"):
            change = {"op": op, "path": f"/{name}", **({} if op == "remove" else {"value": "x"})}
            assert patch(api_client, image["id"], change).status_code == 403, (name, op)
    assert patch(api_client, image["id"], replace("size", 1)).status_code == 403
