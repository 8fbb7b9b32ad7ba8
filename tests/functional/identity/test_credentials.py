"""Stored credentials and EC2 keys: their users', encrypted, and never moved to anybody else."""

from __future__ import annotations

import sqlalchemy as sa

from api.request import Services
from common.db.models import Credential
from tests.fixtures.api import ApiClient

V3 = "/identity/v3"


def test_life_of_a_credential(api_client: ApiClient, database_url: str, services: Services) -> None:
    given = {"type": "cert", "blob": "very private text", "project_id": api_client.project_id("demo")}
    made = api_client.post(f"{V3}/credentials", json={"credential": given}).json["credential"]
    assert made["user_id"] == api_client.user_id("demo")
    one = f"{V3}/credentials/{made['id']}"
    assert api_client.get(one).json["credential"] == made
    with services.db.read() as session:
        assert "private" not in session.scalars(sa.select(Credential.secret)).one()
    changed = api_client.patch(one, json={"credential": {"blob": "new"}})
    assert changed.json["credential"]["blob"] == "new"
    for field, value in (("user_id", api_client.user_id("other")), ("project_id", "x"), ("type", "ec2")):
        assert api_client.patch(one, json={"credential": {field: value}}).status_code == 400, field
    assert [row["id"] for row in api_client.get(f"{V3}/credentials?type=cert").json["credentials"]] == [made["id"]]
    assert api_client.get(f"{V3}/credentials", "other").json["credentials"] == []
    query = f"user_id={api_client.user_id('demo')}"
    assert api_client.get(f"{V3}/credentials?{query}", "other").json["credentials"] == []
    for method in ("GET", "PATCH", "DELETE"):
        body = {"credential": {"blob": "x"}} if method == "PATCH" else None
        assert api_client.request(method, one, "other", json=body).status_code == 403
        assert api_client.request(method, f"{V3}/credentials/nope", "other", json=body).status_code == 403
    assert api_client.delete(one).status_code == 204
    assert api_client.get(one, "admin").status_code == 404


def test_nobody_makes_one_for_somebody_else(api_client: ApiClient) -> None:
    given = {"type": "cert", "blob": "x", "user_id": api_client.user_id("other")}
    assert api_client.post(f"{V3}/credentials", json={"credential": given}).status_code == 403
    assert api_client.post(f"{V3}/credentials", "admin", json={"credential": given}).status_code == 201


def test_ec2_keys(api_client: ApiClient, database_url: str) -> None:
    keys = f"{V3}/users/{api_client.user_id('demo')}/credentials/OS-EC2"
    made = api_client.post(keys, json={"tenant_id": api_client.project_id("demo")}).json["credential"]
    assert made["access"]
    assert made["secret"]
    one = f"{keys}/{made['access']}"
    assert api_client.get(one).json["credential"] == made
    assert [row["access"] for row in api_client.get(keys).json["credentials"]] == [made["access"]]
    assert api_client.get(one, "other").status_code == 403
    wrong = f"{V3}/users/{api_client.user_id('other')}/credentials/OS-EC2/{made['access']}"
    assert api_client.get(wrong, "other").status_code == 404
    assert [api_client.delete(one).status_code, api_client.get(one).status_code] == [204, 404]


def test_an_ec2_blob_without_access_is_refused_and_not_repeated(api_client: ApiClient) -> None:
    for blob in ("no json", "{}", "[]", '{"access": 7, "secret": "hidden"}'):
        body = {"credential": {"type": "ec2", "blob": blob}}
        reply = api_client.post(f"{V3}/credentials", json=body)
        assert reply.status_code == 400
        assert "hidden" not in reply.text
