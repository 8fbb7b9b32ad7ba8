"""os-migrations: resizes and migrations of servers; and /servers/{id}/migrations, which Nova keeps for live ones."""

from __future__ import annotations

from api.compute import query
from api.compute.operations import server_migrations, servers
from api.compute.views import links
from api.compute.views import migrations as views
from api.compute.views.fields import reader
from api.microversion import Microversion
from api.request import ApiRequest, Reply
from common.db.server_migrations import MigrationFilter
from common.errors import Forbidden, InvalidRequest, NotFound

_FILTERS = frozenset({"hidden", "host", "instance_uuid", "migration_type", "source_compute", "status"})
_SINCE = {
    "limit": Microversion(2, 59), "marker": Microversion(2, 59), "changes-since": Microversion(2, 59),
    "changes-before": Microversion(2, 66), "user_id": Microversion(2, 80), "project_id": Microversion(2, 80),
}  # fmt: skip
STRICT = Microversion(2, 59)


def list_all(request: ApiRequest) -> Reply:
    """A project's manager sees its own, from 2.80 on, when that can be asked for, and no hosts.

    Raises InvalidRequest for a parameter that isn't known, or a marker that no migration bears; Forbidden.
    """
    for name in request.query:
        if not _knows(request, name) and request.version >= STRICT:
            raise InvalidRequest(f"Additional query parameters are not allowed ({name[:80]!r} was unexpected)")
    wanted = _wanted(request)
    if not request.context.is_admin and (wanted.project_id is None or wanted.project_id != request.context.project_id):
        raise Forbidden("Policy doesn't allow os_compute_api:os-migrations:index:all_projects to be performed.")
    found = server_migrations.list_page(request.services, wanted, query.page(request))
    more = links.next_page(request, "os-migrations", [row.id for row in found]) if request.version >= STRICT else []
    listed = [views.migration(row, reader(request)) for row in found]
    return Reply({"migrations": listed, **({"migrations_links": more} if more else {})})


def _knows(request: ApiRequest, name: str) -> bool:
    return name in _FILTERS or (name in _SINCE and request.version >= _SINCE[name])


def _wanted(request: ApiRequest) -> MigrationFilter:
    def text(name: str) -> str | None:
        return query.text(request, name) if _knows(request, name) else None

    dated = {
        field: query.time(request, name) if _knows(request, name) else None
        for field, name in (("changes_since", "changes-since"), ("changes_before", "changes-before"))
    }
    return MigrationFilter(
        instance_id=text("instance_uuid"), status=text("status"), type=text("migration_type"), host=text("host"),
        source_node=text("source_compute"), user_id=text("user_id"), project_id=text("project_id"), **dated,
    )  # fmt: skip


def list_of_server(request: ApiRequest, server_id: str) -> Reply:
    """Those of running servers that go on: none, for servers are moved switched off."""
    servers.show(request.services, request.context, server_id)
    return Reply({"migrations": []})


def show_of_server(request: ApiRequest, server_id: str, migration_id: str) -> Reply:
    servers.show(request.services, request.context, server_id)
    raise NotFound(f"Migration {migration_id[:64]} for server {server_id} could not be found.")
