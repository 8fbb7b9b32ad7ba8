"""/OS-TRUST/trusts."""

from __future__ import annotations

from api.identity import listing
from api.identity.operations import trusts as operations
from api.identity.schemas.trusts import CREATE
from api.identity.views import roles as role_views
from api.identity.views import trusts as views
from api.request import ApiRequest, Reply
from api.schema import validate


def list_trusts(request: ApiRequest) -> Reply:
    filters = listing.text_filters(request, "trustor_user_id", "trustee_user_id")
    rows = operations.list_trusts(request.services, request.context, filters, listing.page_of(request))
    return listing.listed(request, "trusts", rows, views.listed, lambda row: row.id)


def show(request: ApiRequest, trust_id: str) -> Reply:
    shown = operations.show(request.services, request.context, trust_id)
    return Reply({"trust": views.trust(shown, request.base_url)})


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE)
    shown = operations.create(request.services, request.context, request.body["trust"])
    return Reply({"trust": views.trust(shown, request.base_url)}, 201)


def delete(request: ApiRequest, trust_id: str) -> Reply:
    operations.delete(request.services, request.context, trust_id)
    return Reply(status=204)


def list_roles(request: ApiRequest, trust_id: str) -> Reply:
    shown = operations.show(request.services, request.context, trust_id, "list_roles_for_trust")
    return listing.collection(request, "roles", (role_views.role(row, request.base_url) for row in shown.roles))


def show_role(request: ApiRequest, trust_id: str, role_id: str) -> Reply:
    row = operations.show_role(request.services, request.context, trust_id, role_id)
    return Reply({"role": role_views.role(row, request.base_url)})
