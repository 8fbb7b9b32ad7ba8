"""Key pairs of the caller, or of a user that an administrator names (2.10)."""

from __future__ import annotations

from api.compute import query
from api.compute.operations import keypairs
from api.compute.schemas import keypairs as schemas
from api.compute.views import keypairs as views
from api.compute.views import links
from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.paging import Page


def list_all(request: ApiRequest) -> Reply:
    paged = request.version >= Microversion(2, 35)
    page = query.page(request) if paged else Page(limit=request.services.config.api.max_limit)
    found = keypairs.list_page(request.services, _owner(request), Page(page.limit, page.marker))
    audience = reader(request)
    more = links.next_page(request, "os-keypairs", [row.name for row in found]) if paged else []
    body = {"keypairs": [views.item(row, audience) for row in found]}
    return Reply({**body, "keypairs_links": more} if more else body)


def show(request: ApiRequest, name: str) -> Reply:
    return Reply(views.show(keypairs.show(request.services, _owner(request), name), reader(request)))


def create(request: ApiRequest) -> Reply:
    if request.version >= Microversion(2, 92):
        validate(request.body, schemas.CREATE_292)
    elif request.version >= Microversion(2, 10):
        validate(request.body, schemas.CREATE_210)
    else:
        validate(request.body, schemas.CREATE_22 if request.version >= Microversion(2, 2) else schemas.CREATE)
    asked = request.body["keypair"]
    user_id = keypairs.owner(request.context, asked.get("user_id"))
    new = keypairs.NewKeypair(user_id, asked["name"], asked.get("type", "ssh"), asked.get("public_key"))
    made = keypairs.create(request.services, request.context, new)
    return Reply(views.created(made, reader(request)), 201 if request.version >= Microversion(2, 2) else 200)


def delete(request: ApiRequest, name: str) -> Reply:
    keypairs.delete(request.services, _owner(request), name)
    return Reply(status=204 if request.version >= Microversion(2, 2) else 202)


def _owner(request: ApiRequest) -> str:
    named = query.text(request, "user_id") if request.version >= Microversion(2, 10) else None
    return keypairs.owner(request.context, named)
