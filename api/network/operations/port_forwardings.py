"""What requests about port forwardings mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from api.network.operations import port_ranges
from api.network.operations.floating_ips import held_port
from api.request import ApiRequest
from common.db import addresses, floating_ips, port_forwardings
from common.db.filters import Filters
from common.db.models import FloatingIp, PortForwarding
from common.db.paging import Page
from common.db.port_forwardings import Forwarding

_T = TypeVar("_T")


def create(request: ApiRequest, floating_ip_id: str, body: Mapping[str, Any]) -> PortForwarding:
    values = _values(body)
    spans = port_ranges.spans(body)
    wanted = Forwarding(
        protocol=values["protocol"],
        **spans,
        internal_ip_address=values["internal_ip_address"],
        description=values.get("description", ""),
    )

    def work(session: Session, floating: FloatingIp) -> PortForwarding:
        port = held_port(session, request, floating, body["internal_port_id"])
        return port_forwardings.create(session, floating, port, wanted, request.services.clock.now())

    return _held(request, floating_ip_id, work)


def list_(request: ApiRequest, floating_ip_id: str, filters: Filters, page: Page) -> list[PortForwarding]:
    with request.services.db.read() as session:
        floating = floating_ips.get_visible(session, floating_ip_id, request.context)
        return port_forwardings.list_(session, floating, filters, page)


def show(request: ApiRequest, floating_ip_id: str, forwarding_id: str) -> PortForwarding:
    with request.services.db.read() as session:
        floating = floating_ips.get_visible(session, floating_ip_id, request.context)
        return port_forwardings.get(session, floating, forwarding_id)


def update(request: ApiRequest, floating_ip_id: str, forwarding_id: str, changes: Mapping[str, Any]) -> PortForwarding:
    values = _values(changes)

    def work(session: Session, floating: FloatingIp) -> PortForwarding:
        row = port_forwardings.get(session, floating, forwarding_id)
        held_port(session, request, floating, values.get("internal_port_id", row.internal_port_id))
        values.update(port_ranges.changed(changes, row))
        port_forwardings.update(session, floating, row, values, request.services.clock.now())
        return row

    return _held(request, floating_ip_id, work)


def delete(request: ApiRequest, floating_ip_id: str, forwarding_id: str) -> None:
    def work(session: Session, floating: FloatingIp) -> None:
        port_forwardings.delete(session, floating, port_forwardings.get(session, floating, forwarding_id))

    _held(request, floating_ip_id, work)


def _held(request: ApiRequest, floating_ip_id: str, work: Callable[[Session, FloatingIp], _T]) -> _T:
    def hold(session: Session) -> _T:
        return work(session, floating_ips.get_visible(session, floating_ip_id, request.context, lock=True))

    return request.services.db.run(hold)


def _values(body: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a body names, in one spelling."""
    values = {key: value for key, value in body.items() if key != "project_id" and key not in port_ranges.NAMES}
    if "protocol" in values:
        values["protocol"] = values["protocol"].lower()
    if "internal_ip_address" in values:
        values["internal_ip_address"] = addresses.canonical(values["internal_ip_address"])
    return values
