"""/default-security-group-rules."""

from __future__ import annotations

from typing import Any

from api.network import listing
from api.network.operations import default_group_rules as operations
from api.network.resource import parse_create
from api.network.schemas.security_groups import DEFAULT_RULE
from api.request import ApiRequest, Reply
from common.db.default_group_rules import COLUMNS, TemplateRule

NAMES = (DEFAULT_RULE.singular, DEFAULT_RULE.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, DEFAULT_RULE)
    return listing.made(request, NAMES, [_view(each) for each in operations.create(request, bodies)], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {*COLUMNS, "remote_group_id"})
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, DEFAULT_RULE.plural, [_view(each) for each in found])


def show(request: ApiRequest, default_rule_id: str) -> Reply:
    return listing.single(request, DEFAULT_RULE.singular, _view(operations.show(request, default_rule_id)))


def delete(request: ApiRequest, default_rule_id: str) -> Reply:
    operations.delete(request, default_rule_id)
    return Reply(status=204)


def _view(each: TemplateRule) -> dict[str, Any]:
    rule = each.rule
    return {
        "id": each.id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "remote_group_id": rule.remote_group_id,
        "remote_address_group_id": rule.remote_address_group_id,
        "used_in_default_sg": each.in_default,
        "used_in_non_default_sg": each.in_others,
        "description": rule.description,
    }
