"""os-networks, os-tenant-networks, os-security-groups and os-security-group-rules, until 2.35."""

from __future__ import annotations

from api.compute import query
from api.compute.operations import network_proxies
from api.compute.operations.server_security_groups import GroupWithRules
from api.compute.schemas import network_proxies as schemas
from api.compute.views import network_proxies as views
from api.compute.views import security_groups as group_views
from api.request import ApiRequest, Reply
from api.schema import validate


def list_networks(request: ApiRequest) -> Reply:
    return Reply({"networks": [views.network(row) for row in network_proxies.list_networks(request)]})


def show_network(request: ApiRequest, network_id: str) -> Reply:
    return Reply({"network": views.network(network_proxies.show_network(request, network_id))})


def list_tenant_networks(request: ApiRequest) -> Reply:
    return Reply({"networks": [views.tenant_network(row) for row in network_proxies.list_networks(request)]})


def show_tenant_network(request: ApiRequest, network_id: str) -> Reply:
    return Reply({"network": views.tenant_network(network_proxies.show_network(request, network_id))})


def list_groups(request: ApiRequest) -> Reply:
    most = request.services.config.api.max_limit
    found = network_proxies.list_groups(
        request, every_project="all_tenants" in request.query,
        limit=min(query.number(request, "limit", most) or most, most), offset=query.number(request, "offset", 0),
    )  # fmt: skip
    return Reply({"security_groups": [group_views.group(each) for each in found]})


def show_group(request: ApiRequest, group_id: str) -> Reply:
    return _one(network_proxies.show_group(request, group_id))


def create_group(request: ApiRequest) -> Reply:
    validate(request.body, schemas.CREATE_GROUP)
    asked = request.body["security_group"]
    return _one(network_proxies.create_group(request, asked["name"], asked["description"]))


def update_group(request: ApiRequest, group_id: str) -> Reply:
    validate(request.body, schemas.UPDATE_GROUP)
    return _one(network_proxies.update_group(request, group_id, dict(request.body["security_group"])))


def delete_group(request: ApiRequest, group_id: str) -> Reply:
    network_proxies.delete_group(request, group_id)
    return Reply(status=202)


def create_rule(request: ApiRequest) -> Reply:
    validate(request.body, schemas.CREATE_RULE)
    made = network_proxies.create_rule(request, request.body["security_group_rule"])
    return Reply({"security_group_rule": group_views.rule(made.rule, made.remote_names)})


def delete_rule(request: ApiRequest, rule_id: str) -> Reply:
    network_proxies.delete_rule(request, rule_id)
    return Reply(status=202)


def _one(found: GroupWithRules) -> Reply:
    return Reply({"security_group": group_views.group(found)})
