"""/auth: tokens, the caller's catalogue and where the caller may go."""

from __future__ import annotations

from api.identity import listing
from api.identity.bodies import validate_secret
from api.identity.operations import projects as project_operations
from api.identity.operations import tokens
from api.identity.schemas.auth import CREATE_TOKEN
from api.identity.views import domains as domain_views
from api.identity.views import projects as project_views
from api.identity.views import tokens as views
from api.request import ApiRequest, Reply
from common.errors import InvalidRequest


def create_token(request: ApiRequest) -> Reply:
    validate_secret(request.body, CREATE_TOKEN)
    issued = tokens.issue(
        request.services, request.context, request.body["auth"], with_catalog="nocatalog" not in request.query
    )
    return Reply(views.token(issued), 201, {"X-Subject-Token": issued.token})


def show_token(request: ApiRequest) -> Reply:
    shown = tokens.show(
        request.services, request.context, _subject_token(request), with_catalog="nocatalog" not in request.query
    )
    return Reply(views.token(shown), 200, {"X-Subject-Token": shown.token})


def revoke_token(request: ApiRequest) -> Reply:
    tokens.revoke(request.services, request.context, _subject_token(request))
    return Reply(status=204)


def _subject_token(request: ApiRequest) -> str:
    token = request.headers.get("X-Subject-Token")
    if not token:
        raise InvalidRequest("Expecting to find the header X-Subject-Token.")
    return token


def show_catalog(request: ApiRequest) -> Reply:
    entries = tokens.catalog_of(request.services, request.context)
    return Reply(views.auth_catalog(entries, request.context, listing.self_url(request)))


def list_projects(request: ApiRequest) -> Reply:
    rows = project_operations.list_own(request.services, request.context, listing.page_of(request))
    return listing.listed(request, "projects", rows, project_views.project, lambda row: row.id)


def list_domains(request: ApiRequest) -> Reply:
    rows = project_operations.list_own_domains(request.services, request.context)
    return listing.collection(request, "domains", (domain_views.domain(row, request.base_url) for row in rows))


def list_system(request: ApiRequest) -> Reply:
    has_role = project_operations.has_system_role(request.services, request.context)
    return listing.collection(request, "system", [{"all": True}] if has_role else [])
