"""os-migrations and /servers/{id}/migrations: moves of servers between nodes. Nothing moves a server yet: there are none."""

from __future__ import annotations

from api.compute import query
from api.compute.operations import servers
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from common.errors import InvalidRequest, NotFound

_FILTERS = frozenset({"hidden", "host", "instance_uuid", "migration_type", "source_compute", "status"})
_SINCE = {
    "limit": Microversion(2, 59), "marker": Microversion(2, 59), "changes-since": Microversion(2, 59),
    "changes-before": Microversion(2, 66), "user_id": Microversion(2, 80), "project_id": Microversion(2, 80),
}  # fmt: skip
STRICT = Microversion(2, 59)


def list_all(request: ApiRequest) -> Reply:
    """Raises InvalidRequest for a parameter that isn't known, or a marker: there is no row it could be of."""
    for name in request.query:
        known = name in _FILTERS or (name in _SINCE and request.version >= _SINCE[name])
        if not known and request.version >= STRICT:
            raise InvalidRequest(f"Additional query parameters are not allowed ({name[:80]!r} was unexpected)")
    if request.version >= STRICT:
        query.number(request, "limit", 0)
        query.time(request, "changes-since")
        if marker := query.text(request, "marker"):
            raise InvalidRequest(f"Marker {marker[:64]} could not be found.")
    return Reply({"migrations": []})


def list_of_server(request: ApiRequest, server_id: str) -> Reply:
    servers.show(request.services, request.context, server_id)
    return Reply({"migrations": []})


def show_of_server(request: ApiRequest, server_id: str, migration_id: str) -> Reply:
    servers.show(request.services, request.context, server_id)
    raise NotFound(f"Migration {migration_id[:64]} for server {server_id} could not be found.")
