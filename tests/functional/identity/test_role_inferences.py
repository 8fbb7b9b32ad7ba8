"""Which role implies which: tokens follow the rules as they are now."""

from __future__ import annotations

import pytest

from tests.fixtures.api import PASSWORD, ApiClient

V3 = "/identity/v3"
DEMO = {"project": {"name": "demo", "domain": {"id": "default"}}}


@pytest.fixture
def roles(api_client: ApiClient) -> dict[str, str]:
    for name in ("operator", "auditor"):
        assert api_client.post(f"{V3}/roles", "admin", json={"role": {"name": name}}).status_code == 201
    return {row["name"]: row["id"] for row in api_client.get(f"{V3}/roles", "admin").json["roles"]}


def token_roles(client: ApiClient) -> list[str]:
    return [role["name"] for role in client.login("demo", PASSWORD, DEMO).json["token"]["roles"]]


def test_the_default_rules(api_client: ApiClient, roles: dict[str, str]) -> None:
    listed = api_client.get(f"{V3}/role_inferences", "admin").json["role_inferences"]
    found = {row["prior_role"]["name"]: [each["name"] for each in row["implies"]] for row in listed}
    assert found == {"admin": ["manager"], "manager": ["member"], "member": ["reader"]}


def test_a_rule_counts_at_once_and_through_others(
    api_client: ApiClient, database_url: str, roles: dict[str, str]
) -> None:
    first = f"{V3}/roles/{roles['member']}/implies/{roles['operator']}"
    second = f"{V3}/roles/{roles['operator']}/implies/{roles['auditor']}"
    assert api_client.head(first, "admin").status_code == 404
    for _ in range(2):
        made = api_client.put(first, "admin")
        assert made.status_code == 201
    assert made.json["role_inference"]["implies"]["name"] == "operator"
    assert token_roles(api_client) == ["member", "operator", "reader"]
    assert api_client.put(second, "admin").status_code == 201
    assert token_roles(api_client) == ["auditor", "member", "operator", "reader"]
    assert [api_client.head(first, "admin").status_code, api_client.get(first, "admin").status_code] == [204, 200]
    implied = api_client.get(f"{V3}/roles/{roles['member']}/implies", "admin").json["role_inference"]["implies"]
    assert [row["name"] for row in implied] == ["operator", "reader"]
    assert [api_client.delete(first, "admin").status_code for _ in range(2)] == [204, 404]
    assert token_roles(api_client) == ["member", "reader"]


def test_what_may_not_imply(api_client: ApiClient, roles: dict[str, str]) -> None:
    """No circle, nothing that makes an administrator, no global role that carries a domain's own."""
    own = {"name": "domain's", "domain_id": "default"}
    local = api_client.post(f"{V3}/roles", "admin", json={"role": own}).json["role"]["id"]
    api_client.put(f"{V3}/roles/{roles['operator']}/implies/{roles['auditor']}", "admin")
    for prior, implied, status in (
        (roles["auditor"], roles["operator"], 400),
        (roles["auditor"], roles["auditor"], 400),
        (roles["operator"], roles["admin"], 403),
        (roles["operator"], local, 403),
        (roles["operator"], "nope", 404),
        (local, roles["reader"], 201),
    ):
        assert api_client.put(f"{V3}/roles/{prior}/implies/{implied}", "admin").status_code == status, (prior, implied)


def test_a_domains_role_counts_by_what_it_implies(
    api_client: ApiClient, database_url: str, roles: dict[str, str]
) -> None:
    own = {"name": "team", "domain_id": "default"}
    local = api_client.post(f"{V3}/roles", "admin", json={"role": own}).json["role"]["id"]
    api_client.put(f"{V3}/roles/{local}/implies/{roles['auditor']}", "admin")
    grant = f"{V3}/projects/{api_client.project_id('demo')}/users/{api_client.user_id('demo')}/roles/{local}"
    assert api_client.put(grant, "admin").status_code == 204
    assert token_roles(api_client) == ["auditor", "member", "reader"]
