"""The names under which the network service's resources are counted, their default limits, and the projects with their own."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.config import QuotaConfig
from common.db.models import QuotaLimit

RESOURCES = (
    "network", "subnet", "port", "security_group", "security_group_rule", "router", "floatingip", "rbac_policy",
    "subnetpool", "trunk",
)  # fmt: skip


def defaults(config: QuotaConfig) -> dict[str, int]:
    """Limits by resource for a project that has none of its own; -1 means without limit."""
    return {
        "network": config.networks,
        "subnet": config.subnets,
        "port": config.ports,
        "security_group": config.security_groups,
        "security_group_rule": config.security_group_rules,
        "router": config.routers,
        "floatingip": config.floating_ips,
        "rbac_policy": config.rbac_policies,
        "subnetpool": config.subnet_pools,
        "trunk": config.trunks,
    }


def own_limits(session: Session) -> dict[str, dict[str, int]]:
    """Limits by resource of every project that has any of its own; one statement."""
    found: dict[str, dict[str, int]] = {}
    rows = session.execute(
        sa.select(QuotaLimit.project_id, QuotaLimit.resource, QuotaLimit.limit)
        .where(QuotaLimit.resource.in_(RESOURCES))
        .order_by(QuotaLimit.project_id)
    )
    for project_id, resource, limit in rows:
        found.setdefault(project_id, {})[resource] = limit
    return found
