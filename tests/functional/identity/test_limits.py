"""Unified limits: registered ones, those that projects and domains have instead, and who sees which."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse

from tests.fixtures.api import ApiClient
from tests.functional.identity.test_policies import make

V3 = "/identity/v3"


def register(client: ApiClient, service: str, name: str = "widgets", **fields: Any) -> TestResponse:
    given = {"service_id": service, "resource_name": name, "default_limit": 10, **fields}
    return client.post(f"{V3}/registered_limits", "admin", json={"registered_limits": [given]})


def limit(client: ApiClient, service: str, **fields: Any) -> TestResponse:
    given = {"service_id": service, "resource_name": "widgets", "resource_limit": 5, **fields}
    return client.post(f"{V3}/limits", "admin", json={"limits": [given]})


def test_life_of_a_registered_limit(api_client: ApiClient, database_url: str) -> None:
    service = make(api_client, "service", type="x")
    made = register(api_client, service, description="how many").json["registered_limits"][0]
    one = f"{V3}/registered_limits/{made['id']}"
    assert register(api_client, service).status_code == 409
    assert register(api_client, service, region_id=make(api_client, "region", id="r")).status_code == 201
    assert register(api_client, "unknown").status_code == 400
    assert register(api_client, service, "other", region_id="nowhere").status_code == 400
    shown = api_client.patch(one, "admin", json={"registered_limit": {"default_limit": -1}}).json["registered_limit"]
    assert (shown["default_limit"], shown["region_id"], shown["description"]) == (-1, None, "how many")
    listed = api_client.get(f"{V3}/registered_limits?service_id={service}&region_id=r", "demo").json
    assert len(listed["registered_limits"]) == 1
    assert [api_client.delete(one, as_).status_code for as_ in ("demo", "admin", "admin")] == [403, 204, 404]


def test_a_limit_stands_in_for_the_registered_one(api_client: ApiClient, database_url: str) -> None:
    service, project = make(api_client, "service", type="x"), api_client.project_id("demo")
    assert limit(api_client, service, project_id=project).status_code == 403  # nothing registered
    registered = register(api_client, service).json["registered_limits"][0]["id"]
    assert limit(api_client, service, project_id="unknown").status_code == 400
    assert limit(api_client, service).status_code == 400
    made = limit(api_client, service, project_id=project).json["limits"][0]
    assert (made["resource_limit"], made["project_id"], made["domain_id"]) == (5, project, None)
    assert limit(api_client, service, project_id=project).status_code == 409
    assert limit(api_client, service, domain_id="default").status_code == 201
    one = f"{V3}/registered_limits/{registered}"
    assert api_client.patch(one, "admin", json={"registered_limit": {"default_limit": 1}}).status_code == 403
    assert api_client.delete(one, "admin").status_code == 403
    mine = f"{V3}/limits/{made['id']}"
    changed = api_client.patch(mine, "admin", json={"limit": {"resource_limit": 7}})
    assert changed.json["limit"]["resource_limit"] == 7
    assert [api_client.delete(mine, as_).status_code for as_ in ("demo", "admin", "admin")] == [403, 204, 404]


def test_who_sees_which(api_client: ApiClient) -> None:
    service, project = make(api_client, "service", type="x"), api_client.project_id("demo")
    register(api_client, service)
    mine = limit(api_client, service, project_id=project).json["limits"][0]["id"]
    limit(api_client, service, domain_id="default")

    def count(as_: str) -> int:
        return len(api_client.get(f"{V3}/limits", as_).json["limits"])

    assert [count(as_) for as_ in ("system", "demo", "other")] == [2, 1, 0]
    assert [api_client.get(f"{V3}/limits/{mine}", as_).status_code for as_ in ("demo", "other")] == [200, 403]
    assert api_client.get(f"{V3}/limits/model", "demo").json["model"]["name"] == "flat"
