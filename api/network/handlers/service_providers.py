"""What realises a kind of service: here routers only, and they in one way. Clients ask before they look for others' things."""

from __future__ import annotations

from api.network import short_lists
from api.request import ApiRequest, Reply

_NAMES = ("service_type", "name", "default")
_PROVIDERS = ({"service_type": "L3_ROUTER_NAT", "name": "namespaces", "default": True},)


def index(request: ApiRequest) -> Reply:
    return short_lists.reply(request, _NAMES, "service_providers", _PROVIDERS)
