"""Which local IPs lead to a node's ports, as the node is told; below network_state.py."""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.chosen_ports import Chosen
from common.db.models import IpAllocation, LocalIp, LocalIpAssociation
from common.rpc.compute_v1 import LocalIp as LocalIpSpec


def leading_to(session: Session, chosen: Chosen) -> dict[str, list[LocalIpSpec]]:
    """By port. Only those to an address that the port still has."""
    found: dict[str, list[LocalIpSpec]] = {}
    for port_id, address, fixed, mode in session.connection().execute(_leading_to(chosen.ids), chosen.parameters):
        told = LocalIpSpec(ip_address=address, fixed_ip=fixed, translate=mode == "translate")
        found.setdefault(port_id, []).append(told)
    return found


@cache
def _leading_to(chosen: sa.Select[str]) -> sa.Select[str, str, str, str]:
    mine = sa.and_(
        IpAllocation.port_id == LocalIpAssociation.fixed_port_id,
        IpAllocation.ip_address == LocalIpAssociation.fixed_ip,
    )
    return (
        sa.select(
            LocalIpAssociation.fixed_port_id, LocalIp.local_ip_address, LocalIpAssociation.fixed_ip, LocalIp.ip_mode
        )
        .join(LocalIp, LocalIp.id == LocalIpAssociation.local_ip_id)
        .join(IpAllocation, mine)
        .where(LocalIpAssociation.fixed_port_id.in_(chosen))
        .order_by(LocalIpAssociation.fixed_port_id, LocalIp.id)
    )
