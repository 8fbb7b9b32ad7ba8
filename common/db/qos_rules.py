"""The rules that QoS policies hold for a port: those of its own policy, else of its network's."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db.models import Network, Port, QosRule
from common.rpc.routers_v1 import Bandwidth, PacketRate


def rules_of(session: Session, policy_ids: Collection[str]) -> dict[str, list[QosRule]]:
    """The rules by policy; one statement."""
    found: dict[str, list[QosRule]] = {policy_id: [] for policy_id in policy_ids}
    rows = session.scalars(
        sa.select(QosRule)
        .where(QosRule.policy_id.in_(policy_ids))
        .order_by(QosRule.kind, QosRule.direction, QosRule.id)
        .execution_options(populate_existing=True)
    )
    for row in rows:
        found[row.policy_id].append(row)
    return found


def network_policies(session: Session, network_ids: Collection[str]) -> dict[str, str | None]:
    """The policy of each network; one statement."""
    return dict(session.execute(_POLICIES, {"networks": list(network_ids)}).all())


_POLICIES = sa.select(Network.id, Network.qos_policy_id).where(
    Network.id.in_(sa.bindparam("networks", expanding=True))
)  # made once: it is asked with each command that carries ports


def binding(session: Session, ports: Sequence[Port]) -> dict[str, list[QosRule]]:
    """The rules that hold for each port that has any, by port id."""
    of_network = network_policies(session, {port.network_id for port in ports})
    chosen = {port.id: port.qos_policy_id or of_network.get(port.network_id) for port in ports}
    policy_ids = {policy_id for policy_id in chosen.values() if policy_id}
    if not policy_ids:
        return {}
    rules = rules_of(session, policy_ids)
    return {port_id: rules[policy_id] for port_id, policy_id in chosen.items() if policy_id}


def bandwidths(rules: Sequence[QosRule]) -> dict[str, Bandwidth]:
    """The bandwidth limits among a policy's rules, by direction. One of 0 limits nothing, as with Open vSwitch."""
    return {
        rule.direction: Bandwidth(kbit_per_s=rule.value, burst_kbit=rule.burst_kbit)
        for rule in rules
        if rule.kind == "bandwidth_limit" and rule.value
    }


def packet_rates(rules: Sequence[QosRule]) -> dict[str, PacketRate]:
    """The limits of packets, as `bandwidths`."""
    return {
        rule.direction: PacketRate(packets_per_s=rule.value * 1000, burst_packets=rule.burst_kbit * 1000)
        for rule in rules
        if rule.kind == "packet_rate_limit" and rule.value
    }
