"""/projects, their tags and their trees."""

from __future__ import annotations

from typing import Any

from api.identity import listing
from api.identity.operations import projects as operations
from api.identity.operations.projects import MAX_TAGS
from api.identity.schemas.projects import CREATE, REPLACE_TAGS, UPDATE
from api.identity.views import projects as views
from api.request import ApiRequest, Reply
from api.schema import validate
from common.db.projects import TAG_FILTERS
from common.errors import InvalidRequest, NotFound


def list_projects(request: ApiRequest) -> Reply:
    if listing.flag(request, "is_domain"):
        return listing.collection(request, "projects", [])  # domains are no projects here
    filters = listing.name_filters(request) | listing.text_filters(request, "id", "domain_id", "parent_id")
    filters |= listing.enabled_filter(request) | _tag_filters(request)
    rows = operations.list_projects(request.services, request.context, filters, listing.page_of(request))
    return listing.listed(request, "projects", rows, views.project, lambda row: row.id)


def _tag_filters(request: ApiRequest) -> dict[str, Any]:
    """Lists of tags, separated by commas, which no tag has."""
    return {name: text.split(",")[:MAX_TAGS] for name in TAG_FILTERS if (text := request.arg(name)) is not None}


def show(request: ApiRequest, project_id: str) -> Reply:
    row = operations.show(request.services, request.context, project_id)
    above, below = (_family_form(request, name) for name in ("parents", "subtree"))
    family = operations.family_of(request.services, request.context, row, above=above, below=below)
    shown = views.project(row, request.base_url) | views.family(family, row, request.base_url, above, below)
    return Reply({"project": shown})


def _family_form(request: ApiRequest, name: str) -> str | None:
    wanted = [form for form in ("ids", "list") if listing.flag(request, f"{name}_as_{form}")]
    if len(wanted) > 1:
        raise InvalidRequest(f"Cannot use {name}_as_list and {name}_as_ids query params at the same time.")
    return wanted[0] if wanted else None


def list_tags(request: ApiRequest, project_id: str) -> Reply:
    tags = operations.show_tags(request.services, request.context, project_id, "list_project_tags")
    return Reply({"tags": tags, "links": {"next": None, "self": listing.self_url(request), "previous": None}})


def check_tag(request: ApiRequest, project_id: str, tag: str) -> Reply:
    if tag not in operations.show_tags(request.services, request.context, project_id, "get_project_tag"):
        raise NotFound(f"Could not find project tag: {tag[:255]}.")
    return Reply(status=204)


def replace_tags(request: ApiRequest, project_id: str) -> Reply:
    validate(request.body, REPLACE_TAGS)
    wanted = list(request.body["tags"])
    tags = operations.change_tags(
        request.services, request.context, project_id, "update_project_tags", lambda _: wanted
    )
    return Reply({"tags": tags, "links": {"next": None, "self": listing.self_url(request), "previous": None}})


def remove_tags(request: ApiRequest, project_id: str) -> Reply:
    operations.change_tags(request.services, request.context, project_id, "delete_project_tags", lambda _: [])
    return Reply(status=204)


def add_tag(request: ApiRequest, project_id: str, tag: str) -> Reply:
    validate({"tags": [tag]}, REPLACE_TAGS)
    operations.change_tags(
        request.services,
        request.context,
        project_id,
        "create_project_tag",
        lambda tags: tags if tag in tags else [*tags, tag],
    )
    return Reply(status=201, headers={"Location": listing.self_url(request)})


def remove_tag(request: ApiRequest, project_id: str, tag: str) -> Reply:
    def without(tags: list[str]) -> list[str]:
        if tag not in tags:
            raise NotFound(f"Could not find project tag: {tag[:255]}.")
        return [other for other in tags if other != tag]

    operations.change_tags(request.services, request.context, project_id, "delete_project_tag", without)
    return Reply(status=204)


def create(request: ApiRequest) -> Reply:
    validate(request.body, CREATE)
    row = operations.create(request.services, request.context, request.body["project"])
    return Reply({"project": views.project(row, request.base_url)}, 201)


def update(request: ApiRequest, project_id: str) -> Reply:
    validate(request.body, UPDATE)
    row = operations.update(request.services, request.context, project_id, request.body["project"])
    return Reply({"project": views.project(row, request.base_url)})


def delete(request: ApiRequest, project_id: str) -> Reply:
    operations.delete(request.services, request.context, project_id)
    return Reply(status=204)
