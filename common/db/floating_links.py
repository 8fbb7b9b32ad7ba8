"""Which fixed address a floating one stands for, as the ports see it: an address that goes takes the association away.

Below ports.py, which deletes ports; what the API does with floating IPs is in floating_ips.py.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import network_state
from common.db.models import FloatingIp, PortForwarding, Router

LOOSE = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}


def forget_port(session: Session, port_id: str, now: datetime, *, keep: Collection[str] = ()) -> None:
    """The port goes, or has only the addresses in `keep` left: nothing stands for what it had any more."""
    _touch_forwarding(session, port_id, keep)
    forwarded = PortForwarding.internal_port_id == port_id
    session.execute(
        sa.delete(PortForwarding)
        .where(forwarded, PortForwarding.internal_ip_address.not_in(keep))
        .execution_options(synchronize_session=False)
    )
    theirs = sa.and_(FloatingIp.port_id == port_id, FloatingIp.fixed_ip_address.not_in(keep))
    routers = set(session.scalars(sa.select(FloatingIp.router_id).where(theirs)))
    if not routers:
        return
    touch_routers(session, routers)
    session.execute(
        sa.update(FloatingIp)
        .where(theirs)
        .values(**LOOSE, revision_number=FloatingIp.revision_number + 1, updated_at=now)
        .execution_options(synchronize_session=False)
    )


def _touch_forwarding(session: Session, port_id: str, keep: Collection[str]) -> None:
    routers = session.scalars(
        sa.select(FloatingIp.router_id)
        .join(PortForwarding, PortForwarding.floating_ip_id == FloatingIp.id)
        .where(PortForwarding.internal_port_id == port_id, PortForwarding.internal_ip_address.not_in(keep))
    )
    touch_routers(session, set(routers))


def touch_routers(session: Session, router_ids: Collection[str | None]) -> None:
    """The nodes of these routers must fetch their state again."""
    wanted = [each for each in router_ids if each]
    if wanted:
        nodes = session.scalars(sa.select(Router.node_id).where(Router.id.in_(wanted)))
        network_state.touch(session, nodes.all())
