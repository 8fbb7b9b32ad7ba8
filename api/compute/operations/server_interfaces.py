"""The ports of a server, for os-interface and /ips: shown, attached and detached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from api.compute.operations import server_networks
from api.compute.operations.server_actions import begun, check_node
from api.compute.operations.server_networks import Nic, Plugged
from api.compute.operations.servers import check_not_locked
from api.request import Services
from common.context import RequestContext
from common.db import device_operations, instances, network_quota, networks, ports, quotas, server_ports, servers
from common.db.models import Instance
from common.db.ports import InstanceAddress
from common.errors import Conflict, InvalidRequest, NotFound
from common.states import Action


def addresses(services: Services, context: RequestContext, server_id: str) -> Sequence[InstanceAddress]:
    """Every address of every port, in the order of the cards. Raises NotFound."""
    with services.db.read() as session:
        instances.get_visible(session, server_id, context)
        return ports.info_for_instances(session, [server_id])[server_id]


def one_port(services: Services, context: RequestContext, server_id: str, port_id: str) -> Sequence[InstanceAddress]:
    """The addresses of one port of the server. Raises NotFound for the server, or a port that isn't its own."""
    found = [row for row in addresses(services, context, server_id) if row.port_id == port_id]
    if not found:
        raise NotFound(f"Port id {port_id} could not be found.")
    return found


def attach(services: Services, context: RequestContext, server_id: str, wanted: Nic) -> Sequence[InstanceAddress]:
    """Give the server a card in a network (unnamed: the one there is) or on a port; its addresses.

    The port is the server's when this returns; its node plugs the card in afterwards. Raises NotFound, InvalidRequest,
    Conflict, StateConflict, QuotaExceeded, NoAddressLeft.
    """

    def work(session: Session) -> tuple[str, Sequence[InstanceAddress]]:
        now = services.clock.now()
        quotas.lock(session, [instances.get_visible(session, server_id, context).project_id])
        instance = _changeable(session, context, server_id, Action.ATTACH_INTERFACE, now)
        nic = _resolved(session, context, instance, wanted)
        plugged = Plugged(instance.id, instance.project_id, instance.hostname)
        order = server_ports.next_nic_order(session, instance.id)
        limits = network_quota.defaults(services.config.quota)
        port_id = server_networks.plug_one(
            session, plugged, nic, order, None, config=services.config, now=now, quota=limits
        )
        params = {"mac_address": ports.get(session, port_id).mac_address}
        begin = device_operations.begin
        operation_id = begin(session, instance, Action.ATTACH_INTERFACE, port_id, context, now, params)
        found = ports.info_for_instances(session, [instance.id])[instance.id]
        return operation_id, [row for row in found if row.port_id == port_id]

    return begun(services, Action.ATTACH_INTERFACE, work)


def detach(services: Services, context: RequestContext, server_id: str, port_id: str) -> None:
    """Take a port from the server. Raises NotFound, Conflict, StateConflict."""

    def work(session: Session) -> tuple[str, None]:
        now = services.clock.now()
        instance = _changeable(session, context, server_id, Action.DETACH_INTERFACE, now)
        port = server_ports.find(session, instance.id, port_id)
        if port is None:
            raise NotFound(f"Port id {port_id} could not be found.")
        params = {"mac_address": port.mac_address}
        begin = device_operations.begin
        return begin(session, instance, Action.DETACH_INTERFACE, port_id, context, now, params), None

    begun(services, Action.DETACH_INTERFACE, work)


def _changeable(session: Session, context: RequestContext, server_id: str, action: Action, now: datetime) -> Instance:
    """The server's row, held. Raises NotFound, Conflict for one that is locked or whose node is down."""
    instance = servers.get_for_update(session, server_id, context)
    check_not_locked(instance, context)
    check_node(session, instance, action, now)
    return instance


def _resolved(session: Session, context: RequestContext, instance: Instance, wanted: Nic) -> Nic:
    """What the card is made of; a network or port that the caller doesn't see is a NotFound here."""
    if wanted.tag and wanted.tag in {row.device_tag for row in ports.for_instance(session, instance.id)}:
        raise InvalidRequest(f"A device of instance {instance.id} has the tag {wanted.tag} already.")
    if wanted.port_id:
        server_ports.check_seen(session, wanted.port_id, context)
    elif wanted.network_id:
        networks.get_visible(session, wanted.network_id, context)
    else:
        return replace(_only_network(session, context), tag=wanted.tag)
    return server_networks.resolve(session, [wanted], context)[0]


def _only_network(session: Session, context: RequestContext) -> Nic:
    try:
        found = server_networks.resolve(session, None, context)
    except Conflict as err:  # Nova's answer to an ambiguous network is another one here than for a new server
        raise InvalidRequest(err.message) from err
    if not found:
        raise InvalidRequest("No network found for the interface: name a network or a port.")
    return found[0]
