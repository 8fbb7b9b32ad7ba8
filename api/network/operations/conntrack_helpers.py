"""What requests about routers' conntrack helpers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from api.network.problems import invalid
from api.request import ApiRequest
from common.db import conntrack_helpers, routers
from common.db.filters import Filters
from common.db.models import ConntrackHelper, Router
from common.db.paging import Page
from common.errors import InvalidRequest
from common.ids import new_id

_T = TypeVar("_T")
#: what can be asked for, by protocol: what Linux has among what Neutron allows by default
HELPERS = {
    "amanda": ("udp",),
    "ftp": ("tcp",),
    "irc": ("tcp",),
    "netbios-ns": ("udp",),
    "pptp": ("tcp",),
    "sane": ("tcp",),
    "sip": ("tcp", "udp"),
    "snmp": ("udp",),
    "tftp": ("udp",),
}
_HIGHEST_PORT = 65535


def create(request: ApiRequest, router_id: str, body: Mapping[str, Any]) -> ConntrackHelper:
    values = _values(body)

    def work(session: Session, router: Router) -> ConntrackHelper:
        row = ConntrackHelper(id=new_id(), router_id=router.id, **values)
        _check(row)
        conntrack_helpers.create(session, router, row)
        return row

    return _held(request, router_id, work)


def list_(request: ApiRequest, router_id: str, filters: Filters, page: Page) -> list[ConntrackHelper]:
    with request.services.db.read() as session:
        router = routers.get_visible(session, router_id, request.context)
        return conntrack_helpers.list_(session, router, filters, page)


def show(request: ApiRequest, router_id: str, helper_id: str) -> ConntrackHelper:
    with request.services.db.read() as session:
        return conntrack_helpers.get(session, routers.get_visible(session, router_id, request.context), helper_id)


def update(request: ApiRequest, router_id: str, helper_id: str, changes: Mapping[str, Any]) -> ConntrackHelper:
    values = _values(changes)

    def work(session: Session, router: Router) -> ConntrackHelper:
        row = conntrack_helpers.get(session, router, helper_id)
        with session.no_autoflush:
            for name, value in values.items():
                setattr(row, name, value)
            _check(row)
        conntrack_helpers.update(session, router, row, values)
        return row

    return _held(request, router_id, work)


def delete(request: ApiRequest, router_id: str, helper_id: str) -> None:
    def work(session: Session, router: Router) -> None:
        conntrack_helpers.delete(session, router, conntrack_helpers.get(session, router, helper_id))

    _held(request, router_id, work)


def _held(request: ApiRequest, router_id: str, work: Callable[[Session, Router], _T]) -> _T:
    def hold(session: Session) -> _T:
        return work(session, routers.get_visible(session, router_id, request.context, lock=True))

    return request.services.db.run(hold)


def _values(body: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: body[name] for name in ("helper", "protocol", "port") if name in body}
    if "port" in values:
        values["port"] = int(values["port"])
        if values["port"] > _HIGHEST_PORT:
            raise invalid(f"port {values['port']} is not a port number.")
    if "protocol" in values:
        values["protocol"] = values["protocol"].lower()
    return values


def _check(row: ConntrackHelper) -> None:
    """Raises InvalidRequest."""
    if row.helper not in HELPERS:
        raise InvalidRequest(
            f"Conntrack helper {row.helper} is not one of {', '.join(HELPERS)}.",
            neutron_type="ConntrackHelperNotAllowed",
        )
    if row.protocol not in HELPERS[row.helper]:
        raise InvalidRequest(
            f"Conntrack helper {row.helper} does not support protocol {row.protocol}, but "
            f"{' and '.join(HELPERS[row.helper])}.",
            neutron_type="InvalidProtocolForHelper",
        )
