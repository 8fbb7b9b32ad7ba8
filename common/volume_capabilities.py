"""What a node's folder of volumes can do, and whether that meets a volume type's extra specs.

The words and operators are those of Cinder's capabilities filter: unscoped keys and the scope `capabilities:` are
compared, other scopes are for somebody else. A capability that isn't there meets nothing.
Source: Cinder administration guide, "Capabilities and volume type extra specs".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

#: the back ends that a node may have, each with one pool of its name: opened by guests of the node; served to any node;
#: in a Ceph pool, which all nodes that have this back end reach
FILES, NBD, RBD = "files", "nbd", "rbd"
VENDOR, DRIVER_VERSION = "Cumulet", "1.0"
PROTOCOLS = {FILES: "file", NBD: "nbd", RBD: "ceph"}
_SCOPE = "capabilities"
_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.ge, "==": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip
_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "s==": operator.eq, "s!=": operator.ne, "s<": operator.lt, "s<=": operator.le, "s>": operator.gt,
    "s>=": operator.ge,
}  # fmt: skip


def backends_of(inventory: Mapping[str, Any]) -> tuple[str, ...]:
    """What volumes on a node can be, best first; a node that doesn't say has files."""
    return tuple(inventory.get("volume_backends") or (FILES,))


def of_node(*, backend: str = FILES, total_gib: int, reserved_gib: int, allocated_gib: int) -> dict[str, Any]:
    """allocated_gib: promised to servers, volumes and snapshots; all back ends of a node have the same disk."""
    return {
        "volume_backend_name": backend,
        "pool_name": backend,
        "vendor_name": VENDOR,
        "driver_version": DRIVER_VERSION,
        "storage_protocol": PROTOCOLS.get(backend, backend),
        "total_capacity_gb": total_gib,
        "free_capacity_gb": max(total_gib - reserved_gib - allocated_gib, 0),
        "allocated_capacity_gb": allocated_gib,
        "reserved_percentage": 0 if not total_gib else round(100 * reserved_gib / total_gib),
        "QoS_support": False,  # of back ends; limits for servers are their hypervisor's (volume_tuning.py)
        "multiattach": True,
        "online_extend_support": backend == FILES,
        "replication_enabled": False,
        "thin_provisioning_support": True,
        "thick_provisioning_support": False,
    }


def unmet(specs: Mapping[str, str], capabilities: Mapping[str, Any]) -> str | None:
    """The first extra spec that isn't met, in a sentence; None: all are."""
    for key in sorted(specs):
        scope, _, name = key.partition(":")
        if name and scope != _SCOPE:
            continue
        found = capabilities.get(name or key)
        if found is None:
            return f"extra spec {key} wants {specs[key]!r}, and there is no such capability"
        if not _meets(found, specs[key]):
            return f"extra spec {key} wants {specs[key]!r}, and it is {found!r}"
    return None


def served_only(specs: Mapping[str, str]) -> bool:
    """True when a type's volumes are of the back end nbd, and of no other: any node can have them, wherever they are."""
    files, nbd = (of_node(backend=each, total_gib=0, reserved_gib=0, allocated_gib=0) for each in (FILES, NBD))
    bare = {key: key.removeprefix(f"{_SCOPE}:") for key in specs}
    telling = {key: specs[key] for key, name in bare.items() if files.get(name) != nbd.get(name)}
    return unmet(telling, files) is not None and unmet(telling, nbd) is None


def asks_for(specs: Mapping[str, str], name: str) -> bool:
    """True when a type asks for a capability by "<is> True"."""
    wanted = specs.get(name) or specs.get(f"{_SCOPE}:{name}") or ""
    return wanted.lower().split() == ["<is>", "true"]


def _meets(found: Any, wanted: str) -> bool:
    words = wanted.split()
    if not words:
        return str(found) == wanted
    sign, rest = words[0], words[1:]
    if sign == "<is>":
        return bool(found) is (" ".join(rest).lower() in ("true", "t", "yes", "1"))
    if sign == "<in>":
        return " ".join(rest) in str(found)
    if sign == "<or>":
        return str(found) in [part.strip() for part in wanted.split("<or>") if part.strip()]
    if sign in _TEXTS and rest:
        return _TEXTS[sign](str(found), rest[0])
    if sign in _NUMBERS and rest:
        return _compared(_NUMBERS[sign], found, rest[0])
    return str(found) == wanted


def _compared(compare: Callable[[float, float], bool], found: Any, wanted: str) -> bool:
    try:
        return compare(float(found), float(wanted))
    except (TypeError, ValueError):
        return False
