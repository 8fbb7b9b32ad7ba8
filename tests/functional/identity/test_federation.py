"""Federation's bookkeeping: identity providers with protocols, mappings, and the service providers that tokens tell of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.api import PASSWORD, ApiClient

TOP = "/identity/v3/OS-FEDERATION"
RULES = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "x"}, {"type": "y", "whitelist": ["a"]}]}]


def put(client: ApiClient, path: str, noun: str, expect: int = 201, **fields: Any) -> dict[str, Any]:
    reply = client.put(f"{TOP}/{path}", "admin", json={noun: fields})
    assert reply.status_code == expect, reply.text
    return dict(reply.json.get(noun, {}))


def test_an_identity_provider_gets_a_domain_of_its_own(api_client: ApiClient, database_url: str) -> None:
    made = put(api_client, "identity_providers/acme", "identity_provider", remote_ids=["b", "a"])
    assert (made["enabled"], made["remote_ids"]) == (False, ["a", "b"])
    domain = f"/identity/v3/domains/{made['domain_id']}"
    assert "acme" in api_client.get(domain, "admin").json["domain"]["description"]
    put(api_client, "identity_providers/acme", "identity_provider", 409)
    put(api_client, "identity_providers/other", "identity_provider", 409, remote_ids=["a"])
    put(api_client, "identity_providers/other", "identity_provider", 400, domain_id="unknown")
    one = f"{TOP}/identity_providers/acme"
    changed = api_client.patch(one, "admin", json={"identity_provider": {"enabled": True, "remote_ids": ["c"]}})
    assert changed.json["identity_provider"]["remote_ids"] == ["c"]
    listed = api_client.get(f"{TOP}/identity_providers?enabled=true", "system").json["identity_providers"]
    assert [each["id"] for each in listed] == ["acme"]
    assert [api_client.delete(one, as_).status_code for as_ in ("demo", "admin", "admin")] == [403, 204, 404]
    assert api_client.get(domain, "admin").status_code == 200


def test_a_protocol_follows_a_mapping(api_client: ApiClient, database_url: str) -> None:
    put(api_client, "identity_providers/acme", "identity_provider")
    put(api_client, "identity_providers/acme/protocols/oidc", "protocol", 400, mapping_id="m")
    for mapping in ("m", "n"):
        put(api_client, f"mappings/{mapping}", "mapping", rules=RULES)
    put(api_client, "identity_providers/unknown/protocols/oidc", "protocol", 404, mapping_id="m")
    made = put(api_client, "identity_providers/acme/protocols/oidc", "protocol", mapping_id="m")
    assert made["links"]["identity_provider"].endswith("/identity_providers/acme")
    one = f"{TOP}/identity_providers/acme/protocols/oidc"
    changed = api_client.patch(one, "admin", json={"protocol": {"mapping_id": "n"}})
    assert changed.json["protocol"]["mapping_id"] == "n"
    listed = api_client.get(f"{TOP}/identity_providers/acme/protocols", "admin").json["protocols"]
    assert [each["id"] for each in listed] == ["oidc"]
    assert api_client.delete(f"{TOP}/identity_providers/acme", "admin").status_code == 204
    assert api_client.get(one, "admin").status_code == 404


def test_life_of_a_mapping(api_client: ApiClient) -> None:
    made = put(api_client, "mappings/m", "mapping", rules=RULES)
    assert (made["rules"], made["schema_version"]) == (RULES, "1.0")
    put(api_client, "mappings/m", "mapping", 409, rules=RULES)
    assert [each["id"] for each in api_client.get(f"{TOP}/mappings", "admin").json["mappings"]] == ["m"]
    changed = api_client.patch(f"{TOP}/mappings/m", "admin", json={"mapping": {"rules": RULES * 2}})
    assert len(changed.json["mapping"]["rules"]) == 2
    assert [api_client.delete(f"{TOP}/mappings/m", "admin").status_code for _ in range(2)] == [204, 404]


@pytest.mark.parametrize(
    "rule",
    [
        {"local": [], "remote": []},
        {"local": [{"server": {}}], "remote": [{"type": "x"}]},
        {"local": [], "remote": [{"whitelist": ["a"]}]},
        {"local": [], "remote": [{"type": "x", "whitelist": ["a"], "blacklist": ["b"]}]},
    ],
)
def test_rules_that_say_nothing_are_refused(api_client: ApiClient, rule: dict[str, Any]) -> None:
    put(api_client, "mappings/m", "mapping", 400, rules=[rule])


def test_tokens_tell_of_enabled_service_providers(api_client: ApiClient, database_url: str) -> None:
    urls = {"auth_url": "https://sp.example/auth", "sp_url": "https://sp.example/sp"}
    assert "service_providers" not in api_client.login("demo", PASSWORD).json["token"]
    made = put(api_client, "service_providers/sp", "service_provider", **urls)
    assert (made["enabled"], made["relay_state_prefix"]) == (False, "ss:mem:")
    put(api_client, "service_providers/sp", "service_provider", 409, **urls)
    put(api_client, "service_providers/x", "service_provider", 400, **{**urls, "sp_url": "javascript:"})
    one = f"{TOP}/service_providers/sp"
    assert api_client.patch(one, "admin", json={"service_provider": {"enabled": True}}).status_code == 200
    assert api_client.login("demo", PASSWORD).json["token"]["service_providers"] == [{"id": "sp", **urls}]
    assert len(api_client.get(f"{TOP}/service_providers", "admin").json["service_providers"]) == 1
    assert [api_client.delete(one, as_).status_code for as_ in ("demo", "admin", "admin")] == [403, 204, 404]
