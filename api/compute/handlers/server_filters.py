"""The query parameters of server lists as a filter: which there are, who may use them, what they mean.

Parameters that only administrators have are dropped for others, as Nova does; what nobody knows is a 400 since 2.75.
Source of who has which, and from when on: Nova's API reference, "List Servers", and its `_get_server_search_options`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from api.compute import query
from api.microversion import Microversion
from api.request import ApiRequest
from common.context import RequestContext
from common.db.servers import EQUALS, PATTERNS, TIMES, ServerFilter
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
#: what everybody has, by the microversion it came with
_FOR_ALL = {
    **dict.fromkeys(("flavor", "image", "ip", "name", "reservation_id"), "2.1"), "ip6": "2.5", "locked": "2.73",
    **dict.fromkeys((
        "availability_zone", "config_drive", "created_at", "key_name", "launched_at", "power_state", "progress",
        "task_state", "terminated_at", "user_id", "vm_state",
    ), "2.83"),
    "hostname": "2.90",
}  # fmt: skip
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
    "all_tenants", "changes-since", "deleted", "ip", "ip6", "limit", "marker", "project_id", "soft_deleted", "sort_dir",
    "sort_key", "status",
})  # fmt: skip
#: relations of a server, not columns: nobody can filter by them, but only who may filter by everything is told
_RELATIONS = frozenset({
    "block_device_mapping", "info_cache", "metadata", "pci_devices", "security_groups", "services", "system_metadata",
})  # fmt: skip
_KNOWN = frozenset(EQUALS) | frozenset(PATTERNS) | TIMES.keys() | frozenset(_ALIASES) | frozenset(_SINCE) | _OTHERS
_WHOLE_DAY = "%Y-%m-%d"


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
    names = sorted(name for name in request.query if _usable(name, request))
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
        times=tuple((name, *span) for name in names if name in TIMES and (span := _span(request, name))),
        soft_deleted=query.boolean(request, "soft_deleted", False) if "soft_deleted" in names else None,
        statuses=statuses,
        address_v4=query.text(request, "ip"),
        address_v6=query.text(request, "ip6") if "ip6" in names else None,
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
        if name in _RELATIONS:
            if request.context.is_admin:
                raise InvalidRequest(f"Invalid filter field: {name}.")
        elif name.startswith("_") or (strict and (name not in _KNOWN or not _is_there(name, request.version))):
            raise InvalidRequest(f"Additional query parameters are not allowed ({name[:80]!r} was unexpected)")


def _is_there(name: str, version: Microversion) -> bool:
    return name not in _SINCE or version >= Microversion.parse(_SINCE[name])


def _usable(name: str, request: ApiRequest) -> bool:
    """Administrators may use a parameter that others have from a later version on."""
    if not _is_there(name, request.version):
        return False
    since = _FOR_ALL.get(_ALIASES.get(name, name))
    return request.context.is_admin or (since is not None and request.version >= Microversion.parse(since))


def _value(request: ApiRequest, name: str, key: str) -> object:
    if key in _NUMBERS:
        return query.number(request, name, 0)
    if key in _BOOLEANS:
        return query.boolean(request, name, False)
    text = query.text(request, name)
    return text.upper() if text and key == "auto_disk_config" else text


def _span(request: ApiRequest, name: str) -> tuple[datetime, datetime] | None:
    """The second that a time names, or the day, if it is a date alone: from, and up to. None: nothing was named."""
    if not query.text(request, name):
        return None
    begin = query.time(request, name)
    assert begin is not None
    is_day = query.text(request, name) == begin.strftime(_WHOLE_DAY)
    begin = begin.replace(microsecond=0)
    return begin, begin + (timedelta(days=1) if is_day else timedelta(seconds=1))


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
    if request.version >= Microversion(2, 38) and not set(asked) & STATUSES:
        raise InvalidRequest("Invalid status value")
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
