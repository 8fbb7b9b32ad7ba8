"""/log/logs and /log/loggable-resources, for administrators. What was logged is in the nodes' packets.log."""

from __future__ import annotations

from typing import Any

from api.network import listing
from api.network.operations import logs as operations
from api.network.resource import parse_create, parse_update
from api.network.schemas.logs import LOG, LOGGABLE
from api.network.views.sharing import owned, standard
from api.request import ApiRequest, Reply
from common.db.models import NetworkLog
from common.db.network_logs import COLUMNS

NAMES = (LOG.singular, LOG.plural)


def create(request: ApiRequest) -> Reply:
    bodies, bulk = parse_create(request, LOG)
    return listing.made(request, NAMES, [_log(row) for row in operations.create(request, bodies)], bulk)


def index(request: ApiRequest) -> Reply:
    asked = listing.parse(request, COLUMNS)
    found = operations.list_(request, asked.filters, asked.page)
    return listing.reply(request, asked, LOG.plural, [_log(row) for row in found])


def show(request: ApiRequest, log_id: str) -> Reply:
    return listing.single(request, LOG.singular, _log(operations.show(request, log_id)))


def update(request: ApiRequest, log_id: str) -> Reply:
    changed = operations.update(request, log_id, parse_update(request, LOG))
    return listing.single(request, LOG.singular, _log(changed))


def delete(request: ApiRequest, log_id: str) -> Reply:
    operations.delete(request, log_id)
    return Reply(status=204)


def loggable(request: ApiRequest) -> Reply:
    asked = listing.parse(request, {"type"})
    types = [each for each in LOGGABLE if each in asked.filters.get("type", [each])]
    return Reply({"loggable_resources": [{"type": each} for each in types]})


def _log(row: NetworkLog) -> dict[str, Any]:
    facts = standard(row)
    del facts["tags"]
    return {
        **owned(row),
        "name": row.name,
        "description": row.description,
        "resource_type": row.resource_type,
        "resource_id": row.resource_id,
        "target_id": row.target_id,
        "event": row.event,
        "enabled": row.enabled,
        **facts,
    }
