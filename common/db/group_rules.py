"""A security group rule as a value, and what makes two of them the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common import protocols


@dataclass(frozen=True)
class NewRule:
    """A rule already validated and in normal form (api/network/operations/security_group_rules.py does that)."""

    direction: str
    ethertype: str
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    description: str = ""
    remote_address_group_id: str | None = None


def meaning(rule: Any) -> tuple[Any, ...]:
    """What a NewRule or a row lets pass; equal for rules that do the same."""
    return (
        rule.direction,
        rule.ethertype,
        protocols.number(rule.protocol),
        rule.port_range_min,
        rule.port_range_max,
        rule.remote_ip_prefix,
        rule.remote_group_id,
        rule.remote_address_group_id,
    )
