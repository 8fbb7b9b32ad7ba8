"""What the service says about itself: versions, schemas, import methods, stores."""

from __future__ import annotations

from api.image.operations import imports, quota
from api.image.operations import stores as operations
from api.image.views.documents import SCHEMAS, import_methods_body, stores_body, versions_body
from api.request import ApiRequest, Reply
from common.errors import NotFound


def choose_version(request: ApiRequest) -> Reply:
    """300: the client has not said which version it speaks."""
    return Reply(versions_body(request.base_url), 300)


def list_versions(request: ApiRequest) -> Reply:
    return Reply(versions_body(request.base_url))


def schema(_request: ApiRequest, name: str) -> Reply:
    if name not in SCHEMAS:
        raise NotFound(f"There is no schema named {name[:64]!r}; there are {', '.join(SCHEMAS)}.")
    return Reply(SCHEMAS[name])


def import_methods(request: ApiRequest) -> Reply:
    return Reply(import_methods_body(imports.methods(request.services.config.image)))


def stores(request: ApiRequest) -> Reply:
    return Reply(stores_body(operations.shown(request.services), detail=False))


def stores_detail(request: ApiRequest) -> Reply:
    return Reply(stores_body(operations.shown(request.services), detail=True))


def usage(request: ApiRequest) -> Reply:
    return Reply({"usage": quota.usage(request.services, request.context)})
