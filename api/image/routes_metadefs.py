"""The rows of metadata definitions. Who may read what, and that administrators write, is the operation's to check."""

from __future__ import annotations

from api.image.handlers import metadefs
from api.image.views.metadefs import COLLECTIONS
from api.policy import Rule
from api.routing import Handler, Route

_ALL = "/metadefs/namespaces"
_ONE = f"{_ALL}/<namespace>"


def _row(method: str, path: str, handler: Handler, key: str) -> Route:
    return Route(method, path, None, None, None, Rule.READER, handler, f"image:metadefs:{key}")


def _of_kind(kind: str) -> list[Route]:
    collection = f"{_ONE}/{COLLECTIONS[kind]}"
    rows = [
        _row("GET", collection, metadefs.list_of(kind), f"{kind}:list"),
        _row("DELETE", f"{collection}/<name>", metadefs.delete(kind), f"{kind}:delete"),
    ]
    if kind == "tag":
        rows.append(_row("POST", collection, metadefs.replace_tags, "tag:replace"))
        rows.append(_row("POST", f"{collection}/<name>", metadefs.create_tag, "tag:create"))
    else:
        rows.append(_row("POST", collection, metadefs.create(kind), f"{kind}:create"))
    if kind != "resource_type":
        rows.append(_row("GET", f"{collection}/<name>", metadefs.show(kind), f"{kind}:show"))
        rows.append(_row("PUT", f"{collection}/<name>", metadefs.update(kind), f"{kind}:update"))
        rows.append(_row("DELETE", collection, metadefs.clear(kind), f"{kind}:clear"))
    return rows


METADEFS = (
    _row("GET", _ALL, metadefs.list_namespaces, "namespaces:list"),
    _row("POST", _ALL, metadefs.create_namespace, "namespaces:create"),
    _row("GET", _ONE, metadefs.show_namespace, "namespaces:show"),
    _row("PUT", _ONE, metadefs.update_namespace, "namespaces:update"),
    _row("DELETE", _ONE, metadefs.delete_namespace, "namespaces:delete"),
    *(row for kind in COLLECTIONS for row in _of_kind(kind)),
    _row("GET", "/metadefs/resource_types", metadefs.list_resource_types, "resource_types:list"),
    _row("GET", "/schemas/metadefs/<name>", metadefs.schema, "schemas:show"),
)
