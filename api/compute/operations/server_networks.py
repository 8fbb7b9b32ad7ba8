"""The network cards of a new server: what was asked for, or what the project has, and the ports for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from api.network.operations import auto_topology
from api.request import Services
from common.config import Config
from common.context import RequestContext
from common.db import ports, server_ports
from common.db.ports import NewPort, RequestedAddress
from common.errors import Conflict, InvalidRequest, QuotaExceeded
from common.ids import new_id


class NetworkChoice(StrEnum):
    """What may stand instead of a list of networks."""

    AUTO = "auto"
    NONE = "none"


class NoNetworkYet(InvalidRequest):
    """A network was to be had automatically, and the project has none: `allocate` makes one."""


@dataclass(frozen=True)
class Nic:
    """One card: in a network, perhaps with an address, or on a port that the user brings."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str = ""


def resolve(session: Session, wanted: Sequence[Nic] | NetworkChoice | None, context: RequestContext) -> tuple[Nic, ...]:
    """The cards that the server gets. An empty or missing list means the one network there is, or none.

    Raises NoNetworkYet, InvalidRequest, Forbidden, Conflict when there are several networks to choose from or a port
    is in use.
    """
    if wanted is NetworkChoice.NONE:
        return ()
    if not wanted or wanted is NetworkChoice.AUTO:
        return _by_default(session, context, must=wanted is NetworkChoice.AUTO)
    nics = [nic for nic in wanted if isinstance(nic, Nic)]
    brought = [nic.port_id for nic in nics if nic.port_id]
    if len(set(brought)) < len(brought):
        raise InvalidRequest("Ambiguous or duplicate port in the list of networks; name each port once.")
    if brought:
        server_ports.check_brought(session, brought, context)
    named = [nic.network_id for nic in nics if nic.network_id and not nic.port_id]
    if named:
        server_ports.usable_networks(session, named, context)
    return tuple(nics)


def _by_default(session: Session, context: RequestContext, *, must: bool) -> tuple[Nic, ...]:
    found = server_ports.default_networks(session, context, up=must)
    if len(found) > 1:
        raise Conflict("Multiple possible networks found, use a Network ID to be more specific.")
    if not found:
        if must:
            raise NoNetworkYet(_unallocated(context.project_id or "", "it has no network"))
        return ()
    return (Nic(network_id=server_ports.with_subnet(found[0])),)


def allocate(services: Services, project_id: str) -> None:
    """Make the project's ready-made topology, as `GET /auto-allocated-topology` does, in a transaction of its own.

    It stays when the server is refused after all. Raises InvalidRequest naming what an administrator has to prepare.
    """
    try:
        auto_topology.ensure(services, project_id)
    except (Conflict, QuotaExceeded) as err:
        raise InvalidRequest(_unallocated(project_id, err.message)) from err


def _unallocated(project_id: str, reason: str) -> str:
    return f"Unable to automatically allocate a network for project {project_id}: {reason.rstrip('.')}."


def check_count(nics: Sequence[Nic] | NetworkChoice | None, count: int) -> None:
    """One port or address can't be given to several servers. Raises InvalidRequest."""
    if count <= 1 or nics is None or isinstance(nics, NetworkChoice):
        return
    if any(nic.port_id for nic in nics):
        raise InvalidRequest(
            "Cannot launch multiple instances with a single configured port ID. "
            "Please launch your instance one by one with different ports."
        )
    if any(nic.fixed_ip for nic in nics):
        raise InvalidRequest("Invalid fixed_ip: it can't be given to several servers.")


@dataclass(frozen=True)
class Plugged:
    """The server that gets ports."""

    id: str
    project_id: str
    hostname: str


def plug(
    session: Session,
    instance: Plugged,
    nics: Sequence[Nic],
    group_ids: tuple[str, ...] | None,
    *,
    config: Config,
    now: datetime,
) -> None:
    """Make or take the server's ports, in the order of its cards.

    The quota has been taken. Raises NoAddressLeft, Conflict (port taken meanwhile), InvalidRequest (address in use or
    not there).
    """
    for order, nic in enumerate(nics):
        plug_one(session, instance, nic, order, group_ids, config=config, now=now, quota=None)


def plug_one(
    session: Session,
    instance: Plugged,
    nic: Nic,
    order: int,
    group_ids: tuple[str, ...] | None,
    *,
    config: Config,
    now: datetime,
    quota: Mapping[str, int] | None,
) -> str:
    """Make or take the port for one card, the `order`th; its id. quota as in `ports.add`. Raises as `plug`."""
    dns_name = instance.hostname[:63]
    if nic.port_id:
        server_ports.adopt(
            session, nic.port_id, instance_id=instance.id, nic_order=order, dns_name=dns_name, now=now, tag=nic.tag
        )
        return nic.port_id
    new = NewPort(
        id=new_id(), network_id=nic.network_id or "", project_id=instance.project_id, device_id=instance.id,
        device_owner=ports.COMPUTE_OWNER, security_groups=group_ids, delete_with_instance=True, nic_order=order,
        device_tag=nic.tag, dns_name=dns_name,
        fixed_ips=(RequestedAddress(ip_address=nic.fixed_ip),) if nic.fixed_ip else None,
    )  # fmt: skip
    try:
        ports.add(session, new, now, mac_prefix=config.network.mac_prefix, quota=quota)
    except Conflict as err:
        if nic.fixed_ip and err.facts.get("neutron_type") == "IpAddressAlreadyAllocated":
            raise InvalidRequest(f"Fixed IP address {nic.fixed_ip} is already in use.") from err
        raise
    return new.id
