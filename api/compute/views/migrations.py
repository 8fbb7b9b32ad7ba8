"""Migrations as os-migrations shows them. Flavors are told by number, for those whose id is one."""

from __future__ import annotations

from api.compute.views.fields import Body, Field, Reader, micros, prune
from common.db.models import ServerMigration

_FIELDS = (
    Field("migration_type", since="2.23"),
    Field("uuid", since="2.59"),
    Field("user_id", since="2.80"),
    Field("project_id", since="2.80"),
)
_HOSTS = ("source_compute", "source_node", "dest_compute", "dest_node", "dest_host")


def migration(row: ServerMigration, audience: Reader) -> Body:
    body: Body = {
        "id": row.number,
        "uuid": row.id,
        "instance_uuid": row.instance_id,
        "status": row.status,
        "migration_type": row.type,
        "source_compute": row.source_node,
        "source_node": row.source_node,
        "dest_compute": row.target_node,
        "dest_node": row.target_node,
        "dest_host": None,
        "old_instance_type_id": _number(row.old_flavor_id),
        "new_instance_type_id": _number(row.new_flavor_id),
        "user_id": row.user_id,
        "project_id": row.project_id,
        "created_at": micros(row.created_at),
        "updated_at": micros(row.updated_at),
    }
    if not audience.is_admin:
        body |= dict.fromkeys(_HOSTS)
    return prune(body, _FIELDS, audience)


def _number(flavor_id: str) -> int | None:
    return int(flavor_id) if flavor_id.isascii() and flavor_id.isdecimal() and len(flavor_id) < 10 else None
