"""The DHCP port of a network: its address in every subnet with DHCP, kept in step with the subnets.

It is made with the first such subnet and goes with the last. Guests' DHCP, DNS and metadata are answered at these
addresses on every node that has the network.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import addresses, network_state, ports
from common.db.addresses import Holder
from common.db.models import IpAllocation, Network, Port, Subnet
from common.errors import Conflict, NoAddressLeft
from common.ids import new_id


def sync(session: Session, network: Network, now: datetime, *, mac_prefix: str) -> None:
    """Give the network's DHCP port an address in each subnet that wants DHCP, and take back the others.

    A subnet whose pools are full stays without: its ports work, but nobody answers DHCP there. Touches the nodes.
    """
    subnets = list(session.scalars(sa.select(Subnet).where(Subnet.network_id == network.id).order_by(Subnet.id)))
    wanted = {subnet.id: subnet for subnet in subnets if subnet.enable_dhcp}
    port = session.scalar(
        sa.select(Port).where(
            Port.network_id == network.id,
            Port.device_owner == network_state.DHCP_OWNER,
            Port.device_id == f"dhcp-{network.id}",
        )
    )
    if port is not None and not wanted:
        ports.delete(session, port.id, now)
    elif wanted:
        port = port or _create(session, network, now, mac_prefix)
        have = set(session.scalars(sa.select(IpAllocation.subnet_id).where(IpAllocation.port_id == port.id)))
        for subnet_id in have - set(wanted):
            addresses.release(session, port.id, subnet_id)
        holder = Holder(port.id, network.id, port.mac_address)
        for subnet_id in sorted(set(wanted) - have):
            _take(session, holder, wanted[subnet_id])
    network_state.touch_for_network(session, network.id)


def _take(session: Session, holder: Holder, subnet: Subnet) -> None:
    try:
        addresses.take_first(session, holder, subnet)
    except (NoAddressLeft, Conflict):
        return  # the next change of a subnet of this network tries again


def _create(session: Session, network: Network, now: datetime, mac_prefix: str) -> Port:
    new = ports.NewPort(
        id=new_id(),
        network_id=network.id,
        project_id=network.project_id,
        device_id=f"dhcp-{network.id}",
        device_owner=network_state.DHCP_OWNER,
        fixed_ips=(),
        port_security_enabled=False,
    )
    port = ports.create(session, new, now, mac_prefix=mac_prefix, quota={})
    port.status = "ACTIVE"
    session.flush()
    return port
