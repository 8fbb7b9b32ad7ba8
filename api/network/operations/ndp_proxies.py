"""What requests about NDP proxies mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.network.problems import check_revision, not_allowed
from api.request import ApiRequest
from common.db import addresses, ndp_proxies, port_lists, routers
from common.db.filters import Filters
from common.db.models import NdpProxy
from common.db.ndp_proxies import NewProxy
from common.db.paging import Page


def create(request: ApiRequest, bodies: Sequence[dict[str, Any]]) -> list[NdpProxy]:
    """All or none. Router and port are the caller's own, or an administrator asks."""
    now = request.services.clock.now()

    def work(session: Session) -> list[NdpProxy]:
        made = []
        for body in bodies:
            router = routers.get_visible(session, body["router_id"], request.context, lock=True)
            port = port_lists.get_visible(session, body["port_id"], request.context)
            if not request.context.owns(port.project_id):
                raise not_allowed("create_ndp_proxy")
            asked = body.get("ip_address")
            new = NewProxy(
                project_id=body["project_id"],
                name=body.get("name", ""),
                description=body.get("description", ""),
                ip_address=addresses.canonical(asked) if asked else None,
            )
            made.append(ndp_proxies.create(session, router, port, new, now))
        return made

    return request.services.db.run(work)


def list_(request: ApiRequest, filters: Filters, page: Page) -> list[NdpProxy]:
    with request.services.db.read() as session:
        return ndp_proxies.list_(session, request.context, filters, page)


def show(request: ApiRequest, proxy_id: str) -> NdpProxy:
    with request.services.db.read() as session:
        return ndp_proxies.get_visible(session, proxy_id, request.context)


def update(request: ApiRequest, proxy_id: str, changes: Mapping[str, Any]) -> NdpProxy:
    def work(session: Session) -> NdpProxy:
        row = ndp_proxies.get_visible(session, proxy_id, request.context)
        check_revision(request.headers, row.revision_number)
        ndp_proxies.update(session, row, changes, request.services.clock.now())
        return row

    return request.services.db.run(work)


def delete(request: ApiRequest, proxy_id: str) -> None:
    request.services.db.run(
        lambda session: ndp_proxies.delete(session, ndp_proxies.get_visible(session, proxy_id, request.context))
    )
