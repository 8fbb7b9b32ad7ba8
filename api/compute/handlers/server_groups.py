"""os-server-groups."""

from __future__ import annotations

from typing import Any

from api.compute import query
from api.compute.operations import server_groups
from api.compute.schemas import server_groups as schemas
from api.compute.views import server_groups as views
from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import InvalidRequest

WITH_RULES = Microversion(2, 64)


def list_all(request: ApiRequest) -> Reply:
    most = request.services.config.api.max_limit
    found = server_groups.list_page(
        request.services, request.context, every_project="all_projects" in request.query,
        limit=min(query.number(request, "limit", most) or most, most), offset=query.number(request, "offset", 0),
    )  # fmt: skip
    audience = reader(request)
    return Reply({"server_groups": [views.group(row, audience) for row in found]})


def show(request: ApiRequest, server_group_id: str) -> Reply:
    found = server_groups.show(request.services, request.context, server_group_id)
    return Reply({"server_group": views.group(found, reader(request))})


def create(request: ApiRequest) -> Reply:
    if request.version >= WITH_RULES:
        validate(request.body, schemas.CREATE_264)
    else:
        validate(request.body, schemas.CREATE_215 if request.version >= Microversion(2, 15) else schemas.CREATE)
    asked: dict[str, Any] = request.body["server_group"]
    policy = asked["policy"] if request.version >= WITH_RULES else asked["policies"][0]
    most = asked.get("rules", {}).get("max_server_per_host")
    if most is not None and policy != "anti-affinity":
        raise InvalidRequest(f"Only anti-affinity policy supports rules: {policy} does not.")
    if most is not None and int(most) < 1:
        raise InvalidRequest("Invalid input for field/attribute max_server_per_host. It is at least 1.")
    made = server_groups.create(
        request.services, request.context, asked["name"], policy, None if most is None else int(most)
    )
    return Reply({"server_group": views.group(made, reader(request))})


def delete(request: ApiRequest, server_group_id: str) -> Reply:
    server_groups.delete(request.services, request.context, server_group_id)
    return Reply(status=204)
