"""Fixed and floating addresses of a server: the network service's operations, found by address, in Nova's words.

Like Nova it adds a fixed address to a port that the server has in the network; the guest learns of it as of any other.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from api.compute.operations.network_proxies import in_nova_words
from api.compute.operations.servers import check_not_locked
from api.network.operations import floating_ips as floating_operations
from api.network.schemas.ports import MAX_ADDRESSES
from api.request import ApiRequest
from common.db import floating_ips, instances, networks, port_lists, ports
from common.db.addresses import RequestedAddress, canonical
from common.db.models import FloatingIp, IpAllocation, Port
from common.errors import Conflict, InvalidRequest, NotFound


def add_fixed(request: ApiRequest, server_id: str, network_id: str) -> None:
    """One more address in a network the server is in. Raises NotFound, InvalidRequest, Conflict for a locked server."""
    found = [port for port in _ports(request, server_id) if port[0].network_id == network_id]
    if not found:
        raise InvalidRequest(f"Server {server_id} has no port in network {network_id}.")
    port, addresses = found[0]
    if not addresses:
        raise InvalidRequest(f"Port {port.id} of server {server_id} has no subnet to take an address from.")
    if len(addresses) >= MAX_ADDRESSES:
        raise InvalidRequest(
            f"Port {port.id} of server {server_id} has {MAX_ADDRESSES} addresses, and can't have more."
        )
    _set(request, port.id, [*_as_asked(addresses), RequestedAddress(addresses[0].subnet_id, None)])


def remove_fixed(request: ApiRequest, server_id: str, address: str) -> None:
    """Raises NotFound, InvalidRequest for an address that the server has not, Conflict for a locked server."""
    port, addresses = _holding(request, server_id, address)
    _set(request, port.id, [each for each in _as_asked(addresses) if each.ip_address != canonical(address)])


def add_floating(request: ApiRequest, server_id: str, address: str, fixed: str | None) -> None:
    """fixed None: the first IPv4 address of the server. Raises NotFound, InvalidRequest, Conflict."""
    floating = _floating(request, address)
    if fixed is None:
        every = [(port, each.ip_address) for port, held in _ports(request, server_id) for each in held]
        first = next(((port, text) for port, text in every if ":" not in text), None)
        if first is None:
            raise InvalidRequest("No fixed IPs associated to instance")
        port, fixed = first
    else:
        port, _ = _holding(request, server_id, fixed)
    with in_nova_words():
        changes = {"port_id": port.id, "fixed_ip_address": canonical(fixed)}
        floating_operations.update(request, floating.id, changes)


def remove_floating(request: ApiRequest, server_id: str, address: str) -> None:
    """Raises NotFound for an address that is none, Conflict for one that is not this server's."""
    floating = _floating(request, address)
    if floating.port_id not in {port.id for port, _ in _ports(request, server_id)}:
        raise Conflict(f"Floating IP {address} is not associated with instance {server_id}.")
    floating_operations.update(request, floating.id, {"port_id": None})


def _ports(request: ApiRequest, server_id: str) -> list[tuple[Port, list[IpAllocation]]]:
    with request.services.db.read() as session:
        check_not_locked(instances.get_visible(session, server_id, request.context), request.context)
        found = ports.for_instance(session, server_id)
        held = ports.addresses_for(session, [port.id for port in found])
        return [(port, held.get(port.id, [])) for port in found]


def _holding(request: ApiRequest, server_id: str, address: str) -> tuple[Port, list[IpAllocation]]:
    for port, addresses in _ports(request, server_id):
        if any(each.ip_address == canonical(address) for each in addresses):
            return port, addresses
    raise InvalidRequest(f"Unable to find address {address} on server {server_id}.")


def _floating(request: ApiRequest, address: str) -> FloatingIp:
    with request.services.db.read() as session:
        found = floating_ips.by_address(session, canonical(address), request.context)
    if found is None:
        raise NotFound("floating IP not found")
    return found


def _set(request: ApiRequest, port_id: str, wanted: list[RequestedAddress]) -> None:
    """The cloud chooses what is new, so that it needs no right to choose addresses in the network."""
    now = request.services.clock.now()

    def work(session: Session) -> None:
        port = port_lists.get_visible(session, port_id, request.context, lock=True)
        networks.hold(session, port.network_id)
        port_lists.set_addresses(session, port, wanted, now)

    with in_nova_words():
        request.services.db.run(work)


def _as_asked(addresses: list[IpAllocation]) -> list[RequestedAddress]:
    return [RequestedAddress(each.subnet_id, each.ip_address) for each in addresses]
