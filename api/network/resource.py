"""Request bodies of the network API: which attributes a noun takes, from whom, and in which form.

Neutron's rules: an unknown attribute is refused by name, a server-owned one too (RBAC-04), an administrator's one is
403 for others even when its value is the default. POST takes one object or, under the plural, several.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.network.problems import not_allowed
from api.request import ApiRequest
from api.schema import Schema, validate
from common.errors import InvalidRequest

MAX_BULK = 100
#: Neutron's clients send numbers for booleans too
BOOLEAN: Schema = {
    "enum": [True, False, 1, 0, "1", "0", "True", "true", "TRUE", "False", "false", "FALSE", "on", "off", "yes", "no"]
}
NAME: Schema = {"type": "string", "maxLength": 255, "pattern": r"^[^\x00-\x1f\x7f]*\Z"}
TEXT: Schema = {"type": "string", "maxLength": 255, "pattern": r"^[^\x00]*\Z"}
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DNS_DOMAIN: Schema = {"type": "string", "maxLength": 255, "pattern": rf"^({_LABEL}(\.{_LABEL})*\.?)?\Z"}
PROJECT: Schema = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[A-Za-z0-9_-]+\Z"}
IP: Schema = {"type": "string", "minLength": 2, "maxLength": 64, "pattern": r"^[0-9a-fA-F:./]+\Z"}
#: a number, or the text of one; bounds that Neutron has its own words for are the operation's
INTEGER: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        {"type": "string", "maxLength": 9, "pattern": r"^[0-9]+\Z"},
    ]
}
_TRUE = (True, 1, "1", "true", "on", "yes")


@dataclass(frozen=True)
class Resource:
    """schema_create and schema_update: the objects themselves. admin: attributes only administrators may send.

    create_only: accepted by POST and refused by PUT in Neutron's words. server_owned: shown, never taken.
    """

    singular: str
    plural: str
    schema_create: Schema
    schema_update: Schema
    server_owned: frozenset[str]
    admin: frozenset[str] = frozenset()


def as_boolean(value: Any) -> bool:
    """The meaning of a value that passed BOOLEAN."""
    return (value.lower() if isinstance(value, str) else value) in _TRUE


def parse_create(request: ApiRequest, resource: Resource) -> tuple[list[dict[str, Any]], bool]:
    """The objects of a POST body, validated, with project_id set; and whether they came under the plural."""
    body = _object(request)
    if resource.plural in body:
        items = body[resource.plural]
        if not isinstance(items, list) or not items:
            raise InvalidRequest("Resource body required")
        if len(items) > MAX_BULK:
            raise InvalidRequest(f"At most {MAX_BULK} {resource.plural} can be made in one request.")
        bodies = [
            item[resource.singular] if isinstance(item, dict) and set(item) == {resource.singular} else item
            for item in items
        ]
        return [_checked_create(request, resource, item) for item in bodies], True
    if resource.singular not in body:
        raise InvalidRequest(f"Unable to find '{resource.singular}' in request body")
    return [_checked_create(request, resource, body[resource.singular])], False


def parse_update(request: ApiRequest, resource: Resource) -> dict[str, Any]:
    """The changes of a PUT body, validated."""
    body = _object(request)
    if resource.singular not in body:
        raise InvalidRequest(f"Unable to find '{resource.singular}' in request body")
    changes = _attributes(body[resource.singular])
    _check_rights(request, resource, changes, "update")
    known = resource.schema_update["properties"]
    for name in sorted(changes):
        if name in known:
            continue
        if name in resource.server_owned or name in resource.schema_create["properties"]:
            raise InvalidRequest(f"Cannot update read-only attribute {name}")
        raise _unrecognized(changes, [*known, *resource.server_owned, *resource.schema_create["properties"]])
    validate({resource.singular: changes}, _wrapped(resource.singular, resource.schema_update))
    return _converted(changes, known)


def _object(request: ApiRequest) -> dict[str, Any]:
    if not isinstance(request.body, dict) or not request.body:
        raise InvalidRequest("Resource body required")
    return request.body


def _attributes(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise InvalidRequest("Resource body required")
    return dict(item)


def _checked_create(request: ApiRequest, resource: Resource, item: Any) -> dict[str, Any]:
    given = _attributes(item)
    _check_rights(request, resource, given, "create")
    known = resource.schema_create["properties"]
    for name in sorted(given):
        if name in resource.server_owned and name not in known:
            raise InvalidRequest(f"Attribute '{name}' not allowed in POST")
        if name not in known:
            raise _unrecognized(given, [*known, *resource.server_owned])
    validate({resource.singular: given}, _wrapped(resource.singular, resource.schema_create))
    project_id = _project(request, given)
    return {**_converted(given, known), "project_id": project_id}


def _project(request: ApiRequest, given: dict[str, Any]) -> str:
    """The owner of the new object: the caller's project unless an administrator names another."""
    own = request.context.project_id
    asked = {given.pop(name) for name in ("tenant_id", "project_id") if given.get(name)}
    if len(asked) > 1:
        raise InvalidRequest("'project_id' and 'tenant_id' do not match")
    project_id = asked.pop() if asked else own
    if not project_id:
        raise InvalidRequest("Running without a project: name one in project_id.")
    if project_id != own and not request.context.is_admin:
        raise InvalidRequest(
            "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin "
            "privileges"
        )
    return str(project_id)


def _check_rights(request: ApiRequest, resource: Resource, given: Mapping[str, Any], verb: str) -> None:
    denied = sorted(set(given) & resource.admin)
    if denied and not request.context.is_admin:
        raise not_allowed(f"{verb}_{resource.singular}:{denied[0]}")


def _unrecognized(given: Mapping[str, Any], known: list[str]) -> InvalidRequest:
    names = ", ".join(repr(str(name)[:80]).strip("'") for name in sorted(set(given) - set(known))[:5])
    return InvalidRequest(f"Unrecognized attribute(s) '{names}'")


_wrappers: dict[int, Schema] = {}


def _wrapped(singular: str, schema: Schema) -> Schema:
    """The schema one level deeper, so that messages name the noun; one object per schema: validators are cached."""
    return _wrappers.setdefault(
        id(schema), {"type": "object", "properties": {singular: schema}, "required": [singular]}
    )


def _converted(given: Mapping[str, Any], known: Mapping[str, Schema]) -> dict[str, Any]:
    """Booleans and numbers as such, whatever word the client used."""
    found = {}
    for name, value in given.items():
        found[name] = as_boolean(value) if known[name] is BOOLEAN else value
        if known[name] is INTEGER:
            found[name] = int(value)
    return found
