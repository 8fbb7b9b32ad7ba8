"""/<collection>/<id>/tags, the same for every kind of object: a table of routes for each."""

from __future__ import annotations

from functools import partial
from typing import Any

from api.network.operations import tags as operations
from api.network.operations.tags import Find
from api.network.schemas.tags import BODY, TAG
from api.policy import Rule
from api.request import ApiRequest, Reply
from api.routing import Route
from api.schema import validate
from common.db import floating_ips, networks, port_lists, routers, security_groups, sharing, subnets, trunks
from common.db.rbac_policies import ADDRESS_GROUP, QOS_POLICY, SUBNET_POOL

#: collection in paths, its parameter, and how an object is found
_TAGGED: list[tuple[str, str, Find]] = [
    ("networks", "network_id", networks.get_visible),
    ("subnets", "subnet_id", subnets.get_visible),
    ("ports", "port_id", port_lists.get_visible),
    ("security-groups", "group_id", security_groups.get_visible),
    ("security-group-rules", "rule_id", security_groups.get_rule),
    ("subnetpools", "subnetpool_id", lambda session, key, who: sharing.get_visible(session, SUBNET_POOL, key, who)),
    (
        "address-groups",
        "address_group_id",
        lambda session, key, who: sharing.get_visible(session, ADDRESS_GROUP, key, who),
    ),
    ("policies", "policy_id", lambda session, key, who: sharing.get_visible(session, QOS_POLICY, key, who)),
    ("qos/policies", "policy_id", lambda session, key, who: sharing.get_visible(session, QOS_POLICY, key, who)),
    ("trunks", "trunk_id", trunks.get_visible),
    ("routers", "router_id", routers.get_visible),
    ("floatingips", "floatingip_id", floating_ips.get_visible),
]


def routes() -> list[Route]:
    return [route for row in _TAGGED for route in rows(*row)]


def rows(collection: str, parameter: str, find: Find) -> list[Route]:
    """The routes of one kind of object. Some clients name QoS policies' tags without /qos."""
    path, key = f"/{collection}/<{parameter}>/tags", f"network:{collection.replace('-', '_').replace('/', '_')}_tags"

    def row(method: str, where: str, rule: Rule, handler: Any, verb: str) -> Route:
        return Route(method, where, None, None, None, rule, partial(handler, find, parameter), f"{key}:{verb}")

    return [
        row("GET", path, Rule.READER, _index, "list"),
        row("PUT", path, Rule.MEMBER, _replace, "update_all"),
        row("POST", path, Rule.MEMBER, _extend, "create"),
        row("DELETE", path, Rule.MEMBER, _clear, "delete_all"),
        row("GET", f"{path}/<tag>", Rule.READER, _show, "show"),
        row("PUT", f"{path}/<tag>", Rule.MEMBER, _add, "update"),
        row("DELETE", f"{path}/<tag>", Rule.MEMBER, _remove, "delete"),
    ]


def _index(find: Find, parameter: str, request: ApiRequest, **path: str) -> Reply:
    return Reply({"tags": operations.list_(request, find, path[parameter])})


def _replace(find: Find, parameter: str, request: ApiRequest, **path: str) -> Reply:
    validate(request.body, BODY)
    return Reply({"tags": operations.replace(request, find, path[parameter], request.body["tags"])})


def _extend(find: Find, parameter: str, request: ApiRequest, **path: str) -> Reply:
    validate(request.body, BODY)
    return Reply({"tags": operations.add(request, find, path[parameter], request.body["tags"])}, 201)


def _clear(find: Find, parameter: str, request: ApiRequest, **path: str) -> Reply:
    operations.replace(request, find, path[parameter], [])
    return Reply(status=204)


def _show(find: Find, parameter: str, request: ApiRequest, **path: str) -> Reply:
    operations.check(request, find, path[parameter], path["tag"])
    return Reply(status=204)


def _add(find: Find, parameter: str, request: ApiRequest, **path: str) -> Reply:
    validate(path["tag"], TAG)
    operations.add(request, find, path[parameter], [path["tag"]])
    return Reply(status=201)


def _remove(find: Find, parameter: str, request: ApiRequest, **path: str) -> Reply:
    operations.remove(request, find, path[parameter], path["tag"])
    return Reply(status=204)
