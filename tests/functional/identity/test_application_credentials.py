"""Application credentials: what they may, what they may not (AUTH-04), and when they die."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from common.clock import ManualClock
from tests.fixtures.api import ApiClient

V3 = "/identity/v3"
RULE = {"service": "compute", "method": "GET", "path": "/v2.1/servers/**"}


def path(client: ApiClient, who: str = "demo") -> str:
    return f"{V3}/users/{client.user_id(who)}/application_credentials"


def create(client: ApiClient, who: str = "demo", token: str | None = None, **fields: Any) -> TestResponse:
    body = {"application_credential": {"name": "program", **fields}}
    return client.post(path(client, who), who, token=token, json=body)


def made(client: ApiClient, who: str = "demo", token: str | None = None, **fields: Any) -> dict[str, Any]:
    reply = create(client, who, token, **fields)
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json["application_credential"]
    return found


def login(client: ApiClient, credential: dict[str, Any], expect: int = 201, **auth: Any) -> TestResponse:
    named = {"id": credential["id"], "secret": credential["secret"]}
    identity = {"methods": ["application_credential"], "application_credential": named}
    reply = client.post(f"{V3}/auth/tokens", None, json={"auth": {"identity": identity, **auth}})
    assert reply.status_code == expect, reply.text
    return reply


def token_of(client: ApiClient, credential: dict[str, Any]) -> str:
    return str(login(client, credential).headers["X-Subject-Token"])


def test_a_program_logs_in_with_its_secret(api_client: ApiClient, database_url: str) -> None:
    credential = made(api_client, description="for tests")
    assert [role["name"] for role in credential["roles"]] == ["member", "reader"]
    shown = api_client.get(f"{path(api_client)}/{credential['id']}").json["application_credential"]
    assert shown == {key: value for key, value in credential.items() if key != "secret"}
    token = login(api_client, credential).json["token"]
    assert token["methods"] == ["application_credential"]
    assert token["project"]["id"] == api_client.project_id("demo")
    assert token["application_credential"] == {"id": credential["id"], "name": "program", "restricted": True}
    assert api_client.get("/compute/v2.1/servers", token=token_of(api_client, credential)).status_code == 200
    by_name = {
        "methods": ["application_credential"],
        "application_credential": {
            "name": "program",
            "user": {"name": "demo", "domain": {"id": "default"}},
            "secret": credential["secret"],
        },
    }
    assert api_client.post(f"{V3}/auth/tokens", None, json={"auth": {"identity": by_name}}).status_code == 201
    login(api_client, {**credential, "secret": "wrong"}, 401)
    login(api_client, {**credential, "id": "unknown"}, 401)
    assert create(api_client).status_code == 409


def test_it_is_for_one_project_and_the_roles_chosen(api_client: ApiClient, database_url: str) -> None:
    credential = made(api_client, roles=[{"name": "reader"}])
    token = token_of(api_client, credential)
    body = {"network": {"name": "x"}}
    assert api_client.post("/network/v2.0/networks", token=token, json=body).status_code == 403
    assert create(api_client, name="more", roles=[{"name": "admin"}]).status_code == 400
    login(api_client, credential, 401, scope={"project": {"id": api_client.project_id("other")}})
    login(api_client, credential, 401, scope="unscoped")
    identity = {"methods": ["token"], "token": {"id": token}}
    for scope in ({"project": {"id": api_client.project_id("other")}}, "unscoped", {"system": {"all": True}}):
        auth = {"identity": identity, "scope": scope}
        assert api_client.post(f"{V3}/auth/tokens", None, json={"auth": auth}).status_code == 401, scope
    again = api_client.post(f"{V3}/auth/tokens", None, json={"auth": {"identity": identity}})
    assert [role["name"] for role in again.json["token"]["roles"]] == ["reader"]


def test_a_restricted_one_makes_no_other_credential(api_client: ApiClient, database_url: str) -> None:
    """AUTH-04."""
    user, project = api_client.user_id("demo"), api_client.project_id("demo")
    credential = made(api_client)
    token = token_of(api_client, credential)
    assert create(api_client, token=token, name="other").status_code == 403
    assert api_client.delete(f"{path(api_client)}/{credential['id']}", token=token).status_code == 403
    stored = {"credential": {"type": "ec2", "blob": '{"access": "a", "secret": "b"}', "project_id": project}}
    assert api_client.post(f"{V3}/credentials", token=token, json=stored).status_code == 403
    ec2 = f"{V3}/users/{user}/credentials/OS-EC2"
    assert api_client.post(ec2, token=token, json={"tenant_id": project}).status_code == 403
    access = api_client.post(ec2, json={"tenant_id": project}).json["credential"]["access"]
    for reply in (api_client.get(ec2, token=token), api_client.get(f"{ec2}/{access}", token=token)):
        assert reply.status_code == 403
    assert api_client.get(f"{V3}/credentials", token=token).status_code == 403


def test_what_an_unrestricted_one_makes_is_no_wider(api_client: ApiClient, manual_clock: ManualClock) -> None:
    """AUTH-04: roles, requests and life are at most the maker's."""
    ends = (manual_clock.now() + timedelta(hours=1)).isoformat()
    credential = made(
        api_client, unrestricted=True, roles=[{"name": "reader"}], expires_at=ends,
        access_rules=[{"service": "identity", "method": "POST", "path": "/**"}],
    )  # fmt: skip
    token = token_of(api_client, credential)
    assert create(api_client, token=token, name="wider", roles=[{"name": "member"}]).status_code == 400
    child = made(api_client, token=token, name="child", access_rules=[RULE])
    assert [role["name"] for role in child["roles"]] == ["reader"]
    assert child["expires_at"] == credential["expires_at"]
    assert child["access_rules"] == []
    assert api_client.get("/compute/v2.1/servers", token=token_of(api_client, child)).status_code == 401
    ec2 = f"{V3}/users/{api_client.user_id('demo')}/credentials/OS-EC2"
    tenant = {"tenant_id": api_client.project_id("demo")}
    assert api_client.post(ec2, token=token, json=tenant).status_code == 403


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("GET", "/compute/v2.1/servers/detail", True),
        ("GET", "/compute/v2.1/servers", False),
        ("POST", "/compute/v2.1/servers/x/action", False),
        ("GET", "/compute/v2.1/flavors", False),
        ("GET", "/image/v2/images", False),
        ("GET", "/identity/v3/auth/projects", False),
    ],
)
def test_access_rules_name_the_only_requests(api_client: ApiClient, method: str, url: str, allowed: bool) -> None:
    token = token_of(api_client, made(api_client, access_rules=[RULE]))
    reply = api_client.request(method, url, token=token, json={"x": 1} if method == "POST" else None)
    assert (reply.status_code != 401) is allowed


def test_rules_are_kept_while_they_are_used(api_client: ApiClient, database_url: str) -> None:
    credential = made(api_client, access_rules=[RULE])
    rules = f"{V3}/users/{api_client.user_id('demo')}/access_rules"
    listed = api_client.get(rules).json["access_rules"]
    assert [{key: row[key] for key in RULE} for row in listed] == [RULE]
    again = made(api_client, name="second", access_rules=[{"id": listed[0]["id"]}, RULE])
    assert {rule["id"] for rule in again["access_rules"]} == {listed[0]["id"]}
    one = f"{rules}/{listed[0]['id']}"
    assert api_client.delete(one).status_code == 403
    for each in (credential, again):
        assert api_client.delete(f"{path(api_client)}/{each['id']}").status_code == 204
    assert [api_client.delete(one).status_code, api_client.get(one).status_code] == [204, 404]


def test_tokens_die_with_what_they_come_from(api_client: ApiClient, database_url: str) -> None:
    """AUTH-01: the credential deleted, the role taken away."""
    first, second = made(api_client), made(api_client, name="second")
    tokens = [token_of(api_client, each) for each in (first, second)]
    api_client.delete(f"{path(api_client)}/{first['id']}")
    assert [api_client.get("/compute/v2.1/servers", token=token).status_code for token in tokens] == [401, 200]
    roles = {row["name"]: row["id"] for row in api_client.get(f"{V3}/roles", "admin").json["roles"]}
    grants = f"{V3}/projects/{api_client.project_id('demo')}/users/{api_client.user_id('demo')}/roles"
    api_client.put(f"{grants}/{roles['reader']}", "admin")
    assert api_client.delete(f"{grants}/{roles['member']}", "admin").status_code == 204
    assert api_client.get("/compute/v2.1/servers", token=tokens[1]).status_code == 401
    login(api_client, second, 401)


def test_an_expired_one_is_refused(api_client: ApiClient, manual_clock: ManualClock) -> None:
    ends = manual_clock.now() + timedelta(minutes=5)
    credential = made(api_client, expires_at=ends.isoformat())
    token = token_of(api_client, credential)
    assert create(api_client, name="past", expires_at="2001-01-01T00:00:00Z").status_code == 400
    assert create(api_client, name="never", expires_at="soon").status_code == 400
    manual_clock.advance(301)
    assert api_client.get("/compute/v2.1/servers", token=token).status_code == 401
    login(api_client, credential, 401)
