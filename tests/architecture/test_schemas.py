"""Every schema of a request body is bounded (DOS-01): no text, list or object of any length gets past one."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

import api
from api.microversion import Microversion
from api.schema import Schema

BOUNDED_FORMATS = {"date-time", "ipv4", "ipv6", "uuid"}
#: The values of an image patch are checked one by one against attribute_schema, which is walked like all others.
CHECKED_ELSEWHERE = re.compile(r"api\.image\.schemas\.\w+\.PATCH_V2\d\[\]\.value: anything at all is let through")
EVERY_VERSION = [Microversion(2, minor) for minor in range(1, 101)]


def modules() -> Iterator[Any]:
    yield importlib.import_module("api.schema")
    for found in pkgutil.walk_packages(api.__path__, "api."):
        if ".schemas." in found.name or found.name.endswith(".resource"):
            yield importlib.import_module(found.name)


def is_schema(value: Any) -> bool:
    return isinstance(value, dict) and any(
        word in value for word in ("type", "anyOf", "oneOf", "allOf", "enum", "const")
    )


def schemas() -> Iterator[tuple[str, Schema]]:
    """Module constants, those inside other constants, and what functions of a microversion make."""
    for module in modules():
        for name, value in vars(module).items():
            where = f"{module.__name__}.{name}"
            if name.startswith("__"):
                continue
            if is_schema(value):
                yield where, value
            elif hasattr(value, "schema_create"):
                yield f"{where}.schema_create", value.schema_create
                yield f"{where}.schema_update", value.schema_update
            elif callable(value) and getattr(value, "__module__", "") == module.__name__:
                yield from of_versions(where, value)


def of_versions(where: str, function: Any) -> Iterator[tuple[str, Schema]]:
    wrapped = getattr(function, "__wrapped__", function)
    if list(getattr(wrapped, "__annotations__", {}).values()) == ["Microversion", "Schema"]:
        for version in EVERY_VERSION:
            yield f"{where}({version})", function(version)


def unbounded(schema: Any, where: str) -> Iterator[str]:
    """What in a schema lets a body grow without limit."""
    if schema is True or schema == {}:
        yield f"{where}: anything at all is let through"
        return
    if not isinstance(schema, dict):
        return
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    closed = "enum" in schema or "const" in schema or schema.get("not") == {} or set(schema) == {"required"}
    if "string" in kinds and not closed and "maxLength" not in schema and schema.get("format") not in BOUNDED_FORMATS:
        yield f"{where}: a string without maxLength"
    if "array" in kinds:
        if not closed and "maxItems" not in schema:
            yield f"{where}: an array without maxItems"
        yield from unbounded(schema.get("items", True), f"{where}[]") if schema.get("maxItems") != 0 else ()
    if "object" in kinds or "properties" in schema:
        yield from _object(schema, where)
    for word in ("anyOf", "oneOf", "allOf"):
        for number, each in enumerate(schema.get(word, [])):
            yield from unbounded(each, f"{where}.{word}{number}")
    if not kinds and not closed and not any(word in schema for word in ("anyOf", "oneOf", "allOf", "properties")):
        yield f"{where}: neither a type nor a choice"


def _object(schema: Schema, where: str) -> Iterator[str]:
    for name, each in {**schema.get("properties", {}), **schema.get("patternProperties", {})}.items():
        yield from unbounded(each, f"{where}.{name}")
    empty = schema.get("maxProperties") == 0
    more = schema.get("additionalProperties", True)
    if more is not False and not empty:
        if "maxProperties" not in schema:
            yield f"{where}: an object with any number of properties"
        if "maxLength" not in schema.get("propertyNames", {}):
            yield f"{where}: an object with names of any length"
        yield from unbounded(more, f"{where}.*")
    if "patternProperties" in schema and "maxProperties" not in schema:
        yield f"{where}: an object with any number of properties of a pattern"


FOUND = dict(schemas())


def test_the_schemas_are_found() -> None:
    services = {name.split(".")[1] for name in FOUND}
    assert services >= {"compute", "identity", "image", "network"}
    assert len(FOUND) > 100


@pytest.mark.parametrize("service", sorted({name.split(".")[1] for name in FOUND}))
def test_every_schema_is_bounded(service: str) -> None:
    bad = {
        each for where, schema in FOUND.items() if where.split(".")[1] == service for each in unbounded(schema, where)
    }
    assert sorted(each for each in bad if not CHECKED_ELSEWHERE.fullmatch(each)) == []


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "string"}, "without maxLength"),
        ({"type": ["string", "null"]}, "without maxLength"),
        ({"type": "array", "items": {"type": "null"}}, "without maxItems"),
        ({"type": "array", "maxItems": 3}, "anything at all"),
        ({"type": "object"}, "any number of properties"),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}, "without maxLength"),
        ({"type": "object", "additionalProperties": {"type": "null"}, "maxProperties": 2}, "names of any length"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, "without maxLength"),
        ({"maxLength": 3}, "neither a type"),
    ],
)  # fmt: skip
def test_the_check_itself(schema: Schema, why: str) -> None:
    assert any(why in each for each in unbounded(schema, "x"))
