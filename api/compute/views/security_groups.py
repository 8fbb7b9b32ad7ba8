"""Security groups of a server in the old form of compute's own API."""

from __future__ import annotations

from api.compute.operations.server_security_groups import GroupWithRules
from api.compute.views.fields import Body
from common.db.models import SecurityGroupRule


def group(found: GroupWithRules) -> Body:
    """Only what comes in: the old form knows no outgoing rules."""
    row = found.group
    ingress = [rule for rule in found.rules if rule.direction == "ingress"]
    return {
        "id": row.id,
        "name": row.name,
        "tenant_id": row.project_id,
        "description": row.description,
        "rules": [_rule(rule, found) for rule in ingress],
    }


def _rule(rule: SecurityGroupRule, found: GroupWithRules) -> Body:
    everything = "::/0" if rule.ethertype == "IPv6" else "0.0.0.0/0"
    remote = rule.remote_group_id
    group_of_rule: Body = {}
    if remote is not None:
        group_of_rule = {"tenant_id": rule.project_id, "name": found.remote_names.get(remote, remote)}
    return {
        "id": rule.id,
        "parent_group_id": rule.security_group_id,
        "ip_protocol": rule.protocol,
        "from_port": rule.port_range_min if rule.protocol else None,
        "to_port": rule.port_range_max if rule.protocol else None,
        "group": group_of_rule,
        "ip_range": {} if remote is not None else {"cidr": rule.remote_ip_prefix or everything},
    }
