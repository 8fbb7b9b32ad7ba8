"""Groups: their roles count for whoever is in them, from the next request on and no longer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.api import PASSWORD, ApiClient

V3 = "/identity/v3"
DEMO = {"project": {"name": "demo", "domain": {"id": "default"}}}


@pytest.fixture
def roles(api_client: ApiClient) -> dict[str, str]:
    return {row["name"]: row["id"] for row in api_client.get(f"{V3}/roles", "admin").json["roles"]}


def make(client: ApiClient, noun: str, **fields: Any) -> dict[str, Any]:
    reply = client.post(f"{V3}/{noun}s", "admin", json={noun: fields})
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json[noun]
    return found


def test_life_of_a_group(api_client: ApiClient, database_url: str) -> None:
    group = make(api_client, "group", name="crew", colour="blue")
    assert group == {
        "id": group["id"],
        "name": "crew",
        "domain_id": "default",
        "description": "",
        "colour": "blue",
        "links": {"self": f"http://localhost{V3}/groups/{group['id']}"},
    }
    path = f"{V3}/groups/{group['id']}"
    assert api_client.post(f"{V3}/groups", "admin", json={"group": {"name": "crew"}}).status_code == 409
    changed = api_client.patch(path, "admin", json={"group": {"name": "staff", "description": "all"}})
    assert (changed.json["group"]["name"], changed.json["group"]["description"]) == ("staff", "all")
    for query, found in (("name=staff", 1), ("name__icontains=TAF", 1), ("name__startswith=af", 0), ("domain_id=x", 0)):
        assert len(api_client.get(f"{V3}/groups?{query}", "admin").json["groups"]) == found, query
    assert api_client.delete(path, "admin").status_code == 204
    assert api_client.get(path, "admin").status_code == 404


def test_who_is_in_a_group(api_client: ApiClient, database_url: str) -> None:
    group, user = make(api_client, "group", name="crew"), api_client.user_id("other")
    member = f"{V3}/groups/{group['id']}/users/{user}"
    assert api_client.head(member, "admin").status_code == 404
    for _ in range(2):
        assert api_client.put(member, "admin").status_code == 204
    assert api_client.head(member, "admin").status_code == 204
    listed = api_client.get(f"{V3}/groups/{group['id']}/users", "admin").json["users"]
    assert [row["name"] for row in listed] == ["other"]
    own = api_client.get(f"{V3}/users/{user}/groups", "other").json["groups"]
    assert [row["name"] for row in own] == ["crew"]
    assert api_client.get(f"{V3}/users/{user}/groups", "demo").status_code == 403
    assert [api_client.delete(member, "admin").status_code for _ in range(2)] == [204, 404]
    assert api_client.put(f"{V3}/groups/nope/users/{user}", "admin").status_code == 404
    assert api_client.put(f"{V3}/groups/{group['id']}/users/nope", "admin").status_code == 404


def test_a_groups_role_counts_while_the_user_is_in_it(
    api_client: ApiClient, database_url: str, roles: dict[str, str]
) -> None:
    """AUTH-01: a token lives by what is true now."""
    group, user = make(api_client, "group", name="crew"), api_client.user_id("other")
    grant = f"{V3}/projects/{api_client.project_id('demo')}/groups/{group['id']}/roles/{roles['member']}"
    assert api_client.put(grant, "admin").status_code == 204
    api_client.login("other", PASSWORD, DEMO, expect=401)
    api_client.put(f"{V3}/groups/{group['id']}/users/{user}", "admin")
    reply = api_client.login("other", PASSWORD, DEMO)
    assert [role["name"] for role in reply.json["token"]["roles"]] == ["member", "reader"]
    token = reply.headers["X-Subject-Token"]
    assert [row["name"] for row in api_client.get(f"{V3}/auth/projects", "other").json["projects"]] == ["demo", "other"]
    assert api_client.get("/compute/v2.1/servers", token=token).status_code == 200
    api_client.delete(f"{V3}/groups/{group['id']}/users/{user}", "admin")
    assert api_client.get("/compute/v2.1/servers", token=token).status_code == 401


@pytest.mark.parametrize("target", ["projects/{project}", "domains/default", "system"])
def test_roles_of_groups(api_client: ApiClient, database_url: str, roles: dict[str, str], target: str) -> None:
    group = make(api_client, "group", name="crew")
    of_group = f"{V3}/{target.format(project=api_client.project_id('demo'))}/groups/{group['id']}/roles"
    one = f"{of_group}/{roles['reader']}"
    assert api_client.head(one, "admin").status_code == 404
    assert api_client.put(one, "admin").status_code == 204
    assert api_client.head(one, "admin").status_code == 204
    assert [row["name"] for row in api_client.get(of_group, "admin").json["roles"]] == ["reader"]
    listed = api_client.get(f"{V3}/role_assignments?group.id={group['id']}&include_names", "admin").json
    assert [row["group"]["name"] for row in listed["role_assignments"]] == ["crew"]
    assert api_client.delete(one, "admin").status_code == 204
    assert api_client.get(of_group, "admin").json["roles"] == []


def test_effective_assignments_are_the_users(api_client: ApiClient, database_url: str, roles: dict[str, str]) -> None:
    group, user = make(api_client, "group", name="crew"), api_client.user_id("other")
    api_client.put(f"{V3}/groups/{group['id']}/users/{user}", "admin")
    project = api_client.project_id("demo")
    api_client.put(f"{V3}/projects/{project}/groups/{group['id']}/roles/{roles['member']}", "admin")
    listed = api_client.get(f"{V3}/role_assignments?effective&user.id={user}&scope.project.id={project}", "admin").json
    found = {row["role"]["id"]: row for row in listed["role_assignments"]}
    assert set(found) == {roles["member"], roles["reader"]}
    for row in found.values():
        assert row["user"] == {"id": user}
        assert row["links"]["membership"].endswith(f"/groups/{group['id']}/users/{user}")
    assert found[roles["reader"]]["links"]["prior_role"].endswith(f"/{roles['member']}/implies/{roles['reader']}")
    refused = api_client.get(f"{V3}/role_assignments?effective&group.id={group['id']}", "admin")
    assert refused.status_code == 400


def test_a_domains_manager_manages_that_domain_alone(api_client: ApiClient, roles: dict[str, str]) -> None:
    """And hands out nothing above itself."""
    ours, theirs = make(api_client, "domain", name="ours"), make(api_client, "domain", name="theirs")
    boss = make(api_client, "user", name="boss", domain_id=ours["id"], password=PASSWORD)
    assert (
        api_client.put(f"{V3}/domains/{ours['id']}/users/{boss['id']}/roles/{roles['manager']}", "admin").status_code
        == 204
    )
    named = {"id": boss["id"], "password": PASSWORD}
    auth = {"identity": {"methods": ["password"], "password": {"user": named}}, "scope": {"domain": {"id": ours["id"]}}}
    login = api_client.post(f"{V3}/auth/tokens", None, json={"auth": auth})
    token = login.headers["X-Subject-Token"]
    for noun in ("user", "group", "project"):
        for domain, status in ((ours, 201), (theirs, 403)):
            body = {noun: {"name": f"{noun}-x", "domain_id": domain["id"]}}
            assert api_client.post(f"{V3}/{noun}s", token=token, json=body).status_code == status, (noun, domain)
        shown = api_client.get(f"{V3}/{noun}s", token=token).json[f"{noun}s"]
        assert {row["domain_id"] for row in shown} == {ours["id"]}
    assert api_client.get(f"{V3}/users/{api_client.user_id('demo')}", token=token).status_code == 403
    assert api_client.patch(f"{V3}/users/nope", token=token, json={"user": {}}).status_code == 403
    assert [row["id"] for row in api_client.get(f"{V3}/domains", token=token).json["domains"]] == [ours["id"]]
    grants = f"{V3}/domains/{ours['id']}/users/{boss['id']}/roles"
    assert api_client.put(f"{grants}/{roles['member']}", token=token).status_code == 204
    assert api_client.put(f"{grants}/{roles['admin']}", token=token).status_code == 403
    assert api_client.put(f"{V3}/system/users/{boss['id']}/roles/{roles['member']}", token=token).status_code == 403
