"""Roles on projects, domains, the system, and what the list of assignments shows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.api import ApiClient

V3 = "/identity/v3"


@pytest.fixture
def roles(api_client: ApiClient) -> dict[str, str]:
    return {row["name"]: row["id"] for row in api_client.get(f"{V3}/roles", "admin").json["roles"]}


def grant_path(client: ApiClient, target: str, user: str) -> str:
    user_id = client.user_id(user)
    prefix = {"project": f"projects/{client.project_id('demo')}", "domain": "domains/default", "system": "system"}
    return f"{V3}/{prefix[target]}/users/{user_id}/roles"


@pytest.mark.parametrize("target", ["project", "domain", "system"])
def test_life_of_an_assignment(api_client: ApiClient, database_url: str, roles: dict[str, str], target: str) -> None:
    path = grant_path(api_client, target, "other")
    one = f"{path}/{roles['reader']}"
    assert api_client.head(one, "admin").status_code == 404
    assert api_client.delete(one, "admin").status_code == 404
    for _ in range(2):
        assert api_client.put(one, "admin").status_code == 204
    assert [api_client.request(method, one, "admin").status_code for method in ("HEAD", "GET")] == [204, 204]
    assert [row["name"] for row in api_client.get(path, "admin").json["roles"]] == ["reader"]
    assert api_client.delete(one, "admin").status_code == 204
    assert api_client.get(path, "admin").json["roles"] == []
    for method in ("PUT", "DELETE", "HEAD", "GET"):
        assert api_client.request(method, one, "manager").status_code == 403
        assert api_client.request(method, one, None).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "projects/{project}/users/{user}/roles/nope",
        "projects/{project}/users/nope/roles/{role}",
        "projects/nope/users/{user}/roles/{role}",
        "domains/nope/users/{user}/roles/{role}",
        "system/users/nope/roles/{role}",
        "OS-INHERIT/domains/nope/users/{user}/roles/{role}/inherited_to_projects",
    ],
)
def test_unknown_parts_are_404(api_client: ApiClient, roles: dict[str, str], path: str) -> None:
    path = path.format(project=api_client.project_id("demo"), user=api_client.user_id("demo"), role=roles["member"])
    for method in ("PUT", "GET", "DELETE"):
        reply = api_client.request(method, f"{V3}/{path}", "admin")
        assert reply.status_code == 404
        assert "nope" in reply.json["error"]["message"]


def test_an_inherited_role_counts_in_every_project_of_the_domain(
    api_client: ApiClient, database_url: str, roles: dict[str, str]
) -> None:
    user = api_client.user_id("other")
    path = f"{V3}/OS-INHERIT/domains/default/users/{user}/roles/{roles['reader']}/inherited_to_projects"
    scope = {"project": {"name": "demo", "domain": {"id": "default"}}}
    password = "a password that tests know"
    api_client.login("other", password, scope, expect=401)
    assert api_client.put(path, "admin").status_code == 204
    token = api_client.login("other", password, scope)
    assert [role["name"] for role in token.json["token"]["roles"]] == ["reader"]
    api_client.login("other", password, {"domain": {"id": "default"}}, expect=401)  # not on the domain itself
    own = api_client.get(f"{V3}/auth/projects", "other").json["projects"]
    assert [row["name"] for row in own] == ["admin", "demo", "other", "service"]
    listed = assignments(api_client, f"user.id={user}&scope.domain.id=default")
    assert [(row["scope"], row["role"]) for row in listed] == [
        ({"domain": {"id": "default"}, "OS-INHERIT:inherited_to": "projects"}, {"id": roles["reader"]})
    ]
    spread = assignments(api_client, f"user.id={user}&effective")
    assert {row["scope"]["project"]["id"] for row in spread if row["role"]["id"] == roles["reader"]} == {
        row["id"] for row in own
    }
    assert api_client.delete(path, "admin").status_code == 204
    reply = api_client.get(f"{V3}/regions", token=token.headers["X-Subject-Token"])
    assert reply.status_code == 401


def assignments(client: ApiClient, query: str) -> list[dict[str, Any]]:
    reply = client.get(f"{V3}/role_assignments?{query}", "admin")
    assert reply.status_code == 200, reply.text
    rows: list[dict[str, Any]] = reply.json["role_assignments"]
    return rows


def test_the_list_filters_and_names(api_client: ApiClient, database_url: str, roles: dict[str, str]) -> None:
    demo, project = api_client.user_id("demo"), api_client.project_id("demo")
    (only,) = assignments(api_client, f"user.id={demo}")
    assert only == {
        "role": {"id": roles["member"]},
        "user": {"id": demo},
        "scope": {"project": {"id": project}},
        "links": {"assignment": f"http://localhost{V3}/projects/{project}/users/{demo}/roles/{roles['member']}"},
    }
    (named,) = assignments(api_client, f"user.id={demo}&include_names=True")
    domain = {"id": "default", "name": "Default"}
    assert named["user"] == {"id": demo, "name": "demo", "domain": domain}
    assert named["role"] == {"id": roles["member"], "name": "member"}
    assert named["scope"] == {"project": {"id": project, "name": "demo", "domain": domain}}
    in_project = assignments(api_client, f"scope.project.id={project}&include_names")
    assert [row["user"]["name"] for row in in_project] == ["demo", "manager", "reader"]
    (system,) = assignments(api_client, "scope.system=all")
    assert system["scope"] == {"system": {"all": True}}
    assert [row["user"]["id"] for row in assignments(api_client, f"role.id={roles['service']}")] == [
        api_client.user_id("service")
    ]
    assert assignments(api_client, "group.id=x") == []
    effective = assignments(api_client, f"scope.project.id={project}&effective&role.id={roles['reader']}&include_names")
    assert [row["user"]["name"] for row in effective] == ["demo", "manager", "reader"]


def test_the_list_costs_the_same_however_long(api_client: ApiClient, roles: dict[str, str]) -> None:
    def cost() -> int:
        before = api_client.services.db.statements
        assignments(api_client, "include_names")
        return api_client.services.db.statements - before

    assignments(api_client, "include_names")
    few = cost()
    for name in ("reader", "manager", "service"):
        for user in ("demo", "other"):
            path = f"{grant_path(api_client, 'project', user)}/{roles[name]}"
            assert api_client.put(path, "admin").status_code == 204
    assert cost() == few
