"""Routers that this node has: a namespace each, joined to its networks' bridges, with tables, addresses and routes.

The tables come before the devices, so that no packet leaves untranslated. A folder in the run directory, made first
and removed last, remembers each namespace: an agent that was killed in between finds what it has to remove.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from common.errors import NetworkingError
from common.log import event
from common.rpc.compute_v1 import RouterInterface, RouterSpec
from compute_agent.networking import (
    announce,
    generation,
    links,
    names,
    namespaces,
    nft,
    router_adverts,
    router_flows,
    router_meter,
    router_tables,
    state,
)

_WHOLE = {4: "0.0.0.0/0", 6: "::/0"}
_OWN_PREFIXES = (names.ROUTER_INSIDE_PREFIX, names.ROUTER_OUTSIDE_PREFIX)

logger = logging.getLogger(__name__)


class LocalRouters:
    """Not safe for threads: LinuxNetworking holds a lock around each call."""

    def __init__(self, run_dir: Path, told: announce.Announcements) -> None:
        self._run_dir = run_dir
        self._announcements = told
        self._made: dict[str, RouterSpec] = {}  # as each was made last
        self._filtered: dict[str, RouterSpec] = {}  # as the tables of each were written last
        self._watched: dict[str, generation.Watched] = {}  # the tables of each that this agent has written

    def ensure(self, router: RouterSpec, devices: Iterable[str]) -> None:
        """Make what is missing or different. `devices`: names that exist on the node. Raises NetworkingError."""
        if self._made.get(router.id) == router and not self._missing_devices(router, devices):
            return
        namespace = names.router(router.id)
        (self._run_dir / namespace).mkdir(parents=True, exist_ok=True)
        if namespaces.ensure(namespace):
            self._filtered.pop(router.id, None)
            router_adverts.stop(self._run_dir, namespace)
            for device in _devices(router):
                links.remove(device)  # its other end may be in a namespace that lost its name
        namespaces.call_in(namespace, lambda: self._filter(router))
        for interface in _interfaces(router):
            links.ensure_joined(
                names.tap(interface.port_id), bridge=names.bridge(interface.network_id), namespace=namespace,
                inside=_inside(router, interface), mtu=interface.mtu,
            )  # fmt: skip
        added, cut = namespaces.call_in(namespace, lambda: _settle(router))
        try:
            router_adverts.ensure(self._run_dir, router)
        except (ValueError, OSError) as err:
            raise NetworkingError(f"router {router.id} can't advertise itself", detail=str(err)) from err
        self._made[router.id] = router
        for told in added:
            self._announcements.say(told)
        count = sum(len(told.addresses) for told in added)
        event(logger, "networking.router_ready", router_id=router.id, namespace=namespace, added=count, flows_cut=cut)

    def _filter(self, router: RouterSpec) -> None:
        """Its tables, in the namespace of the calling thread; not rewritten by a look that finds them as they were."""
        watched = self._watched.setdefault(router.id, generation.Watched(router_tables.TABLES))
        if self._filtered.get(router.id) == router and not watched.touched():
            return
        nft.replace(router_tables.build(router))
        watched.applied()
        self._filtered[router.id] = router

    def counted(self) -> list[router_meter.Count]:
        """What each label has counted at the routers that are made. Raises NetworkingError."""
        found: list[router_meter.Count] = []
        for router in [each for each in self._made.values() if each.metering]:
            listed = namespaces.call_in(names.router(router.id), nft.counters)
            found += router_meter.counts(router, listed)
        return found

    def forget(self) -> None:
        """Look at every router again at the next `ensure`."""
        self._made.clear()

    def missing(self, router: RouterSpec, devices: Iterable[str]) -> list[str]:
        """What of a router is not there, in words."""
        found = self._missing_devices(router, devices)
        if found:
            return found
        namespace = names.router(router.id)
        present, inside, touched = namespaces.call_in(namespace, lambda: self._look(router))
        found = [
            f"table {family} {name} of {namespace}"
            for family, name in sorted({*router_tables.TABLES, router_tables.COUNTING} - present)
        ]
        if touched and not found:
            found.append(f"table contents of {namespace}")
        wanted = [_inside(router, each) for each in _interfaces(router)]
        found += [f"dnsmasq of {namespace}"] if router_adverts.is_missing(self._run_dir, router) else []
        return found + [f"device {device} of {namespace}" for device in wanted if device not in inside]

    def _look(self, router: RouterSpec) -> tuple[set[tuple[str, str]], list[str], bool]:
        """Tables, devices, and whether the tables are not as they were written; in the router's namespace."""
        watched = self._watched.get(router.id)
        return nft.tables(), links.devices_here(), watched is not None and watched.touched()

    def _missing_devices(self, router: RouterSpec, devices: Iterable[str]) -> list[str]:
        namespace = names.router(router.id)
        if not namespaces.exists(namespace):
            return [f"namespace {namespace}"]
        return [f"device {device} of {namespace}" for device in _devices(router) if device not in devices]

    def remove_others(self, wanted: Sequence[str]) -> None:
        """Remove every router of this node but those with these ids, also ones that an earlier agent left."""
        keep = {names.router(identity) for identity in wanted}
        for folder in self._run_dir.glob(f"{names.ROUTER_PREFIX}*"):
            if folder.name in keep:
                continue
            router_adverts.stop(self._run_dir, folder.name)
            namespaces.remove(folder.name)
            folder.rmdir()
            event(logger, "networking.router_removed", namespace=folder.name)
        for known in (self._made, self._filtered, self._watched):
            for identity in set(known) - set(wanted):
                del known[identity]


def _interfaces(router: RouterSpec) -> list[RouterInterface]:
    return [*router.interfaces, *([router.gateway] if router.gateway else [])]


def _devices(router: RouterSpec) -> list[str]:
    """The ends on the bridges."""
    return [names.tap(each.port_id) for each in _interfaces(router)]


def _inside(router: RouterSpec, interface: RouterInterface) -> str:
    if interface is router.gateway:
        return names.router_outside(interface.port_id)
    return names.router_inside(interface.port_id)


def _settle(router: RouterSpec) -> tuple[list[announce.Told], int]:
    """Everything in the namespace of the calling thread; the addresses that are new, and how many flows were cut."""
    wanted = {_inside(router, each): each for each in _interfaces(router)}
    for device in links.devices_here():
        if device.startswith(_OWN_PREFIXES) and device not in wanted:
            links.remove(device)
    added = {
        device: links.ensure_router_device(
            device, mac=each.mac_address, mtu=each.mtu, addresses=_addresses(router, each)
        )
        for device, each in wanted.items()
    }
    links.sync_routes(_routes(router))
    cut = router_flows.cut(router)
    new = [
        announce.Told(
            names.router(router.id), device, wanted[device].mac_address, tuple(each.split("/")[0] for each in addresses)
        )
        for device, addresses in added.items()
    ]
    return new, cut


def _addresses(router: RouterSpec, interface: RouterInterface) -> list[str]:
    """An interface's own; outside also the floating ones, each for itself."""
    if interface is not router.gateway:
        return interface.addresses
    return [*interface.addresses, *(f"{address}/32" for address in state.floating_addresses(router))]


def _routes(router: RouterSpec) -> list[tuple[str, str]]:
    outwards = [(_WHOLE[6 if ":" in each else 4], each) for each in router.gateway_ips]
    own = [(route.destination, route.nexthop) for route in router.routes]
    given = {destination for destination, _ in own}
    return [*own, *(pair for pair in outwards if pair[0] not in given)]
