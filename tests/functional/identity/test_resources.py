"""Domains, projects, users and roles: create, show, list, update, delete, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.api import PASSWORD, ApiClient

V3 = "/identity/v3"
NOUNS = {"domains": "domain", "projects": "project", "users": "user", "roles": "role"}


def create(client: ApiClient, collection: str, expect: int = 201, **fields: Any) -> dict[str, Any]:
    reply = client.post(f"{V3}/{collection}", "admin", json={NOUNS[collection]: fields})
    assert reply.status_code == expect, reply.text
    shown: dict[str, Any] = reply.json.get(NOUNS[collection], reply.json)
    return shown


def change(client: ApiClient, collection: str, row_id: str, expect: int = 200, **fields: Any) -> dict[str, Any]:
    reply = client.patch(f"{V3}/{collection}/{row_id}", "admin", json={NOUNS[collection]: fields})
    assert reply.status_code == expect, reply.text
    shown: dict[str, Any] = reply.json.get(NOUNS[collection], reply.json)
    return shown


def names(client: ApiClient, collection: str, query: str = "") -> list[str]:
    reply = client.get(f"{V3}/{collection}{query}", "admin")
    assert reply.status_code == 200, reply.text
    return [row["name"] for row in reply.json[collection]]


def test_the_forms_that_clients_check(api_client: ApiClient, database_url: str) -> None:
    domain = create(api_client, "domains", name="d")
    assert set(domain) == {"id", "name", "description", "enabled", "tags", "options", "links"}
    project = create(api_client, "projects", name="p", domain_id=domain["id"], tags=["x"])
    assert set(project) == {
        "id",
        "name",
        "domain_id",
        "description",
        "enabled",
        "parent_id",
        "is_domain",
        "tags",
        "options",
        "links",
    }
    assert (project["parent_id"], project["is_domain"], project["tags"]) == (domain["id"], False, ["x"])
    user = create(api_client, "users", name="u", domain_id=domain["id"], password=PASSWORD)
    assert set(user) == {"id", "name", "domain_id", "enabled", "password_expires_at", "options", "links"}
    role = create(api_client, "roles", name="r")
    assert set(role) == {"id", "name", "domain_id", "description", "options", "links"}
    for collection, row in (("domains", domain), ("projects", project), ("users", user), ("roles", role)):
        assert row["links"]["self"] == f"http://localhost{V3}/{collection}/{row['id']}"
        shown = api_client.get(f"{V3}/{collection}/{row['id']}", "admin")
        assert shown.json == {NOUNS[collection]: row}
        listed = api_client.get(f"{V3}/{collection}?name={row['name']}", "admin").json
        assert listed[collection] == [row]
        assert listed["links"] == {
            "self": f"http://localhost{V3}/{collection}",
            "next": None,
            "previous": None,
        }


@pytest.mark.parametrize("collection", NOUNS)
def test_life_of_a_resource(api_client: ApiClient, database_url: str, collection: str) -> None:
    row = create(api_client, collection, name="first")
    assert create(api_client, collection, expect=409, name="first")["error"]["code"] == 409
    other = create(api_client, collection, name="second")
    assert change(api_client, collection, other["id"], expect=409, name="first")["error"]["title"] == "Conflict"
    assert change(api_client, collection, row["id"], name="renamed", description="words")["name"] == "renamed"
    if collection == "domains":
        refused = api_client.delete(f"{V3}/domains/{row['id']}", "admin")
        assert refused.status_code == 403
        assert "disable it first" in refused.json["error"]["message"]
        change(api_client, collection, row["id"], enabled=False)
    assert api_client.delete(f"{V3}/{collection}/{row['id']}", "admin").status_code == 204
    for method in ("GET", "DELETE"):
        gone = api_client.request(method, f"{V3}/{collection}/{row['id']}", "admin")
        assert gone.status_code == 404
        noun = NOUNS[collection]
        assert gone.json["error"] == {
            "code": 404,
            "title": "Not Found",
            "message": f"Could not find {noun}: {row['id']}.",
        }
    assert change(api_client, collection, row["id"], expect=404, name="x")


def test_lists_filter_and_page_in_the_database(api_client: ApiClient, database_url: str) -> None:
    domain = create(api_client, "domains", name="d")["id"]
    for number in range(5):
        create(api_client, "projects", name=f"p{number}", domain_id=domain, enabled=number != 3)
        create(api_client, "users", name=f"u{number}", domain_id=domain, enabled=number != 3)
    assert names(api_client, "projects", f"?domain_id={domain}&enabled=false") == ["p3"]
    assert names(api_client, "projects", f"?parent_id={domain}&enabled=True") == ["p0", "p1", "p2", "p4"]
    assert names(api_client, "users", f"?domain_id={domain}&name=u2") == ["u2"]
    assert names(api_client, "users", f"?domain_id={domain}&enabled=0") == ["u3"]
    assert names(api_client, "domains", "?name=d") == ["d"]
    assert names(api_client, "projects", "?is_domain=true") == []
    assert names(api_client, "projects", "?unknown=x") == names(api_client, "projects")
    assert api_client.get(f"{V3}/users?enabled=perhaps", "admin").status_code == 400

    before = api_client.services.db.statements
    seen, url = [], f"{V3}/users?domain_id={domain}&limit=2"
    while url:
        page = api_client.get(url, "admin").json
        assert page.get("truncated", False) == (page["links"]["next"] is not None)
        seen.append([row["name"] for row in page["users"]])
        url = (page["links"]["next"] or "").removeprefix("http://localhost")
    assert seen == [["u0", "u1"], ["u2", "u3"], ["u4"]]
    assert api_client.services.db.statements - before <= 3 * 5
    for bad in ("limit=-1", "limit=x", "limit=1e3", "marker=no-such-id"):
        assert api_client.get(f"{V3}/users?{bad}", "admin").status_code == 400, bad


@pytest.mark.parametrize("collection", ["domains", "projects", "users"])
def test_enabled_is_a_boolean_and_nothing_else(api_client: ApiClient, collection: str) -> None:
    """AUTH-13."""
    row = create(api_client, collection, name="there")
    for value in ("False", "false", 0, 1, "0", "no", None, [], {}):
        reply = create(api_client, collection, expect=400, name="x", enabled=value)
        assert "enabled" in reply["error"]["message"]
        change(api_client, collection, row["id"], expect=400, enabled=value)
    shown = api_client.get(f"{V3}/{collection}/{row['id']}", "admin").json[NOUNS[collection]]
    assert shown["enabled"] is True


@pytest.mark.parametrize(
    ("collection", "fields"),
    [
        ("domains", {}),
        ("domains", {"name": ""}),
        ("domains", {"name": "x" * 65}),
        ("domains", {"name": " x"}),
        ("domains", {"name": "a\nb"}),
        ("domains", {"name": "x", "id": "mine"}),
        ("projects", {"name": 5}),
        ("projects", {"name": "x", "tags": ["a,b"]}),
        ("projects", {"name": "x", "is_domain": True}),
        ("projects", {"name": "x", "tokens_valid_after": "2000-01-01"}),
        ("projects", {"name": "x", "links": {}}),
        ("projects", {"name": "x", "nested": {"a": 1}}),
        ("projects", {"name": "x", "k" * 65: "v"}),
        ("projects", {"name": "x", **{f"k{number}": "v" for number in range(64)}}),
        ("users", {"name": "x", "password_hash": "$argon2id$..."}),
        ("users", {"name": "x", "password": ""}),
        ("users", {"name": "x", "password": 5}),
        ("users", {"name": "x", "password": "x" * 4097}),
        ("users", {"name": "x", "options": {"unknown": True}}),
        ("roles", {"name": "x", "unknown": 1}),
        ("roles", {"name": "x" * 256}),
    ],
)
def test_what_does_not_fit_is_400(api_client: ApiClient, collection: str, fields: dict[str, Any]) -> None:
    create(api_client, collection, expect=400, **fields)
    assert "x" not in names(api_client, collection)


def test_extra_properties_are_kept_and_never_shadow_ours(api_client: ApiClient) -> None:
    project = create(api_client, "projects", name="x", colour="blue", size=5)
    assert (project["colour"], project["size"]) == ("blue", 5)
    project = change(api_client, "projects", project["id"], colour="red", size=None, more=True)
    assert (project["colour"], project["more"], project["name"]) == ("red", True, "x")
    assert "size" not in project


def test_domain_and_parent_can_be_repeated_but_not_changed(api_client: ApiClient) -> None:
    domain = create(api_client, "domains", name="d")["id"]
    parent = create(api_client, "projects", name="top", domain_id=domain)
    child = create(api_client, "projects", name="below", parent_id=parent["id"])
    assert (child["domain_id"], child["parent_id"]) == (domain, parent["id"])
    assert names(api_client, "projects", f"?parent_id={parent['id']}") == ["below"]
    assert create(api_client, "projects", name="direct", parent_id=domain)["domain_id"] == domain
    create(api_client, "projects", expect=400, name="x", parent_id=parent["id"], domain_id="default")
    create(api_client, "projects", expect=404, name="x", parent_id="no-such")
    create(api_client, "projects", expect=404, name="x", domain_id="no-such")
    create(api_client, "users", expect=404, name="x", domain_id="no-such")
    change(api_client, "projects", child["id"], domain_id=domain, parent_id=parent["id"], id=child["id"])
    for wrong in ({"domain_id": "default"}, {"parent_id": domain}, {"id": "other"}):
        change(api_client, "projects", child["id"], expect=400, **wrong)
    user = create(api_client, "users", name="u")
    change(api_client, "users", user["id"], expect=400, domain_id=domain)
    refused = api_client.delete(f"{V3}/projects/{parent['id']}", "admin")
    assert refused.status_code == 403
    assert "not a leaf" in refused.json["error"]["message"]


def test_a_domain_takes_everything_in_it_along(api_client: ApiClient, database_url: str) -> None:
    domain = create(api_client, "domains", name="d")["id"]
    project = create(api_client, "projects", name="p", domain_id=domain)["id"]
    user = create(api_client, "users", name="u", domain_id=domain, password=PASSWORD)["id"]
    role = create(api_client, "roles", name="local", domain_id=domain)["id"]
    member = api_client.get(f"{V3}/roles?name=member", "admin").json["roles"][0]["id"]
    demo = api_client.user_id("demo")
    for path in (
        f"projects/{project}/users/{demo}",
        f"domains/{domain}/users/{demo}",
        f"projects/{api_client.project_id('demo')}/users/{user}",
    ):
        assert api_client.put(f"{V3}/{path}/roles/{member}", "admin").status_code == 204
    change(api_client, "users", demo, default_project_id=project)
    change(api_client, "domains", domain, enabled=False)
    assert api_client.delete(f"{V3}/domains/{domain}", "admin").status_code == 204
    for path in (f"domains/{domain}", f"projects/{project}", f"users/{user}", f"roles/{role}"):
        assert api_client.get(f"{V3}/{path}", "admin").status_code == 404
    with api_client.services.db.read() as session:
        left = (
            session.connection()
            .exec_driver_sql(
                f"SELECT count(*) FROM assignments WHERE target_id IN ('{project}', '{domain}') OR actor_id = '{user}'"
            )
            .scalar_one()
        )
    assert left == 0
    assert "default_project_id" not in api_client.get(f"{V3}/users/{demo}", "admin").json["user"]
    change(api_client, "domains", "default", enabled=False)


def test_roles_that_policy_knows_are_immutable(api_client: ApiClient) -> None:
    member = api_client.get(f"{V3}/roles?name=member", "admin").json["roles"][0]["id"]
    change(api_client, "roles", member, expect=403, name="other")
    assert api_client.delete(f"{V3}/roles/{member}", "admin").status_code == 403
    change(api_client, "roles", member, options={"immutable": False})
    assert api_client.delete(f"{V3}/roles/{member}", "admin").status_code == 204
    token = api_client.post(
        f"{V3}/auth/tokens",
        None,
        json={
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"id": api_client.user_id("demo"), "password": PASSWORD}},
                },
                "scope": {"project": {"id": api_client.project_id("demo")}},
            }
        },
    )
    assert token.status_code == 401, "its assignments went with it"


def test_a_domain_role_is_never_in_a_token(api_client: ApiClient) -> None:
    role = create(api_client, "roles", name="admin", domain_id="default")
    assert role["domain_id"] == "default"
    project, demo = api_client.project_id("demo"), api_client.user_id("demo")
    grant = f"{V3}/projects/{project}/users/{demo}/roles/{role['id']}"
    assert api_client.put(grant, "admin").status_code == 204
    assert api_client.get(f"{V3}/users", "demo").status_code == 403
    assert names(api_client, "roles", "?domain_id=default") == ["admin"]
    assert names(api_client, "roles") == ["admin", "manager", "member", "reader", "service"]


def test_own_password(api_client: ApiClient) -> None:
    path = f"{V3}/users/{api_client.user_id('demo')}/password"

    def attempt(old: str, new: str, as_: str = "demo") -> int:
        return api_client.post(path, as_, json={"user": {"original_password": old, "password": new}}).status_code

    assert attempt("wrong", "another") == 401
    assert attempt(PASSWORD, PASSWORD) == 400
    assert attempt(PASSWORD, "x" * 4097) == 400
    assert attempt(PASSWORD, "another", "reader") == 403
    assert attempt(PASSWORD, "another", "admin") == 403
    assert attempt(PASSWORD, "another") == 204
    assert attempt("another", "third") == 401, "the token died with the old password"
    api_client.login("demo", PASSWORD, expect=401)
    api_client.login("demo", "another")


def test_a_user_without_password_cannot_log_in(api_client: ApiClient) -> None:
    create(api_client, "users", name="u")
    for password in ("", "x", "no account has this password"):
        api_client.login("u", password, expect=401)


@pytest.mark.parametrize("persona", ["demo", "reader", "manager", "other", "service"])
def test_callers_see_themselves_and_nothing_else(api_client: ApiClient, persona: str) -> None:
    """Also AUTH-14: nobody but an administrator can act on another user."""
    own, stranger = api_client.user_id(persona), api_client.user_id("admin")
    assert api_client.get(f"{V3}/users/{own}", persona).json["user"]["id"] == own
    assert api_client.get(f"{V3}/projects/{api_client.project_id(persona)}", persona).status_code == 200
    assert api_client.get(f"{V3}/domains/default", persona).status_code == 200
    shown = api_client.get(f"{V3}/users/{own}/projects", persona).json["projects"]
    assert [row["id"] for row in shown] == [api_client.project_id(persona)]
    for path in (
        f"users/{stranger}",
        f"users/{stranger}/projects",
        f"projects/{api_client.project_id('admin')}",
        "domains/another",
    ):
        known = api_client.get(f"{V3}/{path}", persona)
        unknown = api_client.get(f"{V3}/{path.split('/')[0]}/{'0' * 32}", persona)
        assert known.status_code == unknown.status_code == 403
    for path in ("domains", "projects", "users", "roles", "role_assignments", "services", "endpoints"):
        reply = api_client.get(f"{V3}/{path}", persona)
        assert reply.status_code == 403
        assert reply.json["error"]["message"] == (
            f"You are not authorized to perform the requested action: identity:list_{path}."
        )
    for method, path in (
        ("PATCH", f"users/{own}"),
        ("PATCH", f"users/{stranger}"),
        ("DELETE", f"users/{own}"),
        ("POST", "users"),
    ):
        body = {"user": {"name": "x", "password": "mine now"}}
        assert api_client.request(method, f"{V3}/{path}", persona, json=body).status_code == 403


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "'; DROP TABLE users; --", "%", "a" * 5000, "é\u2028", "\ud7ff"])
def test_odd_texts_are_never_an_error_of_ours(api_client: ApiClient, database_url: str, text: str) -> None:
    """DOS-10, on both engines."""
    for path in ("users", "projects", "domains", "roles", "services", "endpoints", "regions"):
        for key in ("name", "id", "domain_id", "type", "parent_region_id", "marker", "interface"):
            reply = api_client.get(f"{V3}/{path}", "admin", query_string={key: text})
            assert reply.status_code in (200, 400), (path, key, reply.text)
    for key in ("user.id", "role.id", "scope.project.id", "scope.domain.id"):
        reply = api_client.get(f"{V3}/role_assignments", "admin", query_string={key: text})
        assert reply.status_code in (200, 400)
    auth = {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": text, "domain": {"name": text}, "password": text}},
        }
    }
    assert api_client.post(f"{V3}/auth/tokens", None, json={"auth": auth}).status_code in (400, 401)
    create(api_client, "users", expect=400 if "\x00" in text or len(text) > 255 else 201, name=text)
    with api_client.services.db.read() as session:
        assert session.connection().exec_driver_sql("SELECT count(*) FROM users").scalar_one() >= 6
