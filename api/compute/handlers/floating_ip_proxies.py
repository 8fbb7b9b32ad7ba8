"""os-floating-ips and os-floating-ip-pools, until 2.35."""

from __future__ import annotations

from api.compute.operations import floating_ip_proxies
from api.compute.schemas import network_proxies as schemas
from api.compute.views import network_proxies as views
from api.request import ApiRequest, Reply
from api.schema import validate


def list_pools(request: ApiRequest) -> Reply:
    return Reply({"floating_ip_pools": [{"name": each.name} for each in floating_ip_proxies.pools(request)]})


def list_(request: ApiRequest) -> Reply:
    return Reply({"floating_ips": [views.floating_ip(each) for each in floating_ip_proxies.list_(request)]})


def show(request: ApiRequest, floatingip_id: str) -> Reply:
    return Reply({"floating_ip": views.floating_ip(floating_ip_proxies.show(request, floatingip_id))})


def create(request: ApiRequest) -> Reply:
    asked = request.body or {}
    validate(asked, schemas.CREATE_FLOATING_IP)
    return Reply({"floating_ip": views.floating_ip(floating_ip_proxies.create(request, asked.get("pool")))})


def delete(request: ApiRequest, floatingip_id: str) -> Reply:
    floating_ip_proxies.delete(request, floatingip_id)
    return Reply(status=202)
