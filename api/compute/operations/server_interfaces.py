"""The ports of a server, for os-interface and /ips."""

from __future__ import annotations

from collections.abc import Sequence

from api.request import Services
from common.context import RequestContext
from common.db import instances, ports
from common.db.ports import InstanceAddress
from common.errors import NotFound


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
