"""The network with a router to the outside that a project gets ready-made: which one it is, and what it needs."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import AutoTopology, Network, SubnetPool
from common.db.upsert import insert_ignore


def of_project(session: Session, project_id: str, *, lock: bool = False) -> AutoTopology | None:
    query = sa.select(AutoTopology).where(AutoTopology.project_id == project_id)
    return session.scalar(query.with_for_update() if lock else query)


def remember(session: Session, project_id: str, network_id: str, router_id: str) -> bool:
    """False when another request was first."""
    values = {"project_id": project_id, "network_id": network_id, "router_id": router_id}
    return bool(insert_ignore(session, AutoTopology, [values]))


def default_outside(session: Session) -> Network | None:
    """The external network that is the default one; the first by id if several are."""
    query = sa.select(Network).where(Network.external.is_(True), Network.is_default.is_(True)).order_by(Network.id)
    return session.scalar(query.limit(1))


def default_pools(session: Session) -> list[SubnetPool]:
    """The default subnet pool of each version, IPv4 first; held, as subnets are carved from them."""
    query = sa.select(SubnetPool).where(SubnetPool.default_version.is_not(None)).order_by(SubnetPool.default_version)
    return list(session.scalars(query.with_for_update(key_share=True)))
