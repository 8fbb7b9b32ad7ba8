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
    _forget_forwardings(session, port_id, keep)
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


def loosen_unused(session: Session) -> None:
    """Floating IPs whose last forwarding went need no router any more."""
    forwards = sa.exists().where(PortForwarding.floating_ip_id == FloatingIp.id)
    session.execute(
        sa.update(FloatingIp)
        .where(FloatingIp.router_id.is_not(None), FloatingIp.port_id.is_(None), ~forwards)
        .values(**LOOSE)
        .execution_options(synchronize_session=False)
    )


def _forget_forwardings(session: Session, port_id: str, keep: Collection[str]) -> None:
    gone = sa.and_(PortForwarding.internal_port_id == port_id, PortForwarding.internal_ip_address.not_in(keep))
    forwarding = sa.select(FloatingIp.router_id).join(PortForwarding, PortForwarding.floating_ip_id == FloatingIp.id)
    routers = set(session.scalars(forwarding.where(gone)))
    if not routers:
        return
    touch_routers(session, routers)
    session.execute(sa.delete(PortForwarding).where(gone).execution_options(synchronize_session=False))
    loosen_unused(session)


def status_by(router: Router) -> str:
    """Of a floating IP that this router translates."""
    return "ACTIVE" if router.node_id and router.admin_state_up else "DOWN"


def touch_routers(session: Session, router_ids: Collection[str | None]) -> None:
    """The nodes of these routers must fetch their state again."""
    wanted = [each for each in router_ids if each]
    if wanted:
        nodes = session.scalars(sa.select(Router.node_id).where(Router.id.in_(wanted)))
        network_state.touch(session, nodes.all())
