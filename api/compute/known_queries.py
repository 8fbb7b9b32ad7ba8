"""Query parameters that each call knows: from 2.102 on any other is a 400. Source: Nova's API reference, microversion 2.102.

Calls that are not listed know none. `None`: the call looks itself, as it has done since 2.75, or never looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from api.microversion import Microversion
from api.request import ApiRequest, Reply
from common.errors import InvalidRequest

STRICT = Microversion(2, 102)
#: as strict as lists of servers have been since 2.75
_STRICT_BEFORE = dict.fromkeys(
    ("flavors:index", "flavors:detail", "assisted-volume-snapshots:delete"), Microversion(2, 75)
)
_NOT_BEFORE_2102 = frozenset({"name"})
_PAGE = frozenset({"limit", "marker"})
_FLAVORS = _PAGE | {"sort_key", "sort_dir", "is_public", "minRam", "minDisk", "name"}
_HYPERVISORS = _PAGE | {"hypervisor_hostname_pattern", "with_servers"}
_USAGE = _PAGE | {"start", "end"}
_USER = frozenset({"user_id"})

KNOWN: Mapping[str, frozenset[str] | None] = {
    "server-tags:index": None,
    "server-tags:show": None,
    "quota-sets:defaults": None,
    "volumes-attachments:show": None,
    "servers:index": None,
    "servers:detail": None,
    "migrations:index": None,
    "assisted-volume-snapshots:delete": frozenset({"delete_info"}),
    "flavors:index": _FLAVORS,
    "flavors:detail": _FLAVORS,
    "keypairs:index": _PAGE | _USER,
    "keypairs:show": _USER,
    "keypairs:delete": _USER,
    "services:list": frozenset({"host", "binary"}),
    "hypervisors:list": _HYPERVISORS,
    "hypervisors:list-detail": _HYPERVISORS,
    "hypervisors:show": frozenset({"with_servers"}),
    "instance-actions:list": _PAGE | {"changes-since", "changes-before"},
    "server-groups:index": frozenset({"all_projects", "limit", "offset"}),
    "limits": frozenset({"tenant_id"}),
    "quota-sets:show": _USER,
    "quota-sets:detail": _USER,
    "quota-sets:update": _USER,
    "quota-sets:delete": _USER,
    "simple-tenant-usage:list": _USAGE | {"detailed"},
    "simple-tenant-usage:show": _USAGE,
    "volumes-attachments:index": frozenset({"limit", "offset"}),
}


def strict(handler: Callable[..., Reply], key: str) -> Callable[..., Reply]:
    """The handler, which refuses from 2.102 on (some before) what the call of this key doesn't know."""
    known, since = KNOWN.get(key, frozenset()), _STRICT_BEFORE.get(key, STRICT)
    if known is None:
        return handler

    @wraps(handler)
    def checked(request: ApiRequest, *args: Any, **kwargs: Any) -> Reply:
        if request.query and request.version >= since:
            unknown = sorted(request.query.keys() - (known if request.version >= STRICT else known - _NOT_BEFORE_2102))
            if unknown:
                raise InvalidRequest(
                    f"Additional query parameters are not allowed ({unknown[0][:80]!r} was unexpected)"
                )
        return handler(request, *args, **kwargs)

    return checked
