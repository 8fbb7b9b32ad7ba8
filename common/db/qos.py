"""QoS policies: their rules, and who is bound by them."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import network_rates, network_state, sharing
from common.db.models import FloatingIp, Network, Port, QosPolicy, QosRule, Router
from common.db.rbac_policies import QOS_POLICY
from common.errors import Conflict, Forbidden, NotFound
from common.guarantees import KINDS


class RuleKind(StrEnum):
    BANDWIDTH = "bandwidth_limit"
    DSCP = "dscp_marking"
    PACKET_RATE = "packet_rate_limit"
    LEAST_BANDWIDTH = "minimum_bandwidth"
    LEAST_PACKET_RATE = "minimum_packet_rate"


#: a limit and the least that may be promised under it
_BOUNDS = {
    RuleKind.LEAST_BANDWIDTH: RuleKind.BANDWIDTH, RuleKind.LEAST_PACKET_RATE: RuleKind.PACKET_RATE,
}  # fmt: skip


def rule_not_found(policy_id: str, rule_id: str) -> NotFound:
    return NotFound(f"QoS rule {rule_id} for policy {policy_id} could not be found.", neutron_type="QosRuleNotFound")


def get_rule(session: Session, policy_id: str, kind: RuleKind, rule_id: str) -> QosRule:
    """Raises NotFound."""
    row = session.scalar(
        sa.select(QosRule).where(QosRule.id == rule_id, QosRule.policy_id == policy_id, QosRule.kind == kind.value)
    )
    if row is None:
        raise rule_not_found(policy_id, rule_id)
    return row


def policy_of(session: Session, kind: RuleKind, rule_id: str) -> str:
    """The policy that a rule is in. Raises NotFound."""
    found = session.scalar(sa.select(QosRule.policy_id).where(QosRule.id == rule_id, QosRule.kind == kind.value))
    if found is None:
        raise rule_not_found("any", rule_id)
    return found


def check_beside(session: Session, rule: QosRule) -> None:
    """Raises Conflict when the policy has another rule of this kind for the direction, or promises more than a limit.

    `any` is either direction, for rules of packets.
    """
    others = sa.select(QosRule).where(QosRule.policy_id == rule.policy_id, QosRule.id != rule.id)
    for other in session.scalars(others.order_by(QosRule.id)):
        if other.direction != rule.direction and "any" not in (other.direction, rule.direction):
            continue
        if other.kind == rule.kind:
            raise Conflict(
                f"Rule {rule.kind} conflicts with rule {other.id} which already exists in QoS Policy {rule.policy_id}.",
                neutron_type="QoSRulesConflict",
            )
        for least, most in ((rule, other), (other, rule)):
            if least.kind in _BOUNDS and most.kind == _BOUNDS[RuleKind(least.kind)] and 0 < most.value < least.value:
                raise Conflict(
                    f"Unable to add the rule with value {rule.value} to the policy {rule.policy_id} as the existing rule "
                    f"of type {other.kind} has value {other.value}.",
                    neutron_type="QoSRuleParameterConflict",
                )


def default_of(session: Session, project_id: str) -> str | None:
    return session.scalar(sa.select(QosPolicy.id).where(QosPolicy.default_of == project_id))


def check_change(session: Session, context: RequestContext, before: str | None, after: str | None) -> None:
    """The caller may bind a network or port to `after`, and free it of `before`. Raises NotFound, Forbidden.

    A policy that the caller can't see was set by somebody with more rights, so it stays.
    """
    if after == before:
        return
    if before is not None and not context.is_admin:
        try:
            sharing.get_visible(session, QOS_POLICY, before, context)
        except NotFound as err:
            raise Forbidden(
                "(rule:update:qos_policy_id) is disallowed by policy", neutron_type="PolicyNotAuthorized"
            ) from err
    if after is not None:
        sharing.get_visible(session, QOS_POLICY, after, context, lock=True)


def claim(session: Session, policy_id: str, kind: RuleKind) -> None:
    """Rules of this kind have changed: servers hold what is promised them now. Raises Conflict where it does not fit."""
    if kind in KINDS:
        session.flush()
        network_rates.settle_servers(session, _bound(policy_id))


def claim_for_port(session: Session, port_id: str, before: str | None, after: str | None) -> None:
    """The policy that binds a port is another one now. Raises Conflict as `claim`."""
    _claim_anew(session, before, after, Port.id == port_id)


def claim_for_network(session: Session, network_id: str, before: str | None, after: str | None) -> None:
    """As `claim_for_port`, for the ports of a network."""
    _claim_anew(session, before, after, Port.network_id == network_id)


def _claim_anew(session: Session, before: str | None, after: str | None, ports: sa.ColumnElement[bool]) -> None:
    policy_ids = [policy_id for policy_id in (before, after) if policy_id]
    if before == after or not policy_ids:
        return
    promises = sa.select(QosRule.id).where(QosRule.policy_id.in_(policy_ids), QosRule.kind.in_(sorted(KINDS)))
    if session.scalar(promises.limit(1)) is not None:
        network_rates.settle_servers(session, ports)


def _bound(policy_id: str) -> sa.ColumnElement[bool]:
    mine = sa.select(Network.id).where(Network.qos_policy_id == policy_id)
    return sa.or_(Port.qos_policy_id == policy_id, sa.and_(Port.qos_policy_id.is_(None), Port.network_id.in_(mine)))


def touch(session: Session, policy_id: str) -> None:
    """The policy's rules changed: nodes with a port that it binds are concerned."""
    mine = sa.select(Network.id).where(Network.qos_policy_id == policy_id)
    nodes = list(session.scalars(sa.select(Port.binding_node_id).where(_bound(policy_id)).distinct()))
    outside = sa.or_(FloatingIp.qos_policy_id == policy_id, FloatingIp.network_id.in_(mine))
    floating = sa.select(FloatingIp.router_id).where(outside)
    routers = sa.or_(Router.gateway_qos_policy_id == policy_id, Router.id.in_(floating))
    nodes += session.scalars(sa.select(Router.node_id).where(routers).distinct())
    network_state.touch(session, nodes)


def check_unused(session: Session, policy_id: str) -> None:
    """Raises Conflict while something is bound by the policy."""
    holders = (
        ("network", Network.id, Network.qos_policy_id),
        ("port", Port.id, Port.qos_policy_id),
        ("floating IP", FloatingIp.id, FloatingIp.qos_policy_id),
        ("router", Router.id, Router.gateway_qos_policy_id),
    )
    for word, key, column in holders:
        holder = session.scalar(sa.select(key).where(column == policy_id).limit(1))
        if holder is not None:
            raise Conflict(f"QoS Policy {policy_id} is used by {word} {holder}.", neutron_type="QosPolicyInUse")
