"""Metadata definitions: parse, call, render. Four kinds of words share their calls; the path says which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.image.operations import metadefs as operations
from api.image.schemas import metadefs as schemas
from api.image.schemas.filters import parse_sort, parse_whole
from api.image.views import metadefs as views
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.paging import Page
from common.errors import InvalidRequest, NotFound

_SCHEMA = {
    "object": schemas.OBJECT,
    "property": schemas.PROPERTY,
    "tag": schemas.TAG,
    "resource_type": schemas.RESOURCE_TYPE,
}


def list_namespaces(request: ApiRequest) -> Reply:
    largest = request.services.config.api.max_limit
    limit = parse_whole(request.query, "limit")
    page = Page(
        limit=largest if limit is None else min(limit, largest),
        marker=request.arg("marker"),
        sort=parse_sort(request.query, ("namespace", "created_at", "updated_at")),
    )
    filters: dict[str, Any] = {}
    if (visibility := request.arg("visibility")) is not None:
        if visibility not in ("public", "private"):
            raise InvalidRequest(f"Invalid visibility value: {visibility[:40]!r}; use public or private.")
        filters["visibility"] = visibility
    if (kinds := request.arg("resource_types")) is not None:
        filters["resource_types"] = kinds.split(",")[:64]
    shown = operations.list_namespaces(request.services, request.context, filters, page)
    return Reply(views.namespaces(shown, page.limit, request.query))


def show_namespace(request: ApiRequest, namespace: str) -> Reply:
    return Reply(views.namespace(operations.show_namespace(request.services, request.context, namespace)))


def create_namespace(request: ApiRequest) -> Reply:
    given = _given(request, schemas.NAMESPACE)
    shown = operations.create_namespace(request.services, request.context, given)
    return Reply(views.namespace(shown), 201, {"Location": f"{request.base_url}/metadefs/namespaces"})


def update_namespace(request: ApiRequest, namespace: str) -> Reply:
    given = _given(request, schemas.NAMESPACE)
    return Reply(views.namespace(operations.update_namespace(request.services, request.context, namespace, given)))


def delete_namespace(request: ApiRequest, namespace: str) -> Reply:
    operations.delete_namespace(request.services, request.context, namespace)
    return Reply(status=204)


def list_of(kind: str) -> Callable[..., Reply]:
    def handler(request: ApiRequest, namespace: str) -> Reply:
        rows = operations.list_items(request.services, request.context, namespace, kind)
        return Reply(views.items(rows, kind))

    return handler


def show(kind: str) -> Callable[..., Reply]:
    def handler(request: ApiRequest, namespace: str, name: str) -> Reply:
        return Reply(views.item(operations.show_item(request.services, request.context, namespace, kind, name)))

    return handler


def create(kind: str) -> Callable[..., Reply]:
    def handler(request: ApiRequest, namespace: str) -> Reply:
        given = [_named(_given(request, _SCHEMA[kind]))]
        rows = operations.create_items(request.services, request.context, namespace, kind, given)
        return Reply(views.item(rows[0]), 201)

    return handler


def update(kind: str) -> Callable[..., Reply]:
    def handler(request: ApiRequest, namespace: str, name: str) -> Reply:
        given = _named(_given(request, _SCHEMA[kind]))
        row = operations.update_item(request.services, request.context, namespace, kind, name, given)
        return Reply(views.item(row))

    return handler


def delete(kind: str) -> Callable[..., Reply]:
    def handler(request: ApiRequest, namespace: str, name: str) -> Reply:
        operations.delete_item(request.services, request.context, namespace, kind, name)
        return Reply(status=204)

    return handler


def clear(kind: str) -> Callable[..., Reply]:
    def handler(request: ApiRequest, namespace: str) -> Reply:
        operations.clear(request.services, request.context, namespace, kind)
        return Reply(status=204)

    return handler


def create_tag(request: ApiRequest, namespace: str, name: str) -> Reply:
    """The name is in the path."""
    validate({"name": name}, schemas.TAG)
    rows = operations.create_items(request.services, request.context, namespace, "tag", [(name, {})])
    return Reply(views.item(rows[0]), 201)


def replace_tags(request: ApiRequest, namespace: str) -> Reply:
    validate(request.body, schemas.TAGS)
    names = dict.fromkeys(tag["name"] for tag in request.body["tags"])
    rows = operations.create_items(
        request.services, request.context, namespace, "tag", [(name, {}) for name in names], instead=True
    )
    return Reply(views.items(rows, "tag"), 201)


def list_resource_types(request: ApiRequest) -> Reply:
    return Reply(views.resource_types(operations.resource_types(request.services)))


def schema(_request: ApiRequest, name: str) -> Reply:
    if name not in views.SCHEMAS:
        raise NotFound(f"There is no schema named {name[:64]!r}; there are {', '.join(views.SCHEMAS)}.")
    return Reply(views.SCHEMAS[name])


def _given(request: ApiRequest, wanted: dict[str, Any]) -> dict[str, Any]:
    """The body without what only the service writes."""
    validate(request.body, wanted)
    return {key: value for key, value in request.body.items() if key not in schemas.OWNED}


def _named(given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return given["name"], {key: value for key, value in given.items() if key != "name" and value is not None}
