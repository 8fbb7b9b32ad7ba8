"""/security-groups and /security-group-rules."""

from __future__ import annotations

from api.network import listing
from api.network.operations import security_group_rules as rule_operations
from api.network.operations import security_groups as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.security_groups import SECURITY_GROUP, SECURITY_GROUP_RULE
from api.network.views import security_groups as views
from api.request import ApiRequest, Reply
from common.db.network_tags import FILTERS
from common.db.security_groups import GROUP_COLUMNS, RULE_COLUMNS

NAMES = (SECURITY_GROUP.singular, SECURITY_GROUP.plural)
RULE_NAMES = (SECURITY_GROUP_RULE.singular, SECURITY_GROUP_RULE.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, SECURITY_GROUP)
    made = operations.create(request, bodies)
    return listing.made(request, NAMES, [views.group(item) for item in made], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {*GROUP_COLUMNS, *FILTERS, "shared"})
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, SECURITY_GROUP.plural, [views.group(item) for item in found])


def show(request: ApiRequest, group_id: str) -> Reply:
    return listing.single(request, SECURITY_GROUP.singular, views.group(operations.show(request, group_id)))


def update(request: ApiRequest, group_id: str) -> Reply:
    changed = operations.update(request, group_id, parse_update(request, SECURITY_GROUP))
    return listing.single(request, SECURITY_GROUP.singular, views.group(changed))


def delete(request: ApiRequest, group_id: str) -> Reply:
    operations.delete(request, group_id)
    return Reply(status=204)


def create_rule(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, SECURITY_GROUP_RULE)
    made, defaults = rule_operations.create(request, bodies)
    return listing.made(request, RULE_NAMES, [views.rule(row, defaults) for row in made], bulk)


def index_rules(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {*RULE_COLUMNS, *FILTERS})
    rows, defaults = rule_operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, SECURITY_GROUP_RULE.plural, [views.rule(row, defaults) for row in rows])


def show_rule(request: ApiRequest, rule_id: str) -> Reply:
    row, defaults = rule_operations.show(request, rule_id)
    return listing.single(request, SECURITY_GROUP_RULE.singular, views.rule(row, defaults))


def delete_rule(request: ApiRequest, rule_id: str) -> Reply:
    rule_operations.delete(request, rule_id)
    return Reply(status=204)
