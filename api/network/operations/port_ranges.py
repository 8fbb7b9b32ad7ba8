"""Which ports a port forwarding is about: one, or a range of them, outside and inside.

As many inside as outside, the first to the first, or one inside for all. Ranges that are not the same outside and inside
are a rule of the router's for each port, so there is a limit to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.network.problems import invalid
from common.db.models import PortForwarding

NAMES = ("external_port", "external_port_range", "internal_port", "internal_port_range")
MOST_SHIFTED = 256
_HIGHEST = 65535
Span = tuple[int, int | None]


def spans(body: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a new forwarding. Raises InvalidRequest."""
    external, internal = _side(body, "external"), _side(body, "internal")
    if external is None or internal is None:
        raise invalid("A port forwarding needs external_port or external_port_range, and internal_port or its range.")
    return _columns(external, internal)


def changed(changes: Mapping[str, Any], row: PortForwarding) -> dict[str, Any]:
    """The columns that an update changes. Raises InvalidRequest."""
    if not set(NAMES) & set(changes):
        return {}
    external = _side(changes, "external") or (row.external_port, row.external_port_last)
    internal = _side(changes, "internal") or (row.internal_port, row.internal_port_last)
    return _columns(external, internal)


def _columns(external: Span, internal: Span) -> dict[str, Any]:
    outside, inside = _count(external), _count(internal)
    if inside not in (1, outside):
        raise invalid(
            f"external_port_range has {outside} ports and internal_port_range {inside}: as many as outside, or one."
        )
    if inside > MOST_SHIFTED and external != internal:
        raise invalid(f"A range of more than {MOST_SHIFTED} ports must be the same outside and inside.")
    return {
        "external_port": external[0], "external_port_last": external[1],
        "internal_port": internal[0], "internal_port_last": internal[1],
    }  # fmt: skip


def _count(span: Span) -> int:
    return (span[1] or span[0]) - span[0] + 1


def _side(body: Mapping[str, Any], side: str) -> Span | None:
    number, text = body.get(f"{side}_port"), body.get(f"{side}_port_range")
    if number is not None and text is not None:
        raise invalid(f"{side}_port and {side}_port_range can't be given both.")
    if number is not None:
        return _port(side, number), None
    if text is None:
        return None
    first, _, last = text.partition(":")
    low, high = _port(side, first), _port(side, last or first)
    if high < low:
        raise invalid(f"{side}_port_range {text} ends before it begins.")
    return low, (high if high > low else None)


def _port(side: str, number: int | str) -> int:
    value = int(number)
    if not 0 < value <= _HIGHEST:
        raise invalid(f"{side}_port {value} is not a port number.")
    return value
