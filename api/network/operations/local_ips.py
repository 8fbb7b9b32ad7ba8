"""What requests about local IPs mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from api.network.problems import check_revision, neutron_quota, not_allowed
from api.request import ApiRequest
from common.db import addresses, local_ips, network_quota, networks, port_lists
from common.db.filters import Filters
from common.db.local_ips import TRANSLATE, Association, NewLocalIp
from common.db.models import LocalIp, Port
from common.db.paging import Page
from common.errors import InvalidRequest

_T = TypeVar("_T")


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[LocalIp]:
    """All or none."""
    with neutron_quota():
        return request.services.db.run(lambda session: [_create(session, request, body) for body in bodies])


def _create(session: Session, request: ApiRequest, body: Mapping[str, Any]) -> LocalIp:
    """With an address of a port of one's own, or in a network that one sees."""
    config, now = request.services.config, request.services.clock.now()
    new = NewLocalIp(
        project_id=body["project_id"],
        name=body.get("name", ""),
        description=body.get("description", ""),
        address=_address(body.get("local_ip_address")),
        ip_mode=body.get("ip_mode", TRANSLATE),
    )
    if body.get("local_port_id"):
        port = _own_port(session, request, body["local_port_id"], "create_local_ip")
        return local_ips.create_at_port(session, port, new, now)
    if not body.get("network_id"):
        raise InvalidRequest(
            "Invalid input for operation: Either Port ID or Network ID must be specified for Local IP create.",
            neutron_type="LocalIPPortOrNetworkRequired",
        )
    network = networks.get_visible(session, body["network_id"], request.context)
    return local_ips.create_in_network(
        session, network.id, new, now,
        mac_prefix=config.network.mac_prefix, quota=network_quota.defaults(config.quota),
    )  # fmt: skip


def _own_port(session: Session, request: ApiRequest, port_id: str, rule: str) -> Port:
    port = port_lists.get_visible(session, port_id, request.context, lock=True)
    if not request.context.owns(port.project_id):
        raise not_allowed(rule)
    return port


def _address(asked: str | None) -> str | None:
    return addresses.canonical(asked) if asked else None


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[LocalIp]:
    with request.services.db.read() as session:
        return local_ips.list_(session, request.context, filters, page)


def show(request: ApiRequest, local_ip_id: str) -> LocalIp:
    with request.services.db.read() as session:
        return local_ips.get_visible(session, local_ip_id, request.context)


def update(request: ApiRequest, local_ip_id: str, changes: Mapping[str, Any]) -> LocalIp:
    def work(session: Session, row: LocalIp) -> LocalIp:
        check_revision(request.headers, row.revision_number)
        local_ips.update(session, row, changes, request.services.clock.now())
        return row

    return _held(request, local_ip_id, work)


def delete(request: ApiRequest, local_ip_id: str) -> None:
    _held(request, local_ip_id, lambda session, row: local_ips.delete(session, row, request.services.clock.now()))


def associate(request: ApiRequest, local_ip_id: str, body: Mapping[str, Any]) -> Association:
    def work(session: Session, row: LocalIp) -> Association:
        port = _own_port(session, request, body["fixed_port_id"], "create_local_ip_port_association")
        return local_ips.associate(session, row, port, _address(body.get("fixed_ip")))

    return _held(request, local_ip_id, work)


def associations(request: ApiRequest, local_ip_id: str) -> list[Association]:
    with request.services.db.read() as session:
        return local_ips.associations(session, local_ips.get_visible(session, local_ip_id, request.context))


def association(request: ApiRequest, local_ip_id: str, port_id: str) -> Association:
    with request.services.db.read() as session:
        return local_ips.association(session, local_ips.get_visible(session, local_ip_id, request.context), port_id)


def dissociate(request: ApiRequest, local_ip_id: str, port_id: str) -> None:
    _held(request, local_ip_id, lambda session, row: local_ips.dissociate(session, row, port_id))


def _held(request: ApiRequest, local_ip_id: str, work: Callable[[Session, LocalIp], _T]) -> _T:
    def hold(session: Session) -> _T:
        return work(session, local_ips.get_visible(session, local_ip_id, request.context, lock=True))

    return request.services.db.run(hold)
