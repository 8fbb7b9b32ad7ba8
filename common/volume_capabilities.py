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
UNKNOWN = "unknown"  # a word of Cinder's for amounts
VENDOR, DRIVER_VERSION = "Cumulet", "1.0"
PROTOCOLS = {FILES: "file", NBD: "nbd", RBD: "ceph"}
_SCOPE = "capabilities"
_TELLING = ("volume_backend_name", "pool_name", "storage_protocol", "online_extend_support")  # differ by back end
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
    """allocated_gib: promised to servers, volumes and snapshots; all back ends of a node have the same disk, but for RBD,
    of whose room no node knows."""
    return {
        "volume_backend_name": backend,
        "pool_name": backend,
        "vendor_name": VENDOR,
        "driver_version": DRIVER_VERSION,
        "storage_protocol": PROTOCOLS.get(backend, backend),
        "total_capacity_gb": UNKNOWN if backend == RBD else total_gib,
        "free_capacity_gb": UNKNOWN if backend == RBD else max(total_gib - reserved_gib - allocated_gib, 0),
        "allocated_capacity_gb": UNKNOWN if backend == RBD else allocated_gib,
        "reserved_percentage": 0 if not total_gib else round(100 * reserved_gib / total_gib),
        "QoS_support": False,  # of back ends; limits for servers are their hypervisor's (volume_tuning.py)
        "multiattach": True,
        "online_extend_support": backend != NBD,
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


def node_gib(backend: str, size_gib: int) -> int:
    """How much of a node's disk a volume or snapshot takes."""
    return 0 if backend == RBD else size_gib


def apart(specs: Mapping[str, str]) -> tuple[str, ...]:
    """The back ends that a type's volumes can be of, if none of them is `files`: other nodes' servers can have them.

    Empty: they are of `files`, or could be.
    """
    bare = {key: key.removeprefix(f"{_SCOPE}:") for key in specs}
    telling = {key: specs[key] for key, name in bare.items() if name in _TELLING}
    if unmet(telling, _emptied(FILES)) is None:
        return ()
    return tuple(each for each in (NBD, RBD) if unmet(telling, _emptied(each)) is None)


def _emptied(backend: str) -> dict[str, Any]:
    return of_node(backend=backend, total_gib=0, reserved_gib=0, allocated_gib=0)


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
