"""Networks and ports of a server that is being created: what it gets by default, and ports that the user brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import network_state, networks, sharing
from common.db.models import IpAllocation, Network, Port, Subnet
from common.db.ports import COMPUTE_OWNER
from common.db.trunk_bindings import SUBPORT_OWNER
from common.errors import Conflict, Forbidden, InvalidRequest, NotFound


@dataclass(frozen=True)
class DefaultNetwork:
    """One that servers could be put into unasked. served: it has a subnet."""

    id: str
    served: bool


def default_networks(session: Session, context: RequestContext, *, up: bool = False) -> list[DefaultNetwork]:
    """What the project's servers could be put into unasked: its own networks and shared ones, not external ones.

    up: of its own, only those that are not switched off.
    """
    caller = {"caller_project": context.project_id or sharing.EVERYBODY, "in_any_state": not up}
    return [DefaultNetwork(*row) for row in session.connection().execute(_DEFAULTS, caller).all()]


_MINE = Network.project_id == sa.bindparam("caller_project")
_DEFAULTS = (
    sa.select(Network.id, sa.exists().where(Subnet.network_id == Network.id))
    .where(
        _MINE | sharing.granted(Network.id, sa.bindparam("caller_project"), sharing.Action.SHARED),
        Network.external.is_(False),
        sa.not_(_MINE) | Network.admin_state_up | sa.bindparam("in_any_state", type_=sa.Boolean),
    )
    .order_by(Network.created_at, Network.id)
)


def with_subnet(network: DefaultNetwork) -> str:
    """The network's id. Raises InvalidRequest when no address could be had in it."""
    if not network.served:
        raise _without_subnet(network.id)
    return network.id


def usable_networks(session: Session, network_ids: Sequence[str], context: RequestContext) -> dict[str, Network]:
    """The networks by id, if a server of the caller may be put into all of them.

    Raises InvalidRequest for one that is unknown or has no subnet, Forbidden for an external one.
    """
    wanted = list(dict.fromkeys(network_ids))
    visible = sa.select(Network).where(Network.id.in_(wanted), networks.visible(context))
    found = {network.id: network for network in session.scalars(visible)}
    subnets = networks.subnet_ids(session, wanted, context)
    shared = sharing.shared_among(session, wanted, context)
    for network_id in wanted:
        network = found.get(network_id)
        if network is None:
            raise InvalidRequest(f"Network {network_id} could not be found.")
        if not (context.is_admin or network_id in shared or network.project_id == context.project_id):
            raise Forbidden(f"It is not allowed to create an interface on external network {network_id}")
        if not subnets[network_id]:
            raise _without_subnet(network_id)
    return found


def _without_subnet(network_id: str) -> InvalidRequest:
    return InvalidRequest(f"Network {network_id} requires a subnet in order to boot instances on.")


def check_seen(session: Session, port_id: str, context: RequestContext) -> None:
    """Raises NotFound for a port that is not there, or not the caller's."""
    owner = session.scalar(sa.select(Port.project_id).where(Port.id == port_id))
    if owner is None or not context.owns(owner):
        raise NotFound(f"Port id {port_id} could not be found.")


def check_brought(session: Session, port_ids: Sequence[str], context: RequestContext) -> None:
    """Ports that the user brings must be there, the caller's own, free, and have an address.

    Raises InvalidRequest for the first that is not there or has no address, Conflict for one in use.
    """
    query = sa.select(Port).where(Port.id.in_(port_ids))
    found = {port.id: port for port in session.scalars(query) if context.owns(port.project_id)}
    addressed = set(session.scalars(sa.select(IpAllocation.port_id).where(IpAllocation.port_id.in_(port_ids))))
    for port_id in port_ids:
        port = found.get(port_id)
        if port is None:
            raise InvalidRequest(f"Port id {port_id} could not be found.")
        if port.device_id or port.device_owner == SUBPORT_OWNER:
            raise _in_use(port_id)
        if port_id not in addressed:
            raise InvalidRequest(f"Port {port_id} requires a FixedIP in order to be used.")


def adopt(
    session: Session, port_id: str, *, instance_id: str, nic_order: int, dns_name: str, now: datetime, tag: str = ""
) -> None:
    """Make a free port the instance's, by compare-and-set; it outlives the server. Raises Conflict when it is taken."""
    taken = session.execute(
        sa.update(Port)
        .where(Port.id == port_id, Port.device_id == "", Port.device_owner != SUBPORT_OWNER)
        .values(
            device_id=instance_id,
            device_owner=COMPUTE_OWNER,
            nic_order=nic_order,
            device_tag=tag,
            delete_with_instance=False,
            dns_name=sa.case((Port.dns_name == "", dns_name), else_=Port.dns_name),
            revision_number=Port.revision_number + 1,
            updated_at=now,
        )
        .returning(Port.binding_node_id)
        .execution_options(synchronize_session=False)
    ).first()
    if taken is None:
        raise _in_use(port_id)
    network_state.touch(session, [taken.binding_node_id])


def next_nic_order(session: Session, instance_id: str) -> int:
    """Behind all cards that the instance has. The caller holds the instance's row."""
    last = session.scalar(sa.select(sa.func.max(Port.nic_order)).where(Port.device_id == instance_id))
    return 0 if last is None else last + 1


def find(session: Session, instance_id: str, port_id: str) -> Port | None:
    """The port, if it is plugged into this instance."""
    mine = (Port.id == port_id, Port.device_id == instance_id, Port.device_owner.like("compute:%"))
    return session.scalar(sa.select(Port).where(*mine).execution_options(populate_existing=True))


def _in_use(port_id: str) -> Conflict:
    return Conflict(f"Port {port_id} is still in use.")
