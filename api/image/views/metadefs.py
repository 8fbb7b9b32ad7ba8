"""Metadata definitions as Glance v2 shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from api.image.operations.metadefs import ShownNamespace
from api.image.schemas import metadefs as schemas
from common.db.models import MetadefItem

BASE = "/v2/metadefs/namespaces"
#: kind -> its collection in paths and bodies
COLLECTIONS = {"object": "objects", "property": "properties", "tag": "tags", "resource_type": "resource_types"}


def namespace(shown: ShownNamespace) -> dict[str, Any]:
    row = shown.namespace
    body: dict[str, Any] = {
        "namespace": row.namespace,
        "visibility": row.visibility,
        "protected": row.protected,
        "owner": row.owner,
        "created_at": _time(row.created_at),
        "updated_at": _time(row.updated_at),
        "self": f"{BASE}/{quote(row.namespace, safe='')}",
        "schema": "/v2/schemas/metadefs/namespace",
    }
    body |= {name: value for name in ("display_name", "description") if (value := getattr(row, name)) is not None}
    for kind, collection in (("resource_type", "resource_type_associations"), ("object", "objects"), ("tag", "tags")):
        if items := [each for each in shown.items if each.kind == kind]:
            body[collection] = [item(each) for each in items]
    if properties := [each for each in shown.items if each.kind == "property"]:
        body["properties"] = {each.name: each.content for each in properties}
    return body


def namespaces(shown: Sequence[ShownNamespace], limit: int, query: Mapping[str, list[str]]) -> dict[str, Any]:
    kept = [(name, value) for name, values in query.items() if name != "marker" for value in values]
    body: dict[str, Any] = {
        "namespaces": [namespace(each) for each in shown],
        "first": BASE + (f"?{urlencode(kept)}" if kept else ""),
        "schema": "/v2/schemas/metadefs/namespaces",
    }
    if shown and len(shown) == limit:
        body["next"] = f"{BASE}?{urlencode([*kept, ('marker', shown[-1].namespace.namespace)])}"
    return body


def item(row: MetadefItem) -> dict[str, Any]:
    """Properties are shown bare, as they are in a JSON schema; the others say where and when."""
    if row.kind == "property":
        return {"name": row.name, **row.content}
    times = {"created_at": _time(row.created_at), "updated_at": _time(row.updated_at)}
    body = {"name": row.name, **row.content, **times}
    if row.kind == "object":
        where = f"{BASE}/{quote(row.namespace, safe='')}/objects/{quote(row.name, safe='')}"
        body |= {"self": where, "schema": "/v2/schemas/metadefs/object"}
        body.setdefault("properties", {})
        body.setdefault("required", [])
    return body


def items(rows: Sequence[MetadefItem], kind: str) -> dict[str, Any]:
    if kind == "property":
        return {"properties": {row.name: item(row) for row in rows}}
    if kind == "resource_type":
        return {"resource_type_associations": [item(row) for row in rows]}
    collection = COLLECTIONS[kind]
    return {
        collection: [{"name": row.name} if kind == "tag" else item(row) for row in rows],
        "first": f"{BASE}/{{namespace}}/{collection}",
        "schema": f"/v2/schemas/metadefs/{collection}",
    }


def resource_types(rows: Sequence[MetadefItem | str]) -> dict[str, Any]:
    return {
        "resource_types": [
            {"name": row}
            if isinstance(row, str)
            else {"name": row.name, "created_at": _time(row.created_at), "updated_at": _time(row.updated_at)}
            for row in rows
        ]
    }


def _time(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def _list_of(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    links = {key: {"type": "string"} for key in ("first", "next", "schema")}
    return {"name": name, "properties": {name: {"type": "array", "items": entry}, **links}}


def _document(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "type": "object",
        "properties": schema["properties"],
        "required": schema["required"],
        "additionalProperties": False,
    }


_OF = {
    "namespace": _document("namespace", schemas.NAMESPACE),
    "object": _document("object", schemas.OBJECT),
    "property": _document("property", schemas.PROPERTY),
    "tag": _document("tag", schemas.TAG),
    "resource_type": _document("resource_type_association", schemas.RESOURCE_TYPE),
}
#: name below /schemas/metadefs -> the document
SCHEMAS: dict[str, dict[str, Any]] = {
    **_OF,
    "namespaces": _list_of("namespaces", _OF["namespace"]),
    "objects": _list_of("objects", _OF["object"]),
    "properties": {
        "name": "properties",
        "properties": {"properties": {"type": "object", "additionalProperties": _OF["property"]}},
    },
    "tags": _list_of("tags", _OF["tag"]),
    "resource_types": _list_of("resource_type_associations", _OF["resource_type"]),
}
