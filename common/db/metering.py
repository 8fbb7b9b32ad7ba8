"""Metering labels and their rules, and what of them routers count. Callers own the transaction."""

from __future__ import annotations

import ipaddress

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import network_state
from common.db.filters import Filters, apply
from common.db.models import MeteringLabel, MeteringRule, Router
from common.db.paging import Page, fetch
from common.errors import Conflict, NotFound

COLUMNS = {
    "id": MeteringLabel.id,
    "project_id": MeteringLabel.project_id,
    "name": MeteringLabel.name,
    "description": MeteringLabel.description,
    "shared": MeteringLabel.shared,
}
RULE_COLUMNS = {
    "id": MeteringRule.id,
    "metering_label_id": MeteringRule.metering_label_id,
    "direction": MeteringRule.direction,
    "excluded": MeteringRule.excluded,
    "remote_ip_prefix": MeteringRule.remote_ip_prefix,
    "source_ip_prefix": MeteringRule.source_ip_prefix,
    "destination_ip_prefix": MeteringRule.destination_ip_prefix,
}


def get(session: Session, label_id: str, *, lock: bool = False) -> MeteringLabel:
    """Raises NotFound."""
    query = sa.select(MeteringLabel).where(MeteringLabel.id == label_id)
    row = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if row is None:
        raise NotFound(f"Metering label {label_id} does not exist", neutron_type="MeteringLabelNotFound")
    return row


def get_rule(session: Session, rule_id: str) -> MeteringRule:
    """Raises NotFound."""
    row = session.scalar(sa.select(MeteringRule).where(MeteringRule.id == rule_id))
    if row is None:
        raise NotFound(f"Metering label rule {rule_id} does not exist", neutron_type="MeteringLabelRuleNotFound")
    return row


def list_(session: Session, filters: Filters, page: Page) -> list[MeteringLabel]:
    query = apply(sa.select(MeteringLabel), COLUMNS, filters)
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=MeteringLabel.id)


def list_rules(session: Session, filters: Filters, page: Page) -> list[MeteringRule]:
    query = apply(sa.select(MeteringRule), RULE_COLUMNS, filters)
    return fetch(session, query, page, columns=RULE_COLUMNS, default=(("id", False),), key=MeteringRule.id)


def check_apart(session: Session, rule: MeteringRule) -> None:
    """Raises Conflict when another rule of the label has some of the remote addresses. The caller holds the label."""
    if rule.remote_ip_prefix is None:
        return
    mine = ipaddress.ip_network(rule.remote_ip_prefix)
    others = session.scalars(
        sa.select(MeteringRule).where(
            MeteringRule.metering_label_id == rule.metering_label_id,
            MeteringRule.direction == rule.direction,
            MeteringRule.excluded.is_(rule.excluded),
            MeteringRule.remote_ip_prefix.is_not(None),
        )
    )
    for other in others:
        theirs = ipaddress.ip_network(str(other.remote_ip_prefix))
        if mine.version == theirs.version and mine.overlaps(theirs):
            raise Conflict(
                f"Metering label rule with remote_ip_prefix '{rule.remote_ip_prefix}' overlaps another, {other.id}.",
                neutron_type="MeteringLabelRuleOverlaps",
            )


def touch(session: Session, label: MeteringLabel) -> None:
    """The label or its rules changed: nodes with a router that counts it are concerned."""
    nodes = sa.select(Router.node_id).where(Router.node_id.is_not(None))
    if not label.shared:
        nodes = nodes.where(Router.project_id == label.project_id)
    network_state.touch(session, session.scalars(nodes.distinct()).all())


def delete(session: Session, label: MeteringLabel) -> None:
    touch(session, label)
    session.execute(sa.delete(MeteringRule).where(MeteringRule.metering_label_id == label.id))
    session.delete(label)
    session.flush()
