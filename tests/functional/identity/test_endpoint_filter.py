"""OS-EP-FILTER: a project with associations sees those endpoints alone, in tokens and in /auth/catalog."""

from __future__ import annotations

from tests.fixtures.api import PASSWORD, ApiClient
from tests.functional.identity.test_policies import make

V3 = "/identity/v3"
FILTER = f"{V3}/OS-EP-FILTER"


def seen(client: ApiClient) -> set[str]:
    """Ids of the endpoints in demo's catalogue."""
    scope = {"project": {"id": client.project_id("demo")}}
    token = client.login("demo", PASSWORD, scope).json["token"]
    listed = client.get(f"{V3}/auth/catalog").json["catalog"]
    assert listed == token["catalog"]
    assert all(service["endpoints"] for service in listed)
    return {endpoint["id"] for service in listed for endpoint in service["endpoints"]}


def test_an_endpoint_of_the_project(api_client: ApiClient, database_url: str) -> None:
    everything = seen(api_client)
    one = sorted(everything)[0]
    project = api_client.project_id("demo")
    association = f"{FILTER}/projects/{project}/endpoints/{one}"
    assert api_client.get(association, "admin").status_code == 404
    assert [api_client.put(association, "admin").status_code for _ in range(2)] == [204, 409]
    assert api_client.head(association, "admin").status_code == 204
    assert seen(api_client) == {one}
    projects = api_client.get(f"{FILTER}/endpoints/{one}/projects", "admin").json["projects"]
    assert [each["id"] for each in projects] == [project]
    assert api_client.delete(association, "admin").status_code == 204
    assert seen(api_client) == everything


def test_a_group_of_endpoints(api_client: ApiClient, database_url: str) -> None:
    services = api_client.get(f"{V3}/services?type=compute", "admin").json["services"]
    filters = {"service_id": services[0]["id"], "interface": "public"}
    group = make(api_client, "endpoint_group", "OS-EP-FILTER/endpoint_groups", name="g", filters=filters)
    one = f"{FILTER}/endpoint_groups/{group}"
    inside = {each["id"] for each in api_client.get(f"{one}/endpoints", "admin").json["endpoints"]}
    assert len(inside) == 1
    project = api_client.project_id("demo")
    association = f"{one}/projects/{project}"
    assert [api_client.put(association, "admin").status_code for _ in range(2)] == [204, 409]
    shown = api_client.get(association, "admin").json["project_endpoint_group"]
    assert (shown["endpoint_group_id"], shown["project_id"]) == (group, project)
    assert seen(api_client) == inside
    listed = api_client.get(f"{FILTER}/projects/{project}/endpoints", "admin").json["endpoints"]
    assert {each["id"] for each in listed} == inside
    groups = api_client.get(f"{FILTER}/projects/{project}/endpoint_groups", "admin").json["endpoint_groups"]
    assert [each["id"] for each in groups] == [group]
    assert api_client.get(f"{one}/projects", "admin").json["projects"][0]["id"] == project
    changed = api_client.patch(one, "admin", json={"endpoint_group": {"filters": {"interface": "admin"}}})
    assert changed.json["endpoint_group"]["filters"] == {"interface": "admin"}
    assert seen(api_client) != inside
    assert api_client.delete(association, "admin").status_code == 204
    assert api_client.get(association, "admin").status_code == 404
    assert api_client.delete(one, "admin").status_code == 204
    assert inside < seen(api_client)


def test_what_a_group_must_say(api_client: ApiClient) -> None:
    for filters in ({}, {"url": "http://x"}, {"interface": "secret"}):
        body = {"endpoint_group": {"name": "g", "filters": filters}}
        assert api_client.post(f"{FILTER}/endpoint_groups", "admin", json=body).status_code == 400
    assert api_client.get(f"{FILTER}/endpoint_groups/unknown", "admin").status_code == 404
    assert api_client.get(f"{FILTER}/endpoint_groups", "demo").status_code == 403
