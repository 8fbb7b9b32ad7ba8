"""Bodies of requests for consoles, by action until 2.5 and by remote-consoles from 2.6."""

from __future__ import annotations

from functools import lru_cache

from api.microversion import Microversion
from api.schema import Schema, obj

_TYPES = {
    "os-getVNCConsole": ["novnc", "xvpvnc"],
    "os-getSPICEConsole": ["spice-html5"],
    "os-getRDPConsole": ["rdp-html5"],
    "os-getSerialConsole": ["serial"],
}


@lru_cache
def action(name: str) -> Schema:
    return obj({name: obj({"type": {"enum": _TYPES[name]}}, ("type",))}, (name,))


@lru_cache(maxsize=128)
def remote(version: Microversion) -> Schema:
    """mks since 2.8, spice-direct since 2.99."""
    pairs = {"vnc": ["novnc", "xvpvnc"], "spice": ["spice-html5"], "rdp": ["rdp-html5"], "serial": ["serial"]}
    if version >= Microversion(2, 8):
        pairs["mks"] = ["webmks"]
    if version >= Microversion(2, 99):
        pairs["spice"] = ["spice-html5", "spice-direct"]
    types = sorted({each for kinds in pairs.values() for each in kinds})
    console = obj({"protocol": {"enum": sorted(pairs)}, "type": {"enum": types}}, ("protocol", "type"))
    return obj({"remote_console": console}, ("remote_console",))
