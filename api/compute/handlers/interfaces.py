"""Addresses and ports of a server."""

from __future__ import annotations

from api.compute.handlers.server_create import fixed_address
from api.compute.operations import server_guest, server_interfaces, server_topology
from api.compute.operations.server_networks import Nic
from api.compute.schemas import interfaces as schemas
from api.compute.views import interfaces as views
from api.compute.views import servers as server_views
from api.compute.views import topology as topology_views
from api.compute.views.fields import reader
from api.request import ApiRequest, Reply
from api.schema import validate
from common.errors import InvalidRequest, NotFound


def ips(request: ApiRequest, server_id: str) -> Reply:
    found = server_interfaces.addresses(request.services, request.context, server_id)
    return Reply({"addresses": server_views.plain_addresses(found)})


def ips_of_network(request: ApiRequest, server_id: str, label: str) -> Reply:
    found = server_interfaces.addresses(request.services, request.context, server_id)
    networks = server_views.plain_addresses(found)
    if label not in networks:
        raise NotFound("Instance is not a member of specified network")
    return Reply({label: networks[label]})


def list_ports(request: ApiRequest, server_id: str) -> Reply:
    found = server_interfaces.addresses(request.services, request.context, server_id)
    return Reply({"interfaceAttachments": views.attachments(found, reader(request))})


def show_port(request: ApiRequest, server_id: str, port_id: str) -> Reply:
    found = server_interfaces.one_port(request.services, request.context, server_id, port_id)
    return Reply({"interfaceAttachment": views.attachments(found, reader(request))[0]})


def attach(request: ApiRequest, server_id: str) -> Reply:
    validate(request.body, schemas.attach(request.version))
    wanted = request.body["interfaceAttachment"]
    network_id, port_id = wanted.get("net_id"), wanted.get("port_id")
    addresses = [fixed_address(each["ip_address"]) for each in wanted.get("fixed_ips", ())]
    if network_id and port_id:
        raise InvalidRequest("Must not input both network_id and port_id")
    if addresses and not network_id:
        raise InvalidRequest("Must input network_id when request IP address")
    nic = Nic(network_id, port_id, addresses[0] if addresses else None, wanted.get("tag", ""))
    found = server_interfaces.attach(request.services, request.context, server_id, nic)
    return Reply({"interfaceAttachment": views.attachments(found, reader(request))[0]})


def detach(request: ApiRequest, server_id: str, port_id: str) -> Reply:
    server_interfaces.detach(request.services, request.context, server_id, port_id)
    return Reply(status=202)


def topology(request: ApiRequest, server_id: str) -> Reply:
    found = server_topology.of_server(request.services, request.context, server_id)
    return Reply(topology_views.show(found, reader(request)))


def show_password(request: ApiRequest, server_id: str) -> Reply:
    """What the guest has left at its metadata service, encrypted with the server's public key."""
    return Reply({"password": server_guest.password(request.services, request.context, server_id)})


def clear_password(request: ApiRequest, server_id: str) -> Reply:
    server_guest.clear_password(request.services, request.context, server_id)
    return Reply(status=204)
