"""Which local IPs lead to a node's ports, as the node is told; below network_state.py."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import IpAllocation, LocalIp, LocalIpAssociation
from common.rpc.compute_v1 import LocalIp as LocalIpSpec


def leading_to(session: Session, chosen: sa.Select[str]) -> dict[str, list[LocalIpSpec]]:
    """By port; `chosen`: the ids of the ports, as a subquery. Only those to an address that the port still has."""
    mine = sa.and_(
        IpAllocation.port_id == LocalIpAssociation.fixed_port_id,
        IpAllocation.ip_address == LocalIpAssociation.fixed_ip,
    )
    rows = session.execute(
        sa.select(
            LocalIpAssociation.fixed_port_id, LocalIp.local_ip_address, LocalIpAssociation.fixed_ip, LocalIp.ip_mode
        )
        .join(LocalIp, LocalIp.id == LocalIpAssociation.local_ip_id)
        .join(IpAllocation, mine)
        .where(LocalIpAssociation.fixed_port_id.in_(chosen))
        .order_by(LocalIpAssociation.fixed_port_id, LocalIp.id)
    )  # fmt: skip
    found: dict[str, list[LocalIpSpec]] = {}
    for port_id, address, fixed, mode in rows:
        told = LocalIpSpec(ip_address=address, fixed_ip=fixed, translate=mode == "translate")
        found.setdefault(port_id, []).append(told)
    return found
