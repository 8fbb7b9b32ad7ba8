"""Logging in: scopes, rescoping, chains, expiry, showing and revoking tokens."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from common.clock import ManualClock
from tests.fixtures.api import PASSWORD, ApiClient

TOKENS = "/identity/v3/auth/tokens"
REFUSED = "The request you have made requires authentication."
DEMO = {"project": {"name": "demo", "domain": {"name": "Default"}}}


def rescope(client: ApiClient, token: str, scope: Any = None, *, expect: int = 201) -> TestResponse:
    auth: dict[str, Any] = {"identity": {"methods": ["token"], "token": {"id": token}}}
    if scope is not None:
        auth["scope"] = scope
    reply = client.post(TOKENS, as_=None, json={"auth": auth})
    assert reply.status_code == expect, reply.text
    return reply


def works(client: ApiClient, token: str) -> bool:
    status = client.get("/identity/v3/regions", token=token).status_code
    assert status in (200, 401)
    return status == 200


def subject(client: ApiClient, as_: str, token: str, method: str = "GET") -> TestResponse:
    return client.request(method, TOKENS, as_, headers={"X-Subject-Token": token})


def test_a_project_scoped_token_says_who_and_where(api_client: ApiClient, database_url: str) -> None:
    reply = api_client.login("demo", PASSWORD, DEMO)
    token = reply.json["token"]
    assert set(token) == {
        "methods",
        "user",
        "audit_ids",
        "expires_at",
        "issued_at",
        "project",
        "is_domain",
        "roles",
        "catalog",
    }
    assert token["methods"] == ["password"]
    assert token["user"] == {
        "id": api_client.user_id("demo"),
        "name": "demo",
        "domain": {"id": "default", "name": "Default"},
        "password_expires_at": None,
    }
    assert token["project"] == {
        "id": api_client.project_id("demo"),
        "name": "demo",
        "domain": {"id": "default", "name": "Default"},
    }
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]
    assert len(token["audit_ids"]) == 1
    assert reply.headers["Vary"] == "X-Auth-Token"
    identity = next(entry for entry in token["catalog"] if entry["type"] == "identity")
    assert {endpoint["interface"] for endpoint in identity["endpoints"]} == {"public", "internal", "admin"}
    assert {endpoint["url"] for endpoint in identity["endpoints"]} == {"http://localhost/identity/v3"}


def test_system_and_domain_scopes(api_client: ApiClient) -> None:
    system = api_client.login("admin", PASSWORD, {"system": {"all": True}}).json["token"]
    assert system["system"] == {"all": True}
    assert "project" not in system
    domain = api_client.login("admin", PASSWORD, {"domain": {"name": "Default"}}).json["token"]
    assert domain["domain"] == {"id": "default", "name": "Default"}
    assert [role["name"] for role in domain["roles"]] == ["admin", "manager", "member", "reader"]


@pytest.mark.parametrize("scope", [None, "unscoped", {"unscoped": {}}])
def test_an_unscoped_token_has_neither_roles_nor_catalogue(api_client: ApiClient, scope: Any) -> None:
    reply = api_client.login("demo", PASSWORD, scope)
    assert {"roles", "catalog", "project"}.isdisjoint(reply.json["token"])
    token = reply.headers["X-Subject-Token"]
    assert api_client.get("/identity/v3/auth/catalog", token=token).status_code == 403
    names = [row["name"] for row in api_client.get("/identity/v3/auth/projects", token=token).json["projects"]]
    assert names == ["demo"]
    assert rescope(api_client, token, DEMO).json["token"]["project"]["name"] == "demo"


def test_the_default_project_is_the_scope_where_none_is_asked_for(api_client: ApiClient) -> None:
    path = f"/identity/v3/users/{api_client.user_id('demo')}"
    for name, expected in (("demo", "demo"), ("admin", None)):  # demo has no role on admin
        change = {"user": {"default_project_id": api_client.project_id(name)}}
        assert api_client.patch(path, "admin", json=change).status_code == 200
        token = api_client.login("demo", PASSWORD).json["token"]
        assert token.get("project", {}).get("name") == expected


@pytest.mark.parametrize(
    "scope",
    [
        {"project": {"name": "admin", "domain": {"id": "default"}}},
        {"project": {"name": "no such", "domain": {"id": "default"}}},
        {"project": {"id": "0" * 32}},
        {"project": {"name": "demo", "domain": {"id": "no such"}}},
        {"domain": {"id": "default"}},
        {"domain": {"name": "no such"}},
        {"system": {"all": True}},
    ],
)
def test_a_scope_without_a_role_is_refused_like_one_that_does_not_exist(api_client: ApiClient, scope: Any) -> None:
    assert api_client.login("demo", PASSWORD, scope, expect=401).json["error"]["message"] == REFUSED


@pytest.mark.parametrize(
    "auth",
    [
        {},
        {"identity": {}},
        {"identity": {"methods": []}},
        {"identity": {"methods": ["password"]}},
        {"identity": {"methods": ["token"]}},
        {"identity": {"methods": ["password"], "password": {"user": {"password": "x"}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"name": "demo", "password": "x"}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"id": 5, "password": "x"}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"id": "x", "password": ["secret!"]}}}},
        {"identity": {"methods": ["password"], "password": {"user": {"id": "x", "password": "x"}}}, "scope": {}},
        {"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": {"project": {}}},
        {"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": {"system": {"all": "yes"}}},
        {
            "identity": {"methods": ["token"], "token": {"id": "x"}},
            "scope": {"project": {"id": "x"}, "domain": {"id": "x"}},
        },
    ],
)
def test_malformed_requests_are_400_and_never_repeat_a_password(api_client: ApiClient, auth: Any) -> None:
    reply = api_client.post(TOKENS, as_=None, json={"auth": auth})
    assert reply.status_code == 400, reply.text
    assert reply.json["error"]["title"] == "Bad Request"
    assert "secret!" not in reply.text


def test_rescoped_tokens_never_outlive_the_first_and_die_with_it(
    api_client: ApiClient, database_url: str, manual_clock: ManualClock
) -> None:
    """AUTH-02."""
    first = api_client.login("demo", PASSWORD, DEMO)
    tokens = [first.headers["X-Subject-Token"]]
    for _ in range(10):
        manual_clock.advance(60)
        child = rescope(api_client, tokens[-1], DEMO)
        shown = child.json["token"]
        assert shown["expires_at"] == first.json["token"]["expires_at"]
        assert shown["audit_ids"][1] == first.json["token"]["audit_ids"][0]
        assert shown["methods"] == ["password", "token"]
        tokens.append(child.headers["X-Subject-Token"])
    assert subject(api_client, "admin", tokens[5], "DELETE").status_code == 204
    assert [works(api_client, token) for token in tokens] == [number != 5 for number in range(11)]
    assert subject(api_client, "admin", tokens[0], "DELETE").status_code == 204
    assert not any(works(api_client, token) for token in tokens)
    rescope(api_client, tokens[-1], DEMO, expect=401)


def test_a_token_ends_with_its_lifetime(api_client: ApiClient, manual_clock: ManualClock) -> None:
    token = api_client.token("demo")
    lifetime_s = api_client.services.config.identity.token_lifetime_s
    manual_clock.advance(lifetime_s - 1)
    child = rescope(api_client, token).headers["X-Subject-Token"]
    assert works(api_client, token)
    manual_clock.advance(1)
    assert not works(api_client, token)
    assert not works(api_client, child)
    fresh = api_client.login("admin", PASSWORD, {"system": {"all": True}}).headers["X-Subject-Token"]
    shown = api_client.get(TOKENS, token=fresh, headers={"X-Subject-Token": token})
    assert shown.status_code == 404


def test_a_token_is_shown_to_its_owner_to_services_and_to_administrators(api_client: ApiClient) -> None:
    token = api_client.token("demo")
    for persona, status in (("demo", 200), ("admin", 200), ("service", 200), ("other", 403), ("manager", 403)):
        assert subject(api_client, persona, token).status_code == status, persona
    shown = subject(api_client, "demo", token)
    assert shown.headers["X-Subject-Token"] == token
    assert shown.json["token"]["project"]["name"] == "demo"
    head = subject(api_client, "demo", token, "HEAD")
    assert (head.status_code, head.data) == (200, b"")
    bare = api_client.get(TOKENS + "?nocatalog", headers={"X-Subject-Token": token})
    assert "catalog" not in bare.json["token"]
    assert api_client.get(TOKENS).status_code == 400
    assert subject(api_client, "demo", "gibberish").status_code == 404
    assert api_client.get(TOKENS, as_=None, headers={"X-Subject-Token": token}).status_code == 401


def test_only_owner_and_administrators_revoke(api_client: ApiClient) -> None:
    token = api_client.token("demo")
    for persona in ("other", "service", "manager"):
        assert subject(api_client, persona, token, "DELETE").status_code == 403
    assert subject(api_client, "demo", token, "DELETE").status_code == 204
    assert not works(api_client, token)
    assert subject(api_client, "admin", token, "DELETE").status_code == 404


def test_revocations_are_purged_when_their_tokens_have_expired(
    api_client: ApiClient, manual_clock: ManualClock
) -> None:
    """DOS-11."""

    def revoked() -> int:
        with api_client.services.db.read() as session:
            return int(session.connection().exec_driver_sql("SELECT count(*) FROM revoked_tokens").scalar_one())

    for _ in range(3):
        token = api_client.login("demo", PASSWORD, DEMO).headers["X-Subject-Token"]
        api_client.delete(TOKENS, token=token, headers={"X-Subject-Token": token})
    assert revoked() == 3
    manual_clock.advance(api_client.services.config.identity.token_lifetime_s + 1)
    token = api_client.login("demo", PASSWORD, DEMO).headers["X-Subject-Token"]
    api_client.delete(TOKENS, token=token, headers={"X-Subject-Token": token})
    assert revoked() == 1


def test_the_catalogue_expands_the_project_and_hides_what_needs_one(api_client: ApiClient) -> None:
    service = api_client.post("/identity/v3/services", "admin", json={"service": {"type": "testing"}}).json["service"]
    endpoint = {
        "service_id": service["id"],
        "interface": "public",
        "region_id": "RegionOne",
        "url": "http://localhost/v3/$(project_id)s/%(tenant_id)s",
    }
    assert api_client.post("/identity/v3/endpoints", "admin", json={"endpoint": endpoint}).status_code == 201

    def urls(token: str) -> list[str]:
        catalog = api_client.get("/identity/v3/auth/catalog", token=token).json["catalog"]
        return [shown["url"] for entry in catalog if entry["type"] == "testing" for shown in entry["endpoints"]]

    project_id = api_client.project_id("demo")
    assert urls(api_client.token("demo")) == [f"http://localhost/v3/{project_id}/{project_id}"]
    assert urls(api_client.token("system")) == []
    disable = {"service": {"enabled": False}}
    assert api_client.patch(f"/identity/v3/services/{service['id']}", "admin", json=disable).status_code == 200
    assert urls(api_client.token("demo")) == []


def test_where_the_caller_may_go(api_client: ApiClient) -> None:
    def names(persona: str, what: str) -> list[Any]:
        rows = api_client.get(f"/identity/v3/auth/{what}", persona).json[what]
        return [row.get("name", row) for row in rows]

    assert names("admin", "projects") == ["admin"]
    assert names("admin", "domains") == ["Default"]
    assert names("admin", "system") == [{"all": True}]
    assert names("demo", "projects") == ["demo"]
    assert names("demo", "domains") == []
    assert names("demo", "system") == []


def test_authentication_is_one_statement(api_client: ApiClient, database_url: str) -> None:
    token = api_client.token("demo")
    api_client.get("/identity/v3/nothing", token=token)
    before = api_client.services.db.statements
    assert api_client.post("/identity/v3/projects", token=token, json={}).status_code == 403
    begin = 1 if api_client.services.db.is_sqlite else 0  # SQLite's BEGIN is sent like a statement
    assert api_client.services.db.statements - before == 1 + begin
