"""The query parameters of server lists as a filter: which there are, who may use them, what they mean.

Parameters that only administrators have are dropped for others, as Nova does; what nobody knows is a 400 since 2.75.
"""

from __future__ import annotations

from api.compute import query
from api.microversion import Microversion
from api.request import ApiRequest
from common.context import RequestContext
from common.db.servers import EQUALS, PATTERNS, ServerFilter
from common.errors import Forbidden, InvalidRequest
from common.states import TaskState, VmState, server_status

STATUSES = frozenset(server_status(vm_state, task) for vm_state in VmState for task in (None, *TaskState))
_SAME_FOR_ALL_SORT_KEYS = (
    "kernel_id",
    "locked_by",
    "ramdisk_id",
    "root_device_name",
)  # sort keys without an order here
_SORT_KEYS_UNTIL_275 = (
    "architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device", "deleted", "deleted_at",
    "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data", "launched_on", "memory_mb", "os_type",
    "reservation_id", "root_gb", "shutdown_terminate", "user_data", "vcpus", "vm_mode",
)  # fmt: skip
ADMIN_SORT_KEYS = ("host", "node")
_FOR_ALL = frozenset({"flavor", "image", "reservation_id"})
_FOR_ALL_283 = frozenset({
    "availability_zone", "config_drive", "key_name", "power_state", "task_state", "vm_state", "progress", "user_id",
    "launch_index",
})  # fmt: skip
_PATTERNS_FOR_ALL = frozenset({"name"})
_ALIASES = {
    "display_name": "name",
    "display_description": "description",
    "image_ref": "image",
    "tenant_id": "project_id",
}
_NUMBERS = frozenset({"launch_index", "power_state", "progress"})
_BOOLEANS = frozenset({"config_drive", "locked"})
_SINCE = {
    "tags": "2.26", "tags-any": "2.26", "not-tags": "2.26", "not-tags-any": "2.26", "changes-before": "2.66",
    "locked": "2.73",
}  # fmt: skip
_OTHERS = frozenset({
    "all_tenants", "auto_disk_config", "changes-since", "created_at", "deleted", "ip", "ip6", "kernel_id",
    "launched_at", "limit", "locked_by", "marker", "project_id", "ramdisk_id", "root_device_name", "soft_deleted",
    "sort_dir", "sort_key", "status", "terminated_at",
})  # fmt: skip
_KNOWN = frozenset(EQUALS) | frozenset(PATTERNS) | frozenset(_ALIASES) | frozenset(_SINCE) | _OTHERS


def ignored_sort_keys(version: Microversion) -> tuple[str, ...]:
    """Those that are taken without having any effect; since 2.75 most of them are a 400."""
    found: tuple[str, ...] = _SAME_FOR_ALL_SORT_KEYS
    if version < Microversion(2, 75):
        found += _SORT_KEYS_UNTIL_275
    return (*found, "locked") if version < Microversion(2, 73) else found


def read(request: ApiRequest) -> ServerFilter | None:
    """The filter asked for; None when nothing can match. Raises InvalidRequest, Forbidden."""
    _refuse_unknown(request)
    context = request.context
    statuses = _statuses(request)
    if statuses == ():
        return None
    names = [name for name in request.query if _usable(name, request)]
    equals = tuple((key, _value(request, name, key)) for name in names if (key := _ALIASES.get(name, name)) in EQUALS)
    patterns = tuple(
        (key, query.text(request, name) or "") for name in names if (key := _ALIASES.get(name, name)) in PATTERNS
    )
    since = query.time(request, "changes-since")
    before = query.time(request, "changes-before") if _is_there("changes-before", request.version) else None
    if since and before and since > before:
        raise InvalidRequest("The value of changes-since must be less than or equal to changes-before.")
    return ServerFilter(
        project_id=_project(request),
        deleted=_deleted(request, context, statuses, recent=bool(since or before)),
        equals=equals,
        patterns=tuple((key, text) for key, text in patterns if text),
        statuses=statuses,
        address_v4=query.text(request, "ip"),
        address_v6=query.text(request, "ip6"),
        changes_since=since,
        changes_before=before,
        tags=_tags(request, "tags"),
        tags_any=_tags(request, "tags-any"),
        not_tags=_tags(request, "not-tags"),
        not_tags_any=_tags(request, "not-tags-any"),
    )


def _refuse_unknown(request: ApiRequest) -> None:
    strict = request.version >= Microversion(2, 75)
    for name in request.query:
        if name.startswith("_") or (strict and (name not in _KNOWN or not _is_there(name, request.version))):
            raise InvalidRequest(f"Additional query parameters are not allowed ({name[:80]!r} was unexpected)")


def _is_there(name: str, version: Microversion) -> bool:
    return name not in _SINCE or version >= Microversion.parse(_SINCE[name])


def _usable(name: str, request: ApiRequest) -> bool:
    key = _ALIASES.get(name, name)
    if not _is_there(name, request.version):
        return False
    if request.version >= Microversion(2, 83) and key in _FOR_ALL_283:
        return True
    return request.context.is_admin or key in _FOR_ALL or key in _PATTERNS_FOR_ALL or key == "locked"


def _value(request: ApiRequest, name: str, key: str) -> object:
    if key in _NUMBERS:
        return query.number(request, name, 0)
    if key in _BOOLEANS:
        return query.boolean(request, name, False)
    return query.text(request, name)


def _project(request: ApiRequest) -> str | None:
    """None: of all projects."""
    context = request.context
    own = context.project_id or ""
    if not query.boolean(request, "all_tenants", False, empty=True):
        return own
    if not context.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:servers:detail:get_all_tenants to be performed.")
    return query.text(request, "project_id") or query.text(request, "tenant_id")


def _statuses(request: ApiRequest) -> tuple[str, ...] | None:
    asked = [value.upper() for value in request.query.get("status", []) if value]
    if not asked:
        return None
    if "DELETED" in asked and not request.context.is_admin:
        raise Forbidden("Only administrators may list deleted instances")
    return tuple(sorted(set(asked) & STATUSES))


def _deleted(
    request: ApiRequest, context: RequestContext, statuses: tuple[str, ...] | None, *, recent: bool
) -> bool | None:
    """Deleted servers are listed when asked for by status or by the time of their change; else by administrators."""
    if statuses is not None and "DELETED" in statuses:
        return True if statuses == ("DELETED",) else None
    if context.is_admin and "deleted" in request.query:
        return query.boolean(request, "deleted", False)
    return None if recent else False


def _tags(request: ApiRequest, name: str) -> tuple[str, ...]:
    text = query.text(request, name) if _is_there(name, request.version) else None
    return tuple(sorted({tag for tag in (text or "").split(",") if tag}))
