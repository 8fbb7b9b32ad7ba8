"""Import by glance-direct: what is staged waits, is judged when it is imported, and the image tells how that ended."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from api.image.operations import uploads
from api.request import Services
from tests.fixtures.api import ApiClient
from tests.functional.image.helpers import BYTES, DATA, V2, register
from tests.functional.image.imports import show, stage, start, work

IMPORT = {"method": {"name": "glance-direct"}, "all_stores": True}


def kept(services: Services) -> list[str]:
    folder = Path(services.config.image.store_dir) / "kept"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def test_staged_bytes_become_the_image(api_client: ApiClient, services: Services, database_url: str) -> None:
    image = register(api_client)
    assert start(api_client, image["id"], IMPORT).status_code == 409
    assert stage(api_client, image["id"]).status_code == 204
    assert show(api_client, image["id"])["status"] == "uploading"
    assert api_client.get(f"{V2}/{image['id']}/file").status_code == 204
    reply = start(api_client, image["id"], IMPORT)
    assert reply.status_code == 202, reply.text
    assert show(api_client, image["id"])["status"] == "importing"
    assert api_client.get(f"{V2}/{image['id']}/tasks").json["tasks"][0]["status"] == "pending"
    work(services)
    shown = show(api_client, image["id"])
    assert (shown["status"], shown["size"], shown["stores"]) == ("active", len(DATA), "local")
    assert shown["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert api_client.get(f"{V2}/{image['id']}/file").data == DATA
    tasks = api_client.get(f"{V2}/{image['id']}/tasks").json["tasks"]
    assert [(task["status"], task["input"]["import_req"]) for task in tasks] == [("success", IMPORT)]
    assert tasks[0]["request_id"] == reply.headers["x-openstack-request-id"]
    assert kept(services) == []


def test_bytes_of_another_format_put_it_back(api_client: ApiClient, services: Services) -> None:
    image = register(api_client, disk_format="qcow2")
    assert stage(api_client, image["id"]).status_code == 204
    assert start(api_client, image["id"], IMPORT).status_code == 202
    work(services)
    shown = show(api_client, image["id"])
    assert shown["status"] == "queued"
    assert "qcow2" in shown["os_glance_upload_failure"]
    tasks = api_client.get(f"{V2}/{image['id']}/tasks").json["tasks"]
    assert [(task["status"], task["message"]) for task in tasks] == [("failure", shown["os_glance_upload_failure"])]
    assert kept(services) == []
    assert stage(api_client, image["id"]).status_code == 204  # it may be tried again


def test_who_may_and_when(api_client: ApiClient) -> None:
    image = register(api_client)
    assert [stage(api_client, image["id"], as_).status_code for as_ in ("other", "reader")] == [404, 403]
    assert stage(api_client, image["id"]).status_code == 204
    assert stage(api_client, image["id"]).status_code == 409
    upload = api_client.put(f"{V2}/{image['id']}/file", data=DATA, content_type=BYTES)
    assert upload.status_code == 409
    assert [start(api_client, image["id"], IMPORT, as_).status_code for as_ in ("other", "reader")] == [404, 403]
    assert start(api_client, image["id"], IMPORT).status_code == 202
    assert start(api_client, image["id"], IMPORT).status_code == 409


def test_a_format_must_be_set(api_client: ApiClient) -> None:
    reply = api_client.post(V2, json={"name": "x"})
    assert reply.headers["OpenStack-image-import-methods"] == "glance-direct,web-download,glance-download"
    assert reply.headers["OpenStack-image-store-ids"] == "local"
    assert stage(api_client, reply.json["id"]).status_code == 204
    assert start(api_client, reply.json["id"], IMPORT).status_code == 409


def test_nothing_stays_of_a_deleted_image(api_client: ApiClient, services: Services) -> None:
    image = register(api_client)
    stage(api_client, image["id"])
    assert len(kept(services)) == 1
    assert api_client.delete(f"{V2}/{image['id']}").status_code == 204
    assert kept(services) == []


def test_recovery_lets_staged_bytes_wait_for_a_day(api_client: ApiClient, services: Services) -> None:
    image = register(api_client)
    stage(api_client, image["id"])
    assert uploads.recover(services, -1.0) == []
    assert show(api_client, image["id"])["status"] == "uploading"
    store = Path(services.config.image.store_dir)
    for name in kept(services):
        os.utime(store / "kept" / name, (0, 0))
    assert uploads.recover(services, -1.0) == [image["id"]]
    assert (show(api_client, image["id"])["status"], kept(services)) == ("queued", [])
