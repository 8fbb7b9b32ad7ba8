"""The trace of a packet as JSON: administrators see nodes and devices, tenants what their own things do.

What another project's port or router does is there as a hop, but neither its rules nor its addresses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from api.cumulet.trace.model import Hop, Trace

_OWNED = ("server", "port", "security_group", "router", "nat")
HIDDEN = "is another project's, and not shown"


def trace_body(
    server_id: str, made: Trace, visible: Collection[str], nodes: Mapping[str, str], *, is_admin: bool
) -> dict[str, Any]:
    """visible: ids that the caller may know. nodes: names by id."""
    hops = [_hop(hop, visible, nodes, is_admin=is_admin) for hop in made.hops]
    stopped = next((hop for hop in hops if not hop["passes"]), None)
    reason = stopped["what"] if stopped else made.reason
    last = next((hop for hop, raw in zip(hops, made.hops, strict=True) if raw.what == made.reason), None)
    return {
        "server": server_id,
        "source": str(made.packet.source),
        "target": str(made.packet.target),
        "protocol": made.packet.protocol,
        "port": made.packet.low if made.packet.protocol not in (1, 58) else None,
        "verdict": made.verdict.value,
        "reason": reason if stopped or last is None else last["what"],
        "hops": hops,
    }


def _hop(hop: Hop, visible: Collection[str], nodes: Mapping[str, str], *, is_admin: bool) -> dict[str, Any]:
    hidden = hop.at in _OWNED and bool(hop.id) and hop.id not in visible
    return {
        "at": hop.at,
        "what": HIDDEN if hidden else hop.what,
        "passes": hop.passes,
        "answer": hop.answer,
        "id": hop.id if hop.id in visible else None,
        "node": nodes.get(hop.node_id) if is_admin else None,
        "device": (hop.device or None) if is_admin else None,
        "detail": hop.detail if is_admin else "",
    }
