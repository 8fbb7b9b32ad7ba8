"""/roles, and which implies which."""

from __future__ import annotations

from api.identity import listing
from api.identity.operations import roles as operations
from api.identity.schemas.roles import CREATE, UPDATE
from api.identity.views import roles as views
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.models import Role


def list_roles(request: ApiRequest) -> Reply:
    filters = listing.name_filters(request) | listing.text_filters(request, "id", "domain_id")
    rows = operations.list_roles(request.services, request.context, filters, listing.page_of(request))
    return listing.listed(request, "roles", rows, views.role, lambda row: row.id)


def show(request: ApiRequest, role_id: str) -> Reply:
    return Reply({"role": views.role(operations.show(request.services, request.context, role_id), request.base_url)})


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE)
    row = operations.create(request.services, request.body["role"])
    return Reply({"role": views.role(row, request.base_url)}, 201)


def update(request: ApiRequest, role_id: str) -> Reply:
    validate(request.body, UPDATE)
    row = operations.update(request.services, request.context, role_id, request.body["role"])
    return Reply({"role": views.role(row, request.base_url)})


def delete(request: ApiRequest, role_id: str) -> Reply:
    operations.delete(request.services, request.context, role_id)
    return Reply(status=204)


def list_inferences(request: ApiRequest) -> Reply:
    rules = views.inferences(operations.inferences(request.services), request.base_url)
    return listing.collection(request, "role_inferences", rules)


def list_implied(request: ApiRequest, role_id: str) -> Reply:
    prior, implied = operations.implied_by(request.services, role_id)
    links = {"self": listing.self_url(request)}
    return Reply({"role_inference": views.inference(prior, implied, request.base_url), "links": links})


def show_implied(request: ApiRequest, role_id: str, implied_role_id: str) -> Reply:
    return _one(request, *operations.implication(request.services, role_id, implied_role_id))


def check_implied(request: ApiRequest, role_id: str, implied_role_id: str) -> Reply:
    """HEAD: 204, where GET answers 200."""
    operations.implication(request.services, role_id, implied_role_id)
    return Reply(status=204)


def imply(request: ApiRequest, role_id: str, implied_role_id: str) -> Reply:
    return _one(request, *operations.imply(request.services, role_id, implied_role_id), status=201)


def stop_implying(request: ApiRequest, role_id: str, implied_role_id: str) -> Reply:
    operations.stop_implying(request.services, role_id, implied_role_id)
    return Reply(status=204)


def _one(request: ApiRequest, prior: Role, implied: Role, status: int = 200) -> Reply:
    shown = {
        "prior_role": views.brief(prior, request.base_url),
        "implies": views.brief(implied, request.base_url),
    }
    return Reply({"role_inference": shown, "links": {"self": listing.self_url(request)}}, status)
