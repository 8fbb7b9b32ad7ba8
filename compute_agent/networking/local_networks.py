"""A node's share of each network: bridge, namespace, tunnel, dnsmasq and metadata listener.

Each network is made and removed by itself, so that one that fails leaves the others alone. The bridge is made first
and removed last: while anything of a network is left, its bridge tells which.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from common.errors import NetworkingError
from common.log import event
from common.rpc.compute_v1 import Neighbour, NetworkSpec, PortSpec
from compute_agent.networking import announce, dnsmasq, links, names, namespaces, plan
from compute_agent.networking.guard import METADATA_ADDRESS, METADATA_ADDRESS6

METADATA_PORT = 80
BACKLOG = 64

logger = logging.getLogger(__name__)


class MetadataListener(Protocol):
    def alive(self) -> bool: ...

    def close(self) -> None: ...


ListenerFactory = Callable[[str, socket.socket], MetadataListener]
"""(network id, socket that listens inside its namespace) -> what answers on it, and owns the socket from then on."""


@dataclass(frozen=True)
class Settings:
    run_dir: Path  # dnsmasq's folders; it gives up root, so others must be able to pass through
    resolver: dnsmasq.Resolver
    tunnel_address: str  # of this node, towards the others; "": networks end at this node
    physical: Mapping[str, str] = field(default_factory=dict)  # the machine's device by physical network


@dataclass(frozen=True)
class _Made:
    """served: see is_served. local_ips: what the namespace answers ARP for beside its own addresses."""

    network: NetworkSpec
    served: bool
    local_ips: tuple[str, ...]


class LocalNetworks:
    """Not safe for threads: LinuxNetworking holds a lock around each call."""

    def __init__(self, settings: Settings, metadata: ListenerFactory, told: announce.Announcements) -> None:
        self._announcements = told
        self._settings = settings
        self._metadata = metadata
        self._linked: dict[str, _Made] = {}  # as it was made last
        self._told: dict[str, NetworkSpec] = {}  # what the log has said of each network
        self._listeners: dict[str, list[MetadataListener]] = {}
        self._placed: dict[str, dict[str, str]] = {}  # what each tunnel was told last: MAC address -> its node

    def ensure(
        self,
        network: NetworkSpec,
        ports: Sequence[PortSpec],
        devices: Iterable[str],
        *,
        neighbours: Sequence[Neighbour] = (),
        routed: bool = False,
    ) -> None:
        """Make what is missing or different. `devices` are the names that exist now. Raises NetworkingError.

        ports: of guests. neighbours: ports on other nodes. routed: a router of this node has a port in the network.
        """
        wanted = _Made(network, is_served(network, ports, routed=routed), _local_ips(ports))
        served = wanted.served
        try:
            if self._linked.get(network.id) != wanted or self._missing_devices(network, devices, served=served):
                self._link(wanted)
            self._place(network, neighbours)
            if served:
                self._serve(network, ports, neighbours)
        except (ValueError, OSError) as err:
            raise NetworkingError(f"network {network.id} can't be made on this node", detail=str(err)) from err

    def forget_links(self) -> None:
        """Look at every device again at the next `ensure`."""
        self._linked.clear()
        self._placed.clear()

    def missing(
        self, network: NetworkSpec, ports: Sequence[PortSpec], devices: Iterable[str], *, routed: bool = False
    ) -> list[str]:
        """What of a network is not there, in words."""
        served = is_served(network, ports, routed=routed)
        namespace = names.namespace(network.id)
        found = self._missing_devices(network, devices, served=served)
        if not served:
            return found
        if _has_dhcp(network) and dnsmasq.pid(dnsmasq.daemon(self._settings.run_dir, network.id)) is None:
            found.append(f"dnsmasq of {namespace}")
        if not self._listens(network):
            found.append(f"metadata listener of {namespace}")
        return found

    def _missing_devices(self, network: NetworkSpec, devices: Iterable[str], *, served: bool) -> list[str]:
        bridge, veth, tunnel = names.bridge(network.id), names.veth(network.id), names.tunnel(network.id)
        namespace = names.namespace(network.id)
        found = [f"bridge {bridge}"] if bridge not in devices else []
        if served and not namespaces.exists(namespace):
            found.append(f"namespace {namespace}")
        elif served and veth not in devices:
            found.append(f"device {veth}")
        if self._peers(network) and tunnel not in devices:
            found.append(f"tunnel {tunnel}")
        return found

    def _peers(self, network: NetworkSpec) -> list[str]:
        return network.peers if self._settings.tunnel_address else []

    def remove_others(self, wanted: Iterable[str], devices: Iterable[str]) -> None:
        """Remove every network of this node but the wanted ids, also ones an earlier agent left half made."""
        keep = {names.bridge(identity) for identity in wanted}
        prefixes = (names.BRIDGE_PREFIX, names.VETH_PREFIX, names.TUNNEL_PREFIX)
        for device in devices:
            for prefix in prefixes:
                tail = device.removeprefix(prefix)
                if tail != device and names.BRIDGE_PREFIX + tail not in keep:
                    self.remove(tail)

    def remove(self, identity: str) -> None:
        """Remove a network by its id, or by the eight digits of it that device names carry."""
        known = {*self._listeners, *self._linked, *self._placed, *self._told}
        for network_id in [each for each in known if names.bridge(each) == names.bridge(identity)]:
            self._stop_listening(network_id)
            self._linked.pop(network_id, None)
            self._placed.pop(network_id, None)
            self._told.pop(network_id, None)
        self._unserve(identity)
        for device in (names.tunnel(identity), names.vlan(identity), names.bridge(identity)):
            links.remove(device)
        event(logger, "networking.network_removed", bridge=names.bridge(identity))

    def close(self) -> None:
        """Stop answering metadata; all else stays as it is."""
        for network_id in list(self._listeners):
            self._stop_listening(network_id)

    def _link(self, wanted: _Made) -> None:
        network = wanted.network
        bridge, namespace = names.bridge(network.id), names.namespace(network.id)
        mac = names.bridge_mac(network.id, is_gateway=network.nat)
        added = links.ensure_bridge(bridge, mac=mac, mtu=network.mtu, addresses=_gateways(network))
        if not wanted.served:
            self._stop_listening(network.id)
            self._unserve(network.id)
        else:
            if namespaces.ensure(namespace):
                self._drop_former(network.id)
            links.ensure_joined(
                names.veth(network.id), bridge=bridge, namespace=namespace,
                inside=names.inside(network.id), mtu=network.mtu,
            )  # fmt: skip
            links.ensure_inside(namespace, _inside(network, wanted.local_ips))
        links.ensure_tunnel(
            names.tunnel(network.id), bridge=bridge, vni=network.vni, local=self._settings.tunnel_address,
            peers=self._peers(network), mtu=network.mtu,
        )  # fmt: skip
        self._join_physical(network, bridge)
        # Guests know the gateway's MAC already, but other nodes' tunnels that it is behind another one.
        self._announcements.say(announce.Told("", bridge, mac, tuple(each.split("/")[0] for each in added)))
        self._linked[network.id] = wanted
        self._placed.pop(network.id, None)
        if self._told.get(network.id) != network:
            event(logger, "networking.network_ready", network_id=network.id, bridge=bridge)
        self._told[network.id] = network

    def _place(self, network: NetworkSpec, neighbours: Sequence[Neighbour]) -> None:
        """What is on a node that is no peer, or on one not known, is for the tunnel to find."""
        peers = self._peers(network)
        if not peers:
            return
        places = {each.mac_address: each.behind for each in neighbours if each.mac_address and each.behind in peers}
        if self._placed.get(network.id) == places:
            return
        links.ensure_behind(names.tunnel(network.id), places)
        self._placed[network.id] = places

    def _join_physical(self, network: NetworkSpec, bridge: str) -> None:
        device = self._settings.physical.get(network.physical_network, "")
        if not device:
            return
        joined = plan.uplink(network, self._settings.physical)
        if network.vlan_id:
            links.ensure_vlan(joined, device=device, tag=network.vlan_id)
        links.ensure_uplink(joined, bridge=bridge)

    def _drop_former(self, network_id: str) -> None:
        """A namespace whose name was deleted lives on in its processes and sockets, and holds the other device."""
        self._stop_listening(network_id)
        dnsmasq.stop(dnsmasq.daemon(self._settings.run_dir, network_id))
        links.remove(names.veth(network_id))

    def _stop_listening(self, network_id: str) -> None:
        for listener in self._listeners.pop(network_id, []):
            listener.close()

    def _unserve(self, identity: str) -> None:
        """No DHCP, DNS and metadata here; `identity` as in `remove`."""
        dnsmasq.stop(dnsmasq.daemon(self._settings.run_dir, identity))
        namespaces.remove(names.namespace(identity))
        links.remove(names.veth(identity))

    def _serve(self, network: NetworkSpec, ports: Sequence[PortSpec], neighbours: Sequence[Neighbour]) -> None:
        where = dnsmasq.daemon(self._settings.run_dir, network.id)
        if _has_dhcp(network):
            resolver = self._settings.resolver
            files = dnsmasq.render(where, network, _servable(ports), resolver, _nameable(neighbours))
            dnsmasq.ensure(where, files)
        else:
            dnsmasq.stop(where)
        if self._listens(network):
            return
        self._stop_listening(network.id)
        sockets = namespaces.call_in(names.namespace(network.id), lambda: _listen(network))
        self._listeners[network.id] = [self._metadata(network.id, each) for each in sockets]

    def _listens(self, network: NetworkSpec) -> bool:
        listeners = self._listeners.get(network.id, [])
        return len(listeners) == len(_metadata_addresses(network)) and all(each.alive() for each in listeners)


def is_served(network: NetworkSpec, ports: Sequence[PortSpec], *, routed: bool = False) -> bool:
    """Whether the node has the network's DHCP, DNS and metadata: not where it has only the gateway or a router of it."""
    return bool(ports) or not (routed or (network.nat and network.peers))


def _has_dhcp(network: NetworkSpec) -> bool:
    return any(subnet.enable_dhcp and subnet.dhcp_ip for subnet in network.subnets)


def _gateways(network: NetworkSpec) -> list[str]:
    if not network.nat:
        return []
    subnets = [subnet for subnet in network.subnets if subnet.ip_version == 4 and subnet.gateway_ip]
    return [f"{subnet.gateway_ip}/{ipaddress.ip_network(subnet.cidr).prefixlen}" for subnet in subnets]


def _local_ips(ports: Sequence[PortSpec]) -> tuple[str, ...]:
    return tuple(sorted({local.ip_address for port in ports if port.admin_up for local in port.local_ips}))


def _inside(network: NetworkSpec, local_ips: Sequence[str]) -> links.InsideEnd:
    own = [subnet for subnet in network.subnets if subnet.dhcp_ip]
    addresses = [f"{subnet.dhcp_ip}/{ipaddress.ip_network(subnet.cidr).prefixlen}" for subnet in own]
    routed = [subnet.gateway_ip for subnet in own if network.nat and subnet.ip_version == 4 and subnet.gateway_ip]
    return links.InsideEnd(
        device=names.inside(network.id),
        mac=network.dhcp_mac or names.mac_of("namespace", network.id),
        mtu=network.mtu,
        addresses=(
            *addresses,
            *(f"{each}/{length}" for each, length in _metadata_addresses(network)),
            *(f"{each}/32" for each in local_ips),
        ),
        gateway=routed[0] if routed else None,
    )


def _servable(ports: Sequence[PortSpec]) -> list[PortSpec]:
    """The ports DHCP can serve. A name that can't be one is left out, an address that can't be one is not served."""
    good = []
    for port in ports:
        try:
            dnsmasq.hostname(port.hostname or "x")
        except ValueError:
            event(logger, "networking.name_refused", logging.WARNING, port_id=port.id)
            port = msgspec.structs.replace(port, hostname="")  # noqa: PLW2901 - the same port, without its name
        try:
            dnsmasq.check(port)
        except ValueError as err:
            event(logger, "networking.address_refused", logging.WARNING, port_id=port.id, reason=str(err))
            continue
        good.append(port)
    return good


def _nameable(neighbours: Sequence[Neighbour]) -> list[Neighbour]:
    """Those that have a name that can be one; if it can't, the node they are on says so in its log."""
    good = []
    for each in neighbours:
        if not each.addresses:
            continue
        try:
            dnsmasq.hostname(each.hostname)
        except ValueError:
            continue
        good.append(each)
    return good


def _metadata_addresses(network: NetworkSpec) -> list[tuple[str, int]]:
    """With their prefix lengths; IPv6's, as other clouds have it, where the network has IPv6."""
    with_ipv6 = any(subnet.ip_version == 6 for subnet in network.subnets)
    return [(METADATA_ADDRESS, 32), *([(METADATA_ADDRESS6, 64)] if with_ipv6 else [])]


def _listen(network: NetworkSpec) -> list[socket.socket]:
    made: list[socket.socket] = []
    scope = socket.if_nametoindex(names.inside(network.id))
    try:
        for address, _ in _metadata_addresses(network):
            made.append(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM))
            made[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            where = (address, METADATA_PORT, 0, scope) if ":" in address else (address, METADATA_PORT)
            made[-1].bind(where)
            made[-1].listen(BACKLOG)
    except OSError:
        for each in made:
            each.close()
        raise
    return made
