"""Security groups of a server in the old form of compute's own API."""

from __future__ import annotations

from collections.abc import Mapping

from api.compute.operations.server_security_groups import GroupWithRules
from api.compute.views.fields import Body
from common.db.models import SecurityGroupRule


def group(found: GroupWithRules) -> Body:
    """Only what comes in: the old form knows no outgoing rules."""
    row = found.group
    ingress = [each for each in found.rules if each.direction == "ingress"]
    return {
        "id": row.id,
        "name": row.name,
        "tenant_id": row.project_id,
        "description": row.description,
        "rules": [rule(each, found.remote_names) for each in ingress],
    }


def rule(row: SecurityGroupRule, remote_names: Mapping[str, str]) -> Body:
    everything = "::/0" if row.ethertype == "IPv6" else "0.0.0.0/0"
    remote = row.remote_group_id
    group_of_rule: Body = {}
    if remote is not None:
        group_of_rule = {"tenant_id": row.project_id, "name": remote_names.get(remote, remote)}
    low, high = _ports(row)
    return {
        "id": row.id,
        "parent_group_id": row.security_group_id,
        "ip_protocol": row.protocol,
        "from_port": low,
        "to_port": high,
        "group": group_of_rule,
        "ip_range": {} if remote is not None else {"cidr": row.remote_ip_prefix or everything},
    }


def _ports(row: SecurityGroupRule) -> tuple[int | None, int | None]:
    """Every port is 1 to 65535 for protocols with ports, and every type -1 for others."""
    if row.protocol is None:
        return None, None
    if row.port_range_min is None and row.port_range_max is None:
        return (1, 65535) if row.protocol in ("tcp", "udp") else (-1, -1)
    return row.port_range_min, row.port_range_max
