"""A router's static routes: checked against the networks it is on, put into one spelling, added and taken. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from common.errors import InvalidRequest

MAX_ROUTES = 30
Route = dict[str, str]


def parse(asked: Sequence[Mapping[str, str]] | None) -> list[Route]:
    """Each once. Raises InvalidRequest for what is no range and next hop of one IP version."""
    found: list[Route] = []
    for route in asked or []:
        try:
            destination = ipaddress.ip_network(route["destination"])
            nexthop = ipaddress.ip_address(route["nexthop"])
        except ValueError as err:
            raise InvalidRequest(
                f"Invalid input for routes. Reason: '{route['destination'][:64]}' by '{route['nexthop'][:64]}' is no "
                f"subnet with a next hop.",
                neutron_type="HTTPBadRequest",
            ) from err
        if destination.version != nexthop.version:
            raise refused([dict(route)], "destination and nexthop are of different IP versions")
        made = {"destination": str(destination), "nexthop": str(nexthop)}
        if made in found:
            raise InvalidRequest(
                f"Invalid input for routes. Reason: Duplicate hostroute '{made}'.", neutron_type="HTTPBadRequest"
            )
        found.append(made)
    return found


def check(router_id: str, routes: Sequence[Route], cidrs: Sequence[str], own: Sequence[str]) -> None:
    """cidrs: the networks the router is on; own: its addresses there. Raises InvalidRequest."""
    if len(routes) > MAX_ROUTES:
        raise InvalidRequest(
            f"Unable to complete operation for {router_id}. The number of routes exceeds the maximum {MAX_ROUTES}.",
            neutron_type="RoutesExhausted",
        )
    networks = [ipaddress.ip_network(cidr) for cidr in cidrs]
    for route in routes:
        nexthop = ipaddress.ip_address(route["nexthop"])
        if not any(nexthop in network for network in networks):
            raise refused(routes, "the nexthop is not connected with router")
        if route["nexthop"] in own:
            raise refused(routes, "the nexthop is used by router")


def refused(routes: Sequence[Any], reason: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid format for routes: {list(routes)[:5]}, {reason}", neutron_type="InvalidRoutes")


def added(present: Sequence[Route], more: Sequence[Route]) -> list[Route]:
    return [*present, *(route for route in more if route not in present)]


def removed(present: Sequence[Route], fewer: Sequence[Route]) -> list[Route]:
    """Those that aren't there are no matter."""
    return [route for route in present if route not in fewer]
