"""Services, hypervisors and availability zones: the machines of the cloud, for administrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.request import Services
from common.db import node_removal, nodes
from common.db import services as service_rows
from common.db.models import Node, Service
from common.db.paging import Page
from common.db.services import Load, ServiceChange
from common.errors import InvalidRequest, NotFound


def list_services(services: Services, host: str | None, binary: str | None) -> list[Service]:
    with services.db.read() as session:
        return service_rows.list_all(session, host=host, binary=binary)


def change_service(services: Services, service_id: str, wanted: ServiceChange) -> Service:
    """Raises NotFound."""

    def work(session: Session) -> Service:
        found = service_rows.get(session, service_id)
        _change(services, session, found, wanted)
        return found

    return services.db.run(work)


def change_service_of(services: Services, host: str, binary: str, wanted: ServiceChange) -> Service:
    """By host and binary, as microversions before 2.53 name a service. Raises NotFound."""

    def work(session: Session) -> Service:
        found = service_rows.by_host_binary(session, host, binary)
        _change(services, session, found, wanted)
        return found

    return services.db.run(work)


def delete_service(services: Services, service_id: str, *, by_number: bool) -> None:
    """Take a node out of the cloud, or forget a scheduler; one that runs still writes itself down again.

    by_number: as microversions before 2.53 name a service. Raises NotFound, Conflict while the node is up or anything is on it.
    """

    def work(session: Session) -> None:
        found = service_rows.by_number(session, int(service_id)) if by_number else service_rows.get(session, service_id)
        if found.binary == nodes.NETWORK_BINARY:  # a node that is not for servers, which no list here shows
            raise NotFound(f"Service {service_id} could not be found.")
        if found.binary == nodes.COMPUTE_BINARY:
            node_removal.remove(session, found, services.clock.now())
        else:
            service_rows.delete(session, found)

    services.db.run(work)


def compute_hosts(services: Services) -> list[str]:
    """Names of the nodes that run servers."""
    return sorted({row.host for row in list_services(services, None, nodes.COMPUTE_BINARY)})


@dataclass(frozen=True)
class HostUse:
    """A node and what each project's servers take of it: vcpus, MiB, GiB, by project id."""

    node: Node
    projects: Mapping[str, tuple[int, int, int]]


def of_host(services: Services, host: str) -> HostUse:
    """Raises NotFound for no such compute host."""
    with services.db.read() as session:
        node = nodes.by_name(session, host)
        if node is None or not node.is_compute:
            raise NotFound(f"Compute host {host[:255]} could not be found.")
        return HostUse(node, service_rows.claims_by_project(session, node.id))


def enable_host(services: Services, host: str, *, enabled: bool) -> None:
    """Raises NotFound."""
    change_service_of(services, host, nodes.COMPUTE_BINARY, ServiceChange(disabled=not enabled))


def _change(services: Services, session: Session, found: Service, wanted: ServiceChange) -> None:
    if found.binary != nodes.COMPUTE_BINARY:
        raise InvalidRequest(f"Updating a {found.binary} service is not supported. Must be {nodes.COMPUTE_BINARY}.")
    service_rows.change(session, found, wanted, services.clock.now())


@dataclass(frozen=True)
class HypervisorPage:
    """Nodes with what is on them, by node id; servers only when asked for."""

    nodes: Sequence[tuple[Node, Service]]
    loads: Mapping[str, Load]
    servers: Mapping[str, Sequence[tuple[str, str]]] | None = None


def list_hypervisors(
    services: Services, page: Page, *, name: str | None = None, with_servers: bool = False
) -> HypervisorPage:
    """Raises InvalidRequest for a bad marker, NotFound when a name was asked for and none contains it."""
    with services.db.read() as session:
        found = service_rows.node_page(session, page, name_contains=name)
        if name is not None and not found:
            raise NotFound(f"No hypervisor matching '{name}' could be found.")
        return _surrounded(session, found, with_servers)


def show_hypervisor(services: Services, node_id: str, *, with_servers: bool = False) -> HypervisorPage:
    """Raises NotFound."""
    with services.db.read() as session:
        return _surrounded(session, [service_rows.get_node(session, node_id)], with_servers)


def _surrounded(session: Session, found: Sequence[tuple[Node, Service]], with_servers: bool) -> HypervisorPage:
    ids = [node.id for node, _ in found]
    loads = service_rows.loads(session, ids)
    return HypervisorPage(found, loads, service_rows.instances_on(session, ids) if with_servers else None)
