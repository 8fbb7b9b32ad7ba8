"""Projects below projects, their tags, and what is inherited along the tree."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.api import PASSWORD, ApiClient

V3 = "/identity/v3"


def project(client: ApiClient, name: str, **fields: Any) -> str:
    reply = client.post(f"{V3}/projects", "admin", json={"project": {"name": name, "domain_id": "default", **fields}})
    assert reply.status_code == 201, reply.text
    return str(reply.json["project"]["id"])


@pytest.fixture
def tree(api_client: ApiClient) -> dict[str, str]:
    """top > middle > leaf."""
    top = project(api_client, "top")
    middle = project(api_client, "middle", parent_id=top)
    return {"top": top, "middle": middle, "leaf": project(api_client, "leaf", parent_id=middle)}


def show(client: ApiClient, project_id: str, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{V3}/projects/{project_id}?{query}", "admin").json["project"]
    return found


def test_the_tree_as_ids(api_client: ApiClient, database_url: str, tree: dict[str, str]) -> None:
    shown = show(api_client, tree["leaf"], "parents_as_ids")
    assert shown["parents"] == {tree["middle"]: {tree["top"]: {"default": None}}}
    assert show(api_client, tree["top"], "subtree_as_ids")["subtree"] == {tree["middle"]: {tree["leaf"]: None}}
    assert show(api_client, tree["leaf"], "subtree_as_ids")["subtree"] is None
    both = api_client.get(f"{V3}/projects/{tree['top']}?parents_as_ids&parents_as_list", "admin")
    assert both.status_code == 400
    listed = api_client.get(f"{V3}/projects?parent_id={tree['top']}", "admin").json["projects"]
    assert [row["id"] for row in listed] == [tree["middle"]]


def test_the_tree_as_a_list_holds_the_callers_own(api_client: ApiClient, tree: dict[str, str]) -> None:
    assert show(api_client, tree["top"], "subtree_as_list")["subtree"] == []
    roles = {row["name"]: row["id"] for row in api_client.get(f"{V3}/roles", "admin").json["roles"]}
    admin = api_client.user_id("admin")
    api_client.put(f"{V3}/projects/{tree['leaf']}/users/{admin}/roles/{roles['reader']}", "admin")
    subtree = show(api_client, tree["top"], "subtree_as_list")["subtree"]
    assert [row["project"]["name"] for row in subtree] == ["leaf"]


def test_an_inherited_role_counts_below_and_not_there(
    api_client: ApiClient, database_url: str, tree: dict[str, str]
) -> None:
    roles = {row["name"]: row["id"] for row in api_client.get(f"{V3}/roles", "admin").json["roles"]}
    user = api_client.user_id("other")
    path = f"{V3}/OS-INHERIT/projects/{tree['top']}/users/{user}/roles/{roles['member']}/inherited_to_projects"
    assert api_client.put(path, "admin").status_code == 204
    assert api_client.head(path, "admin").status_code == 204
    for name, status in (("top", 401), ("middle", 201), ("leaf", 201)):
        api_client.login("other", PASSWORD, {"project": {"id": tree[name]}}, expect=status)
    own = api_client.get(f"{V3}/auth/projects", "other").json["projects"]
    assert [row["name"] for row in own] == ["leaf", "middle", "other"]
    query = f"role_assignments?effective&user.id={user}&scope.project.id={tree['leaf']}"
    listed = api_client.get(f"{V3}/{query}", "admin").json["role_assignments"]
    assert {row["role"]["id"] for row in listed} == {roles["member"], roles["reader"]}
    below = api_client.get(
        f"{V3}/role_assignments?effective&include_subtree&user.id={user}&scope.project.id={tree['top']}", "admin"
    ).json["role_assignments"]
    assert {row["scope"]["project"]["id"] for row in below} == {tree["middle"], tree["leaf"]}
    assert api_client.get(f"{V3}/role_assignments?include_subtree", "admin").status_code == 400
    assert api_client.delete(path, "admin").status_code == 204
    api_client.login("other", PASSWORD, {"project": {"id": tree["leaf"]}}, expect=401)


def test_a_branch_is_disabled_from_below(api_client: ApiClient, tree: dict[str, str]) -> None:
    def enable(name: str, enabled: bool) -> int:
        body = {"project": {"enabled": enabled}}
        return api_client.patch(f"{V3}/projects/{tree[name]}", "admin", json=body).status_code

    assert enable("top", False) == 403
    assert [enable(name, False) for name in ("leaf", "middle", "top")] == [200, 200, 200]
    assert enable("leaf", True) == 403
    assert [enable(name, True) for name in ("top", "middle", "leaf")] == [200, 200, 200]
    assert api_client.delete(f"{V3}/projects/{tree['top']}", "admin").status_code == 403


def test_trees_are_not_deeper_than_five(api_client: ApiClient, tree: dict[str, str]) -> None:
    fifth = project(api_client, "fifth", parent_id=project(api_client, "fourth", parent_id=tree["leaf"]))
    body = {"project": {"name": "sixth", "domain_id": "default", "parent_id": fifth}}
    assert api_client.post(f"{V3}/projects", "admin", json=body).status_code == 403


def test_tags(api_client: ApiClient, database_url: str) -> None:
    path = f"{V3}/projects/{api_client.project_id('demo')}/tags"
    assert api_client.put(path, "admin", json={"tags": ["a", "b"]}).json["tags"] == ["a", "b"]
    assert [api_client.put(f"{path}/c", "admin").status_code for _ in range(2)] == [201, 201]
    assert api_client.get(path, "demo").json["tags"] == ["a", "b", "c"]
    assert [api_client.head(f"{path}/{tag}", "demo").status_code for tag in ("c", "x")] == [204, 404]
    assert [api_client.delete(f"{path}/a", "admin").status_code for _ in range(2)] == [204, 404]
    assert api_client.put(f"{path}/x", "demo").status_code == 403
    assert api_client.put(f"{path}/a,b", "admin").status_code == 400
    assert api_client.delete(path, "admin").status_code == 204
    assert api_client.get(path, "admin").json["tags"] == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("tags=red,blue", ["both"]),
        ("tags-any=red,blue", ["both", "red"]),
        ("not-tags=red,blue", ["none", "red"]),
        ("not-tags-any=red,blue", ["none"]),
        ("tags=re", []),
    ],
)
def test_lists_by_tags(api_client: ApiClient, database_url: str, query: str, names: list[str]) -> None:
    parent = project(api_client, "parent")
    for name, tags in (("both", ["red", 'a"blue', "blue"]), ("red", ["red"]), ("none", ['x"red', "Red", "blues"])):
        project(api_client, name, parent_id=parent, tags=tags)
    listed = api_client.get(f"{V3}/projects?parent_id={parent}&{query}", "admin").json["projects"]
    assert [row["name"] for row in listed] == names
