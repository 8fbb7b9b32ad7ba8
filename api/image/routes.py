"""The image API's table of contents: Glance v2."""

from __future__ import annotations

from api.errors import image_form
from api.image.handlers import caches, documents, files, images, members, tags, tasks
from api.image.operations.access import look
from api.image.routes_metadefs import METADEFS
from api.policy import Rule
from api.routing import Api, Handler, Route

_IMAGE = "/images/<image_id>"
_MEMBER = f"{_IMAGE}/members/<member_id>"


def _route(method: str, path: str, rule: Rule, handler: Handler, key: str, *, raw_body: bool = False) -> Route:
    seen = look if path.startswith(_IMAGE) else None
    return Route(method, path, None, None, None, rule, handler, f"image:{key}", raw_body, seen)


V2 = (
    _route("POST", "/images", Rule.MEMBER, images.create, "images:create"),
    _route("GET", "/images", Rule.READER, images.list_images, "images:list"),
    _route("GET", _IMAGE, Rule.READER, images.show, "images:show"),
    _route("PATCH", _IMAGE, Rule.MEMBER, images.update, "images:update"),
    _route("DELETE", _IMAGE, Rule.MEMBER, images.delete, "images:delete"),
    _route("PUT", f"{_IMAGE}/file", Rule.MEMBER, files.upload, "images:upload", raw_body=True),
    _route("PUT", f"{_IMAGE}/stage", Rule.MEMBER, files.stage, "images:stage", raw_body=True),
    _route("POST", f"{_IMAGE}/import", Rule.MEMBER, files.start_import, "images:import"),
    _route("GET", f"{_IMAGE}/file", Rule.MEMBER, files.download, "images:download"),
    _route("POST", f"{_IMAGE}/actions/deactivate", Rule.MEMBER, images.deactivate, "images:deactivate"),
    _route("POST", f"{_IMAGE}/actions/reactivate", Rule.MEMBER, images.reactivate, "images:reactivate"),
    _route("GET", f"{_IMAGE}/tasks", Rule.READER, images.list_tasks, "images:list_tasks"),
    _route("PUT", f"{_IMAGE}/tags/<tag>", Rule.MEMBER, tags.add, "tags:add"),
    _route("DELETE", f"{_IMAGE}/tags/<tag>", Rule.MEMBER, tags.remove, "tags:remove"),
    _route("POST", f"{_IMAGE}/members", Rule.MEMBER, members.add, "members:add"),
    _route("GET", f"{_IMAGE}/members", Rule.READER, members.list_members, "members:list"),
    _route("GET", _MEMBER, Rule.READER, members.show, "members:show"),
    _route("PUT", _MEMBER, Rule.MEMBER, members.answer, "members:answer"),
    _route("DELETE", _MEMBER, Rule.MEMBER, members.remove, "members:remove"),
    _route("GET", "/schemas/<name>", Rule.AUTHENTICATED, documents.schema, "schemas:show"),
    *METADEFS,
    _route("GET", "/info/import", Rule.AUTHENTICATED, documents.import_methods, "info:import"),
    _route("GET", "/info/stores", Rule.AUTHENTICATED, documents.stores, "info:stores"),
    _route("GET", "/info/stores/detail", Rule.ADMIN, documents.stores_detail, "info:stores_detail"),
    _route("DELETE", "/stores/<store_id>/<image_id>", Rule.ADMIN, images.delete_from_store, "stores:delete_image"),
    _route("GET", "/cache", Rule.CLOUD_ADMIN, caches.show, "cache:list"),
    _route("DELETE", "/cache", Rule.CLOUD_ADMIN, caches.clear, "cache:clear"),
    _route("PUT", "/cache/<image_id>", Rule.CLOUD_ADMIN, caches.queue, "cache:queue"),
    _route("DELETE", "/cache/<image_id>", Rule.CLOUD_ADMIN, caches.drop, "cache:delete"),
    _route("GET", "/tasks", Rule.ADMIN, tasks.list_tasks, "tasks:list"),
    _route("GET", "/tasks/<task_id>", Rule.ADMIN, tasks.show, "tasks:show"),
    _route("GET", "/info/usage", Rule.READER, documents.usage, "info:usage"),
)
VERSIONS = (
    _route("GET", "", Rule.PUBLIC, documents.choose_version, "versions:choose"),
    _route("GET", "/v2", Rule.PUBLIC, documents.choose_version, "versions:choose_v2"),
    _route("GET", "/versions", Rule.PUBLIC, documents.list_versions, "versions:list"),
)

APIS = [
    Api("image", "/image/v2", V2, image_form),
    Api("image", "/image", VERSIONS, image_form),
]
