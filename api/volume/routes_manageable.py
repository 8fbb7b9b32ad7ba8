"""Routes of files that may become volumes and snapshots; those under the newer names are there since 3.8."""

from __future__ import annotations

from api.policy import Rule
from api.routing import Handler, Route
from api.volume.handlers import manageable

_SINCE = "3.8"


def _row(method: str, path: str, handler: Handler, key: str, since: str | None, *, action: str | None = None) -> Route:
    return Route(method, path, action, since, None, Rule.ADMIN, handler, f"volume:{key}")


def _collection(
    path: str, key: str, since: str | None, handlers: tuple[Handler, Handler, Handler]
) -> tuple[Route, ...]:
    summary, detail, create = handlers
    return (
        _row("GET", path, summary, f"{key}:index", since),
        _row("GET", f"{path}/detail", detail, f"{key}:detail", since),
        _row("POST", path, create, f"{key}:create", since),
    )


_VOLUMES = (manageable.list_volumes, manageable.list_volumes_detail, manageable.manage_volume)
_SNAPSHOTS = (manageable.list_snapshots, manageable.list_snapshots_detail, manageable.manage_snapshot)
MANAGEABLE = (
    *_collection("/os-volume-manage", "os-volume-manage", None, _VOLUMES),
    *_collection("/manageable_volumes", "manageable_volumes", _SINCE, _VOLUMES),
    *_collection("/os-snapshot-manage", "os-snapshot-manage", None, _SNAPSHOTS),
    *_collection("/manageable_snapshots", "manageable_snapshots", _SINCE, _SNAPSHOTS),
    _row(
        "POST", "/volumes/<volume_id>/action", manageable.unmanage_volume, "volumes:os-unmanage", None,
        action="os-unmanage",
    ),
    _row(
        "POST", "/snapshots/<snapshot_id>/action", manageable.unmanage_snapshot, "snapshots:os-unmanage", None,
        action="os-unmanage",
    ),
)  # fmt: skip
