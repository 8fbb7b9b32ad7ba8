"""Cumulet's own API: what OpenStack has no call for."""

from __future__ import annotations

from api.cumulet.handlers import audit, bus, nodes, operations, schedule, servers, versions
from api.errors import plain_form
from api.policy import Rule
from api.routing import Api, Handler, Route


def _get(path: str, rule: Rule, handler: Handler, key: str) -> Route:
    return Route("GET", path, None, None, None, rule, handler, f"cumulet:{key}")


def _post(path: str, rule: Rule, handler: Handler, key: str) -> Route:
    return Route("POST", path, None, None, None, rule, handler, f"cumulet:{key}")


V1 = (
    _get("", Rule.PUBLIC, versions.show, "version:show"),
    _get("/servers/<server_id>/why", Rule.READER, servers.why, "servers:why"),
    _get("/servers/<server_id>/trace", Rule.READER, servers.trace, "servers:trace"),
    _get("/operations", Rule.READER, operations.list_operations, "operations:list"),
    _get("/operations/<operation_id>", Rule.READER, operations.show, "operations:show"),
    _get("/audit/resources", Rule.ADMIN, audit.resources, "audit:resources"),
    _post("/audit/resources/repair", Rule.ADMIN, audit.repair, "audit:repair"),
    _get("/nodes", Rule.ADMIN, nodes.list_nodes, "nodes:list"),
    _post("/nodes/tokens", Rule.ADMIN, nodes.create_token, "nodes:create_token"),
    _post("/nodes/join", Rule.PUBLIC, nodes.join, "nodes:join"),
    _get("/nodes/<node>", Rule.ADMIN, nodes.show, "nodes:show"),
    _post("/schedule", Rule.ADMIN, schedule.dry_run, "schedule:dry_run"),
    _post("/nodes/<node>/forget", Rule.ADMIN, nodes.forget, "nodes:forget"),
    _get("/nodes/images/<image_id>/file", Rule.NODE, nodes.image_file, "nodes:image_file"),
    Route(
        "PUT",
        "/nodes/images/<image_id>/file",
        None,
        None,
        None,
        Rule.NODE,
        nodes.receive_snapshot,
        "cumulet:nodes:receive_snapshot",
        raw_body=True,
    ),
    _get("/nodes/servers/<server_id>/password", Rule.NODE, nodes.guest_password, "nodes:guest_password"),
    Route(
        "PUT",
        "/nodes/servers/<server_id>/password",
        None,
        None,
        None,
        Rule.NODE,
        nodes.leave_guest_password,
        "cumulet:nodes:leave_guest_password",
        raw_body=True,
    ),
    _get("/bus", Rule.ADMIN, bus.show, "bus:show"),
    _get("/bus/dead-letters", Rule.ADMIN, bus.dead_letters, "bus:dead_letters"),
)
VERSIONS = (_get("", Rule.PUBLIC, versions.list_versions, "versions:list"),)

APIS = [
    Api("cumulet", "/cumulet/v1", V1, plain_form),
    Api("cumulet-versions", "/cumulet", VERSIONS, plain_form),
]
