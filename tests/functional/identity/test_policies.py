"""Stored policies, and the nearest one that an endpoint follows."""

from __future__ import annotations

from typing import Any

from tests.fixtures.api import ApiClient

V3 = "/identity/v3"


def make(client: ApiClient, noun: str, plural: str = "", **fields: Any) -> str:
    reply = client.post(f"{V3}/{plural or noun + 's'}", "admin", json={noun: fields})
    assert reply.status_code == 201, reply.text
    return str(reply.json[noun]["id"])


def policy(client: ApiClient, blob: str) -> str:
    return make(client, "policy", "policies", type="application/json", blob=blob)


def test_life_of_a_policy(api_client: ApiClient, database_url: str) -> None:
    one = f"{V3}/policies/{policy(api_client, 'first')}"
    changed = api_client.patch(one, "admin", json={"policy": {"blob": "second"}})
    assert changed.json["policy"]["blob"] == "second"
    assert len(api_client.get(f"{V3}/policies?type=application/json", "admin").json["policies"]) == 1
    assert api_client.get(f"{V3}/policies?type=x", "system").json["policies"] == []
    assert [api_client.request(method, one, "demo").status_code for method in ("GET", "DELETE")] == [403, 403]
    assert [api_client.delete(one, "admin").status_code, api_client.get(one, "admin").status_code] == [204, 404]


def test_an_endpoint_follows_the_nearest(api_client: ApiClient, database_url: str) -> None:
    world = make(api_client, "region", id="world")
    town = make(api_client, "region", id="town", parent_region_id=world)
    service = make(api_client, "service", type="x")
    endpoint = make(
        api_client, "endpoint", interface="public", url="http://x", service_id=service, region_id=town
    )  # fmt: skip
    of_endpoint = f"{V3}/endpoints/{endpoint}/OS-ENDPOINT-POLICY/policy"
    assert api_client.get(of_endpoint, "admin").status_code == 404
    targets = (f"services/{service}", f"services/{service}/regions/{world}", f"endpoints/{endpoint}")
    links = {}
    for target in targets:  # each nearer than the one before
        policy_id = policy(api_client, target)
        links[target] = f"{V3}/policies/{policy_id}/OS-ENDPOINT-POLICY/{target}"
        assert api_client.get(links[target], "admin").status_code == 404
        assert api_client.put(links[target], "admin").status_code == 204
        assert api_client.get(links[target], "admin").status_code == 204
        assert api_client.get(of_endpoint, "admin").json["policy"]["blob"] == target
        listed = api_client.get(f"{V3}/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints", "admin").json["endpoints"]
        assert [row["id"] for row in listed] == [endpoint]
    assert [api_client.delete(links[targets[2]], "admin").status_code for _ in range(2)] == [204, 404]
    assert api_client.get(of_endpoint, "admin").json["policy"]["blob"] == targets[1]


def test_a_policy_takes_the_place_of_another(api_client: ApiClient, database_url: str) -> None:
    service = make(api_client, "service", type="x")
    links = [
        f"{V3}/policies/{policy(api_client, blob)}/OS-ENDPOINT-POLICY/services/{service}" for blob in ("old", "new")
    ]
    assert [api_client.put(link, "admin").status_code for link in links] == [204, 204]
    assert [api_client.get(link, "admin").status_code for link in links] == [404, 204]
    assert api_client.delete(f"{V3}/services/{service}", "admin").status_code == 204
    assert api_client.put(links[0], "admin").status_code == 404
