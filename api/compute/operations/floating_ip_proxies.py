"""Floating IPs through compute's own API (until 2.35): the network service's, whose external networks it calls pools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.compute.operations.network_proxies import in_nova_words
from api.network.operations import floating_ips
from api.network.operations.floating_ips import ShownFloatingIp
from api.request import ApiRequest
from common.db import networks
from common.db.models import Network
from common.db.paging import Page
from common.errors import NotFound


@dataclass(frozen=True)
class WithPool:
    shown: ShownFloatingIp
    pool: str


def pools(request: ApiRequest) -> Sequence[Network]:
    """The external networks that the caller may see."""
    everything = Page(limit=request.services.config.api.max_limit)
    with request.services.db.read() as session:
        return networks.list_(session, request.context, {"router:external": ["true"]}, everything)


def list_(request: ApiRequest) -> list[WithPool]:
    """The project's own, also for administrators."""
    own = {"project_id": [request.context.project_id or ""]}
    found = floating_ips.list_(request, own, Page(limit=request.services.config.api.max_limit))
    names = _pool_names(request)
    return [_with_pool(each, names) for each in found]


def show(request: ApiRequest, floating_ip_id: str) -> WithPool:
    """Raises NotFound."""
    return _with_pool(floating_ips.show(request, floating_ip_id), _pool_names(request))


def create(request: ApiRequest, pool: str | None) -> WithPool:
    """pool: an external network by name or id; None where there is one only. Raises NotFound, QuotaExceeded."""
    found = [each for each in pools(request) if pool is None or pool in (each.id, each.name)]
    if len(found) != 1:
        raise NotFound("Floating IP pool not found.")
    body = {"project_id": request.context.project_id, "floating_network_id": found[0].id}
    with in_nova_words():
        return WithPool(floating_ips.create(request, [body])[0], found[0].name)


def delete(request: ApiRequest, floating_ip_id: str) -> None:
    """Raises NotFound."""
    with in_nova_words():
        floating_ips.delete(request, floating_ip_id)


def _pool_names(request: ApiRequest) -> dict[str, str]:
    return {each.id: each.name for each in pools(request)}


def _with_pool(shown: ShownFloatingIp, names: Mapping[str, str]) -> WithPool:
    network_id = shown.floating.network_id
    return WithPool(shown, names.get(network_id, network_id))
