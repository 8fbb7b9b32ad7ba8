"""Servers: lists, show, update, delete."""

from __future__ import annotations

from typing import Any

from api.compute import query
from api.compute.handlers import server_filters
from api.compute.handlers.server_create import address
from api.compute.operations import server_actions, servers
from api.compute.operations.servers import ServerPage
from api.compute.schemas import servers as schemas
from api.compute.views import links
from api.compute.views import servers as views
from api.compute.views.fields import Body, reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import Schema, validate

_NOTHING = ServerPage((), {}, {}, {})


def list_summary(request: ApiRequest) -> Reply:
    wanted, page = server_filters.read(request), _page(request)
    found = _NOTHING if wanted is None else servers.list_summary(request.services, wanted, page)
    return _listed(request, found, views.summary_list(found, reader(request)), "servers")


def list_detail(request: ApiRequest) -> Reply:
    wanted, page = server_filters.read(request), _page(request)
    found = (
        _NOTHING
        if wanted is None
        else servers.list_detail(request.services, wanted, page, whole=request.version >= Microversion(2, 98))
    )
    return _listed(request, found, views.detail_list(found, reader(request)), "servers/detail")


def show(request: ApiRequest, server_id: str) -> Reply:
    found = servers.show(request.services, request.context, server_id)
    return Reply({"server": views.show(found, reader(request))})


def update(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, _update_schema(request.version))
    changes = _changes(request.body["server"])
    found = servers.update(request.services, request.context, server_id, changes)
    return Reply({"server": views.updated(found, reader(request))})


def _update_schema(version: Microversion) -> Schema:
    if version >= Microversion(2, 104):
        return schemas.UPDATE_2104
    if version >= Microversion(2, 94):
        return schemas.UPDATE_294
    if version >= Microversion(2, 90):
        return schemas.UPDATE_290
    return schemas.UPDATE_219 if version >= Microversion(2, 19) else schemas.UPDATE


def delete(request: ApiRequest, server_id: str) -> Reply:
    server_actions.delete(request.services, request.context, server_id)
    return Reply(status=204)


def _page(request: ApiRequest) -> Any:
    ignored = server_filters.ignored_sort_keys(request.version)
    return query.page(request, ignored=ignored, admin_only=server_filters.ADMIN_SORT_KEYS)


def _listed(request: ApiRequest, found: ServerPage, bodies: list[Body], noun: str) -> Reply:
    more = links.next_page(request, noun, [row.id for row in found.instances])
    return Reply({"servers": bodies, **({"servers_links": more} if more else {})})


def _changes(server: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {key: server[key] for key in ("name", "description", "hostname") if key in server}
    if "OS-DCF:diskConfig" in server:
        changes["disk_config"] = server["OS-DCF:diskConfig"]
    if "pinned_availability_zone" in server:
        changes["availability_zone"] = server["pinned_availability_zone"]
    if "accessIPv4" in server:
        changes["access_ip_v4"] = address(server, "accessIPv4", 4)
    if "accessIPv6" in server:
        changes["access_ip_v6"] = address(server, "accessIPv6", 6)
    return changes
