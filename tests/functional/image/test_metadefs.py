"""Metadata definitions: administrators write vocabularies, everybody reads public ones and its own."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.fixtures.api import ApiClient

ALL = "/image/v2/metadefs/namespaces"


def namespace(client: ApiClient, name: str = "OS::Colours", **fields: Any) -> TestResponse:
    reply = client.post(ALL, "admin", json={"namespace": name, **fields})
    assert reply.status_code == 201, reply.text
    return reply


def names(reply: TestResponse) -> list[str]:
    return sorted(row["namespace"] for row in reply.json["namespaces"])


def test_life_of_a_namespace(api_client: ApiClient, database_url: str) -> None:
    made = namespace(api_client, display_name="Colours").json
    assert (made["visibility"], made["protected"], made["owner"]) == ("private", False, api_client.project_id("admin"))
    assert api_client.post(ALL, "admin", json={"namespace": "OS::Colours"}).status_code == 409
    changed = api_client.put(f"{ALL}/OS::Colours", "admin", json={**made, "namespace": "Hues", "protected": True})
    assert changed.json["namespace"] == "Hues"
    assert api_client.delete(f"{ALL}/Hues", "admin").status_code == 403
    api_client.put(f"{ALL}/Hues", "admin", json={"namespace": "Hues", "protected": False})
    assert api_client.delete(f"{ALL}/Hues", "admin").status_code == 204
    assert api_client.get(f"{ALL}/Hues", "admin").status_code == 404


def test_who_sees_and_who_writes(api_client: ApiClient, database_url: str) -> None:
    namespace(api_client, "everybody's", visibility="public")
    namespace(api_client, "demo's", owner=api_client.project_id("demo"))
    assert names(api_client.get(ALL, "demo")) == ["demo's", "everybody's"]
    assert names(api_client.get(ALL, "other")) == ["everybody's"]
    assert names(api_client.get(f"{ALL}?visibility=private", "demo")) == ["demo's"]
    for who, name, status in (("demo", "demo's", 403), ("other", "demo's", 404), ("other", "everybody's", 403)):
        for reply in (
            api_client.put(f"{ALL}/{name}", who, json={"namespace": name}),
            api_client.delete(f"{ALL}/{name}", who),
            api_client.post(f"{ALL}/{name}/tags/x", who),
        ):
            assert reply.status_code == status, (who, name, reply.text)
    assert api_client.post(ALL, "manager", json={"namespace": "x"}).status_code == 403


def test_pages_of_namespaces(api_client: ApiClient, database_url: str) -> None:
    for name in ("a", "b", "c"):
        namespace(api_client, name)
    first = api_client.get(f"{ALL}?limit=2&sort_key=namespace&sort_dir=asc", "admin")
    assert names(first) == ["a", "b"]
    assert names(api_client.get("/image" + first.json["next"], "admin")) == ["c"]
    assert api_client.get(f"{ALL}?sort_key=owner", "admin").status_code == 400


@pytest.mark.parametrize(
    ("collection", "body"),
    [
        ("objects", {"name": "red", "required": ["hue"], "properties": {"hue": {"title": "Hue", "type": "integer"}}}),
        ("properties", {"name": "red", "title": "Red", "type": "string", "enum": ["dark", "light"]}),
        ("tags", {"name": "red"}),
    ],
)
def test_life_of_a_word(api_client: ApiClient, database_url: str, collection: str, body: dict[str, Any]) -> None:
    namespace(api_client, "Colours", visibility="public")
    every = f"{ALL}/Colours/{collection}"
    made = api_client.post(f"{every}/red" if collection == "tags" else every, "admin", json=body)
    assert made.status_code == 201, made.text
    shown = api_client.get(f"{every}/red", "demo").json
    assert {key: shown[key] for key in body} == body
    changed = api_client.put(f"{every}/red", "admin", json={**body, "name": "blue"})
    assert changed.json["name"] == "blue"
    assert [api_client.get(f"{every}/{name}", "demo").status_code for name in ("red", "blue")] == [404, 200]
    listed = api_client.get(every, "demo").json[collection]
    assert [row["name"] for row in (listed.values() if isinstance(listed, dict) else listed)] == ["blue"]
    assert [api_client.delete(f"{every}/blue", "admin").status_code for _ in range(2)] == [204, 404]


def test_tags_at_once(api_client: ApiClient, database_url: str) -> None:
    namespace(api_client, "Colours")
    tags = f"{ALL}/Colours/tags"
    for wanted in (["b", "a"], ["c"]):
        assert api_client.post(tags, "admin", json={"tags": [{"name": name} for name in wanted]}).status_code == 201
        assert [tag["name"] for tag in api_client.get(tags, "admin").json["tags"]] == sorted(wanted)
    assert api_client.delete(tags, "admin").status_code == 204
    assert api_client.get(tags, "admin").json["tags"] == []


def test_resource_types(api_client: ApiClient, database_url: str) -> None:
    namespace(api_client, "Colours", visibility="public")
    every = f"{ALL}/Colours/resource_types"
    assert api_client.post(every, "admin", json={"name": "OS::Paint", "prefix": "hw_"}).status_code == 201
    listed = api_client.get(every, "demo").json["resource_type_associations"]
    assert [(row["name"], row["prefix"]) for row in listed] == [("OS::Paint", "hw_")]
    known = [row["name"] for row in api_client.get("/image/v2/metadefs/resource_types").json["resource_types"]]
    assert {"OS::Paint", "OS::Glance::Image"} <= set(known)
    assert names(api_client.get(f"{ALL}?resource_types=OS::Paint,x", "demo")) == ["Colours"]
    assert api_client.delete(f"{every}/OS::Paint", "admin").status_code == 204


@pytest.mark.parametrize(
    "name", ["namespace", "namespaces", "object", "objects", "property", "properties", "tag", "tags"]
)
def test_schemas(api_client: ApiClient, name: str) -> None:
    assert api_client.get(f"/image/v2/schemas/metadefs/{name}").json["name"] == name
    assert api_client.get("/image/v2/schemas/metadefs/nope").status_code == 404
