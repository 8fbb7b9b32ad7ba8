"""/service-providers: who realises what beyond networks and ports. There is one: the agents of the gateway nodes."""

from __future__ import annotations

from typing import Any

from api.network import short_lists
from api.request import ApiRequest, Reply

PROVIDERS: tuple[dict[str, Any], ...] = ({"service_type": "L3_ROUTER_NAT", "name": "cumulet", "default": True},)


def index(request: ApiRequest) -> Reply:
    return short_lists.reply(request, ("service_type", "name", "default"), "service_providers", PROVIDERS)
