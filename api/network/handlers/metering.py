"""/metering/metering-labels and their rules, for administrators. What was counted, the gateway nodes' /metrics tell."""

from __future__ import annotations

from typing import Any

from api.network import listing
from api.network.operations import metering as operations
from api.network.resource import parse_create
from api.network.schemas.metering import LABEL, LABEL_RULE
from api.request import ApiRequest, Reply
from common.db.metering import COLUMNS, RULE_COLUMNS
from common.db.models import MeteringLabel, MeteringRule

NAMES = (LABEL.singular, LABEL.plural)
RULE_NAMES = (LABEL_RULE.singular, LABEL_RULE.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, LABEL)
    return listing.made(request, NAMES, [_label(row) for row in operations.create(request, bodies)], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, COLUMNS)
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, LABEL.plural, [_label(row) for row in found])


def show(request: ApiRequest, metering_label_id: str) -> Reply:
    return listing.single(request, LABEL.singular, _label(operations.show(request, metering_label_id)))


def delete(request: ApiRequest, metering_label_id: str) -> Reply:
    operations.delete(request, metering_label_id)
    return Reply(status=204)


def create_rule(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, LABEL_RULE)
    return listing.made(request, RULE_NAMES, [_rule(row) for row in operations.create_rules(request, bodies)], bulk)


def index_rules(request: ApiRequest) -> Reply:
    asked = listing.parse(request, RULE_COLUMNS)
    found = operations.list_rules(request, asked.filters, asked.page)
    return listing.reply(request, asked, LABEL_RULE.plural, [_rule(row) for row in found])


def show_rule(request: ApiRequest, metering_rule_id: str) -> Reply:
    return listing.single(request, LABEL_RULE.singular, _rule(operations.show_rule(request, metering_rule_id)))


def delete_rule(request: ApiRequest, metering_rule_id: str) -> Reply:
    operations.delete_rule(request, metering_rule_id)
    return Reply(status=204)


def _label(row: MeteringLabel) -> dict[str, Any]:
    return {
        "id": row.id,
        "project_id": row.project_id,
        "tenant_id": row.project_id,
        "name": row.name,
        "description": row.description,
        "shared": row.shared,
    }


def _rule(row: MeteringRule) -> dict[str, Any]:
    return {
        "id": row.id,
        "metering_label_id": row.metering_label_id,
        "direction": row.direction,
        "excluded": row.excluded,
        "remote_ip_prefix": row.remote_ip_prefix,
        "source_ip_prefix": row.source_ip_prefix,
        "destination_ip_prefix": row.destination_ip_prefix,
    }
