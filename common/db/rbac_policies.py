"""RBAC policies: which project may see and use another's object. One is refused removal while its project uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import network_state, quotas
from common.db.filters import Filters, apply
from common.db.models import (
    AddressGroup,
    AddressScope,
    FloatingIp,
    Network,
    Port,
    PortSecurityGroup,
    QosPolicy,
    RbacPolicy,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    SubnetPool,
)
from common.db.paging import Page, fetch
from common.db.sharing import EVERYBODY, Action, Kind
from common.db.upsert import insert_ignore
from common.errors import Conflict, NotFound
from common.ids import new_id

NETWORK = Kind("network", Network, "Network {} could not be found.", "NetworkNotFound")
SECURITY_GROUP = Kind("security_group", SecurityGroup, "Security group {} does not exist", "SecurityGroupNotFound")
QOS_POLICY = Kind("qos_policy", QosPolicy, "QoS policy {} could not be found.", "QosPolicyNotFound")
ADDRESS_GROUP = Kind("address_group", AddressGroup, "Address group {} could not be found.", "AddressGroupNotFound")
ADDRESS_SCOPE = Kind("address_scope", AddressScope, "Address scope {} could not be found", "AddressScopeNotFound")
SUBNET_POOL = Kind("subnetpool", SubnetPool, "Subnet pool {} could not be found.", "SubnetPoolNotFound")
KINDS = {
    kind.object_type: kind for kind in (NETWORK, SECURITY_GROUP, QOS_POLICY, ADDRESS_GROUP, ADDRESS_SCOPE, SUBNET_POOL)
}
COLUMNS = {
    "id": RbacPolicy.id,
    "project_id": RbacPolicy.project_id,
    "object_type": RbacPolicy.object_type,
    "object_id": RbacPolicy.object_id,
    "action": RbacPolicy.action,
    "target_tenant": RbacPolicy.target_project,
    "target_project": RbacPolicy.target_project,
}


def not_found(policy_id: str) -> NotFound:
    return NotFound(f"RBAC policy with ID {policy_id} not found", neutron_type="RbacPolicyNotFound")


def actions_of(object_type: str) -> list[str]:
    return [Action.EXTERNAL, Action.SHARED] if object_type == "network" else [Action.SHARED]


def _visible(context: RequestContext) -> sa.ColumnElement[bool]:
    """A policy is seen by who made it, not by the project that it is for."""
    return sa.true() if context.is_admin else RbacPolicy.project_id == context.project_id


def list_(session: Session, context: RequestContext, filters: Filters, page: Page) -> list[RbacPolicy]:
    query = apply(sa.select(RbacPolicy).where(_visible(context)), COLUMNS, filters)
    return fetch(session, query, page, columns=COLUMNS, default=(("id", False),), key=RbacPolicy.id)


def get(session: Session, policy_id: str, context: RequestContext, *, lock: bool = False) -> RbacPolicy:
    query = sa.select(RbacPolicy).where(RbacPolicy.id == policy_id, _visible(context))
    row = session.scalar(query.with_for_update(key_share=True) if lock else query)
    if row is None:
        raise not_found(policy_id)
    return row


def create(
    session: Session, kind: Kind, owner: Any, action: Action, target: str, limits: Mapping[str, int], project_id: str
) -> RbacPolicy:
    """`owner`: the object's row, held by the caller. Raises QuotaExceeded, Conflict for one that is there."""
    quotas.take(session, project_id, {"rbac_policy": 1}, limits)
    values = {
        "id": new_id(),
        "project_id": project_id,
        "object_type": kind.object_type,
        "object_id": owner.id,
        "action": action.value,
        "target_project": target,
    }
    if not insert_ignore(session, RbacPolicy, [values]):
        raise duplicate()
    _mirror(session, kind, owner)
    return session.scalars(sa.select(RbacPolicy).where(RbacPolicy.id == values["id"])).one()


def duplicate() -> Conflict:
    return Conflict("An RBAC policy already exists with those values.", neutron_type="DuplicateRbacPolicy")


def retarget(session: Session, row: RbacPolicy, target: str) -> None:
    """Raises Conflict while a project uses the object by this policy alone, or when such a policy is there."""
    if target == row.target_project:
        return
    kind, owner = _held(session, row)
    known = sa.select(RbacPolicy.id).where(
        RbacPolicy.object_id == row.object_id, RbacPolicy.action == row.action, RbacPolicy.target_project == target
    )
    if session.scalar(known) is not None:
        raise duplicate()
    before, row.target_project = row.target_project, target
    session.flush()
    if target != EVERYBODY:
        _check_unused(session, row, owner, before)
    _mirror(session, kind, owner)


def delete(session: Session, row: RbacPolicy) -> None:
    """Raises Conflict while a project that loses the object uses it."""
    quotas.lock(session, [row.project_id])
    kind, owner = _held(session, row)
    before = row.target_project
    session.delete(row)
    session.flush()
    _check_unused(session, row, owner, before)
    quotas.release(session, row.project_id, {"rbac_policy": 1})
    _mirror(session, kind, owner)


def _held(session: Session, row: RbacPolicy) -> tuple[Kind, Any]:
    kind = KINDS[row.object_type]
    query = sa.select(kind.model).where(kind.model.id == row.object_id).with_for_update()
    return kind, session.scalars(query.execution_options(populate_existing=True)).one()


def _mirror(session: Session, kind: Kind, owner: Any) -> None:
    """A network's flags follow its policies: shared with all, and external for anybody. The object is revised."""
    if hasattr(owner, "revision_number"):
        owner.revision_number += 1
    if kind is NETWORK:
        rows = session.execute(
            sa.select(RbacPolicy.action, RbacPolicy.target_project).where(RbacPolicy.object_id == owner.id)
        ).all()
        owner.shared = any(tuple(row) == (Action.SHARED, EVERYBODY) for row in rows)
        owner.external = any(action == Action.EXTERNAL for action, _ in rows)
    session.flush()


def _check_unused(session: Session, row: RbacPolicy, owner: Any, lost_by: str) -> None:
    """Raises Conflict for projects that use the object and that no other policy lets do so.

    A policy that lets projects route through a network may be given to one of them instead, as Neutron's may; one that
    shares an object may not.
    """
    others = RbacPolicy.id != row.id if row.action == Action.SHARED else sa.true()
    if row.action == Action.EXTERNAL and lost_by == EVERYBODY and owner.is_default:
        raise _in_use(row.object_id, "it is the default external network")
    users = set(session.scalars(_users(row)))
    still = set(
        session.scalars(
            sa.select(RbacPolicy.target_project).where(
                RbacPolicy.object_id == row.object_id, RbacPolicy.action == row.action, others
            )
        )
    )
    if EVERYBODY in still:
        return
    losing = (users if lost_by == EVERYBODY else users & {lost_by}) - still - {owner.project_id}
    if losing:
        raise _in_use(row.object_id, f"projects {', '.join(sorted(losing))} use it")


def _in_use(object_id: str, details: str) -> Conflict:
    return Conflict(
        f"RBAC policy on object {object_id} cannot be removed because other objects depend on it.\nDetails: {details}.",
        neutron_type="RbacPolicyInUse",
    )


def _users(row: RbacPolicy) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    """The projects that use an object."""
    object_id = row.object_id
    if row.object_type == "network":
        if row.action == Action.EXTERNAL:
            gateways = sa.select(Router.project_id).where(Router.gateway_network_id == object_id)
            return gateways.union(sa.select(FloatingIp.project_id).where(FloatingIp.network_id == object_id))
        own = Port.device_owner.in_((network_state.DHCP_OWNER, "network:router_gateway", "network:floatingip"))
        of_ports = sa.select(Port.project_id).where(Port.network_id == object_id, sa.not_(own))
        return of_ports.union(sa.select(Subnet.project_id).where(Subnet.network_id == object_id))
    if row.object_type == "security_group":
        members = sa.select(PortSecurityGroup.port_id).where(PortSecurityGroup.security_group_id == object_id)
        return sa.select(Port.project_id).where(Port.id.in_(members))
    if row.object_type == "qos_policy":
        on_ports = sa.select(Port.project_id).where(Port.qos_policy_id == object_id)
        return on_ports.union(sa.select(Network.project_id).where(Network.qos_policy_id == object_id))
    if row.object_type == "address_group":
        return sa.select(SecurityGroupRule.project_id).where(SecurityGroupRule.remote_address_group_id == object_id)
    if row.object_type == "address_scope":
        return sa.select(SubnetPool.project_id).where(SubnetPool.address_scope_id == object_id)
    return sa.select(Subnet.project_id).where(Subnet.subnetpool_id == object_id)
