"""Which gateway node has which router: chosen when a router gets its first port, changed when that node is silent.

The node of a router is the binding of its ports, too, so that the tunnels' ends follow. Callers own the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import floating_links, network_state
from common.db.models import FloatingIp, Node, Port, Router
from common.db.router_state import ROUTER_OWNERS
from common.deadlines import GATEWAY_LOST_S


def _heard(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(Node.is_gateway, Node.last_heartbeat_at >= now - timedelta(seconds=GATEWAY_LOST_S))


def choose(session: Session, now: datetime) -> str | None:
    """Of the gateway nodes that are heard of, the one with the fewest routers; None when there is none."""
    count = sa.select(sa.func.count()).where(Router.node_id == Node.id).correlate(Node).scalar_subquery()
    return session.scalar(sa.select(Node.id).where(_heard(now)).order_by(count, Node.name).limit(1))


def settle(session: Session, router: Router, now: datetime) -> None:
    """Give a router a node if it has none, and its ports that node. Call it after each change of its ports."""
    if router.node_id is None:
        router.node_id = choose(session, now)
        session.flush()
    _bind(session, router, now)


def move(session: Session, router: Router, node_id: str | None, now: datetime) -> None:
    """Have another node take a router. None: no node has it."""
    before, router.node_id = router.node_id, node_id
    session.flush()
    _bind(session, router, now, former=before)


def _bind(session: Session, router: Router, now: datetime, *, former: str | None = None) -> None:
    theirs = sa.and_(Port.device_id == router.id, Port.device_owner.in_(ROUTER_OWNERS))
    networks = session.scalars(sa.select(Port.network_id).where(theirs)).all()
    placed = router.node_id is not None  # a port is up where its router is placed, as with Neutron's drivers
    session.execute(
        sa.update(Port)
        .where(theirs)
        .values(
            binding_node_id=router.node_id, updated_at=now,
            status=sa.case((Port.admin_state_up & sa.literal(placed), "ACTIVE"), else_="DOWN"),
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    session.execute(
        sa.update(FloatingIp)
        .where(FloatingIp.router_id == router.id)
        .values(status=floating_links.status_by(router))
        .execution_options(synchronize_session=False)
    )
    network_state.touch_for_networks(session, networks, also=[former, router.node_id])


def stranded(session: Session, now: datetime) -> list[str]:
    """Ids of routers with ports that have no node, or one that is no gateway any more or silent."""
    has_ports = sa.exists().where(Port.device_id == Router.id, Port.device_owner.in_(ROUTER_OWNERS))
    good = sa.select(Node.id).where(_heard(now))
    return list(
        session.scalars(
            sa.select(Router.id)
            .where(has_ports, sa.or_(Router.node_id.is_(None), Router.node_id.not_in(good)))
            .order_by(Router.id)
        )
    )


def rescue(session: Session, router_id: str, now: datetime) -> str | None:
    """Move one stranded router to a gateway that is heard of; its id, None when there is none or it is not stranded."""
    router = session.scalar(
        sa.select(Router)
        .where(Router.id == router_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if router is None or router_id not in stranded(session, now):
        return None
    target = choose(session, now)
    if target is not None:
        move(session, router, target, now)
    return target


def mark_gateways(session: Session, now: datetime) -> tuple[list[str], list[str]]:
    """Note which gateway nodes fell silent while another is heard of, and which are back; (lost, back) by name.

    A lost one is the gateway of networks with NAT no longer (network_state.gateway_id).
    """
    heard = _heard(now)
    lost: list[str] = []
    if choose(session, now) is not None:
        silent = sa.not_(sa.func.coalesce(heard, sa.false()))
        lost = _mark(session, sa.and_(Node.is_gateway, Node.gateway_lost_at.is_(None), silent), now)
    back = _mark(session, sa.and_(Node.gateway_lost_at.is_not(None), heard), None)
    if lost or back:
        network_state.touch_all(session)
    return lost, back


def _mark(session: Session, condition: sa.ColumnElement[bool], at: datetime | None) -> list[str]:
    done = sa.update(Node).where(condition).values(gateway_lost_at=at).returning(Node.name)
    return sorted(session.scalars(done.execution_options(synchronize_session=False)))


def of_node(session: Session, node_id: str) -> Sequence[Router]:
    """The routers that a node has, by id."""
    return session.scalars(sa.select(Router).where(Router.node_id == node_id).order_by(Router.id)).all()
