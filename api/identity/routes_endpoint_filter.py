"""The rows of OS-EP-FILTER."""

from __future__ import annotations

from api.identity.handlers import endpoint_filter as handlers
from api.policy import Rule
from api.routing import Handler, Route

_TOP = "/OS-EP-FILTER"
_GROUP = f"{_TOP}/endpoint_groups/<endpoint_group_id>"
_GROUP_PROJECT = f"{_GROUP}/projects/<project_id>"
_PROJECT = f"{_TOP}/projects/<project_id>"


def _row(method: str, path: str, handler: Handler, key: str) -> Route:
    rule = Rule.CLOUD_READER if method == "GET" else Rule.CLOUD_ADMIN
    return Route(method, path, None, None, None, rule, handler, f"identity:{key}")


ENDPOINT_FILTER = [
    _row("GET", f"{_TOP}/endpoint_groups", handlers.list_groups, "list_endpoint_groups"),
    _row("POST", f"{_TOP}/endpoint_groups", handlers.create, "create_endpoint_group"),
    _row("GET", _GROUP, handlers.show, "get_endpoint_group"),
    _row("PATCH", _GROUP, handlers.update, "update_endpoint_group"),
    _row("DELETE", _GROUP, handlers.delete, "delete_endpoint_group"),
    _row("GET", f"{_GROUP}/endpoints", handlers.endpoints_of_group, "list_endpoints_associated_with_endpoint_group"),
    _row("GET", f"{_GROUP}/projects", handlers.projects_of_group, "list_projects_associated_with_endpoint_group"),
    _row("GET", _GROUP_PROJECT, handlers.show_association, "get_endpoint_group_in_project"),
    _row("PUT", _GROUP_PROJECT, handlers.associate, "add_endpoint_group_to_project"),
    _row("DELETE", _GROUP_PROJECT, handlers.dissociate, "remove_endpoint_group_from_project"),
    _row(
        "GET", f"{_TOP}/endpoints/<endpoint_id>/projects", handlers.projects_of_endpoint, "list_projects_for_endpoint"
    ),
    _row("GET", f"{_PROJECT}/endpoints", handlers.endpoints_of_project, "list_endpoints_for_project"),
    _row("GET", f"{_PROJECT}/endpoint_groups", handlers.groups_of_project, "list_endpoint_groups_for_project"),
    _row("GET", f"{_PROJECT}/endpoints/<endpoint_id>", handlers.check_endpoint, "check_endpoint_in_project"),
    _row("PUT", f"{_PROJECT}/endpoints/<endpoint_id>", handlers.add_endpoint, "add_endpoint_to_project"),
    _row("DELETE", f"{_PROJECT}/endpoints/<endpoint_id>", handlers.remove_endpoint, "remove_endpoint_from_project"),
]
