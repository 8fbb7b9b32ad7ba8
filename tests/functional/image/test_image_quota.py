"""Unified limits of images: what is over one is refused before, while and after its bytes come, and leaves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from api.request import Services
from tests.fixtures.api import ApiClient
from tests.functional.image.helpers import BYTES, V2, Interrupted, put_stream, register, stored_files, uploaded
from tests.functional.image.imports import show, stage, start, tasks, work

V3 = "/identity/v3"
MIB = 1024 * 1024
DIRECT = {"method": {"name": "glance-direct"}}


@pytest.fixture
def limit(api_client: ApiClient) -> Any:
    """limit(resource, of all, of the project demo): through identity's API, as an operator does it."""
    services = api_client.get(f"{V3}/services?type=image", "admin").json["services"]

    def set_limit(resource: str, default: int, own: int | None = None) -> None:
        body = {"service_id": services[0]["id"], "resource_name": resource, "default_limit": default}
        made = api_client.post(f"{V3}/registered_limits", "admin", json={"registered_limits": [body]})
        assert made.status_code == 201, made.text
        if own is not None:
            mine = {
                "service_id": services[0]["id"], "resource_name": resource, "resource_limit": own,
                "project_id": api_client.project_id("demo"),
            }  # fmt: skip
            assert api_client.post(f"{V3}/limits", "admin", json={"limits": [mine]}).status_code == 201

    return set_limit


def usage(client: ApiClient, as_: str = "demo") -> dict[str, tuple[int, int]]:
    found = client.get("/image/v2/info/usage", as_).json["usage"]
    return {name.removeprefix("image_"): (each["usage"], each["limit"]) for name, each in found.items()}


def put(client: ApiClient, image_id: str, size: int) -> int:
    return client.put(f"{V2}/{image_id}/file", data=b"x" * size, content_type=BYTES).status_code


def test_without_limits_there_are_none(api_client: ApiClient, database_url: str) -> None:
    uploaded(api_client, data=b"x" * (MIB + 1))
    stage(api_client, register(api_client)["id"], data=b"x" * 3)
    register(api_client, "other")
    assert usage(api_client) == {
        "size_total": (2, -1),
        "stage_total": (1, -1),
        "count_total": (2, -1),
        "count_uploading": (1, -1),
    }


def test_how_many_images(api_client: ApiClient, limit: Any, database_url: str) -> None:
    limit("image_count_total", 1, own=2)
    first = register(api_client)
    register(api_client)
    body = {"name": "x", "disk_format": "raw", "container_format": "bare"}
    reply = api_client.post(V2, json=body)
    assert (reply.status_code, "image_count_total is over limit of 2" in reply.json["message"]) == (413, True)
    assert usage(api_client)["count_total"] == (2, 2)
    assert usage(api_client, "other")["count_total"] == (0, 1)
    assert api_client.delete(f"{V2}/{first['id']}").status_code == 204
    assert api_client.post(V2, json=body).status_code == 201


def test_how_large_together(api_client: ApiClient, limit: Any, database_url: str) -> None:
    limit("image_size_total", 3)
    uploaded(api_client, data=b"x" * 2 * MIB)
    image = register(api_client)
    refused = api_client.put(f"{V2}/{image['id']}/file", data=b"x" * 2 * MIB, content_type=BYTES)
    assert (refused.status_code, "Retry-After" in refused.headers) == (413, False)
    assert put_stream(api_client, image["id"], Interrupted(2 * MIB, 0, lambda: None), None).status_code == 413, (
        "no length said"
    )
    assert show(api_client, image["id"])["status"] == "queued"
    assert len(stored_files(api_client)) == 1
    assert put(api_client, image["id"], MIB) == 204
    assert usage(api_client)["size_total"] == (3, 3)
    full = register(api_client)
    assert put(api_client, full["id"], 1) == 413
    assert api_client.delete(f"{V2}/{image['id']}").status_code == 204
    assert put(api_client, full["id"], 1) == 204


def test_two_uploads_at_once_do_not_share_the_last_of_it(api_client: ApiClient, limit: Any) -> None:
    """Both fit when they begin; the second one to end does not."""
    limit("image_size_total", 1)
    first, second = register(api_client), register(api_client)
    client = ApiClient(api_client.services, api_client.app)
    answers = []
    stream = Interrupted(MIB, 4096, lambda: answers.append(put(client, second["id"], MIB)))
    reply = put_stream(api_client, first["id"], stream, MIB)
    assert (answers, reply.status_code) == ([204], 413)
    assert usage(api_client)["size_total"] == (1, 1)
    assert len(stored_files(api_client)) == 1


def test_what_waits_for_its_import(api_client: ApiClient, services: Services, limit: Any) -> None:
    limit("image_stage_total", 2)
    limit("image_count_uploading", 2)
    first, second, third = (register(api_client) for _ in range(3))
    assert stage(api_client, first["id"], data=b"x" * MIB).status_code == 204
    assert show(api_client, first["id"])["size"] == MIB
    assert stage(api_client, second["id"], data=b"x" * 2 * MIB).status_code == 413
    assert (show(api_client, second["id"])["status"], show(api_client, second["id"])["size"]) == ("queued", None)
    assert stage(api_client, second["id"], data=b"x" * MIB).status_code == 204
    assert usage(api_client)["count_uploading"] == (2, 2)
    assert put(api_client, third["id"], 1) == 413
    assert start(api_client, first["id"], DIRECT).status_code == 202
    work(services)
    assert put(api_client, third["id"], 1) == 204
    assert usage(api_client) == {
        "size_total": (2, -1),
        "stage_total": (1, 2),
        "count_total": (3, -1),
        "count_uploading": (1, 2),
    }


def test_an_import_that_does_not_fit(api_client: ApiClient, services: Services, limit: Any) -> None:
    limit("image_size_total", 1)
    image = register(api_client)
    assert stage(api_client, image["id"], data=b"x" * 2 * MIB).status_code == 204
    assert start(api_client, image["id"], DIRECT).status_code == 202
    work(services)
    ((status, message),) = tasks(api_client, image["id"])
    assert (status, "image_size_total" in message) == ("failure", True)
    assert (show(api_client, image["id"])["status"], stored_files(api_client)) == ("queued", [])
