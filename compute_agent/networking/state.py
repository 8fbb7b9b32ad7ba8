"""Pure operations on a node's desired networking state."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from common.errors import NetworkingError
from common.rpc.compute_v1 import AddressPair, FixedAddress, GroupMembers, NetworkSpec, NetworkState, PortSpec
from common.rpc.routers_v1 import RouterSpec
from compute_agent.hypervisor.base import Nic
from compute_agent.networking import names, plan


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


_T = TypeVar("_T", bound=_Identified)


def merged(
    state: NetworkState,
    networks: Sequence[NetworkSpec],
    ports: Sequence[PortSpec],
    groups: Sequence[GroupMembers],
    version: int = 0,
) -> NetworkState:
    """The state with these added, or put in the place of what has their ids; the version stays.

    Where they were read at a lower version than the state's, what has their ids stays instead.
    """
    if 0 < version < state.version:
        return msgspec.structs.replace(
            state,
            networks=_put(networks, state.networks),
            ports=_put(ports, state.ports),
            groups=_put(groups, state.groups),
        )
    return msgspec.structs.replace(
        state,
        networks=_put(state.networks, networks),
        ports=_put(state.ports, ports),
        groups=_put(state.groups, groups),
    )


def without_instance(state: NetworkState, instance_id: str) -> NetworkState:
    """The state without an instance's ports, and without networks and groups that were there for them alone.

    A network whose gateway is here stays while other nodes have it.
    """
    gone = [port for port in state.ports if port.instance_id == instance_id]
    kept = [port for port in state.ports if port.instance_id != instance_id]
    used = {port.network_id for port in (*kept, *router_ports(state.routers))}
    left = {port.network_id for port in gone} - used
    named = {rule.remote_group for port in kept for rule in port.rules}
    dropped = {rule.remote_group for port in gone for rule in port.rules} - named
    return msgspec.structs.replace(
        state,
        networks=[each for each in state.networks if each.id not in left or (each.nat and each.peers)],
        ports=kept,
        groups=[group for group in state.groups if group.id not in dropped],
    )


def router_ports(routers: Sequence[RouterSpec]) -> list[PortSpec]:
    """The ports of these routers as the filters see them: open, and outside reachable at the floating addresses too."""
    made = []
    for router in routers:
        for interface in (*router.interfaces, *([router.gateway] if router.gateway else [])):
            pairs = [*floating_addresses(router), *router.ndp_proxied] if interface is router.gateway else []
            made.append(
                PortSpec(
                    id=interface.port_id,
                    network_id=interface.network_id,
                    mac_address=interface.mac_address,
                    addresses=[
                        FixedAddress(subnet_id="", ip_address=each.split("/")[0]) for each in interface.addresses
                    ],
                    instance_id=router.id,
                    port_security=False,
                    address_pairs=[AddressPair(ip_address=each, mac_address=interface.mac_address) for each in pairs],
                )
            )
    return made


def floating_addresses(router: RouterSpec) -> list[str]:
    """The IPv4 addresses, each once, that a router answers for outside beside its own."""
    whole = [each.address for each in router.floating]
    return list(dict.fromkeys([*whole, *(each.address for each in router.forwarded)]))


def nics(state: NetworkState, ports: Sequence[PortSpec]) -> list[Nic]:
    """The devices of these ports, in their order. Raises NetworkingError for a port without its network."""
    mtus = {network.id: network.mtu for network in state.networks}
    made = []
    for port in ports:
        if port.network_id not in mtus:
            raise NetworkingError(f"port {port.id} is on network {port.network_id}, which this node was not told of")
        made.append(
            Nic(
                mac_address=port.mac_address,
                tap=names.tap(port.id),
                bridge=names.bridge(port.network_id),
                mtu=mtus[port.network_id],
            )
        )
    return made


def port_at(state: NetworkState, network_id: str, address: str) -> PortSpec | None:
    """The port that has this fixed address in this network, or whose MAC address leads to this link-local one."""
    try:
        wanted = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    for port in state.ports:
        if port.network_id != network_id:
            continue
        if (
            any(_same(each.ip_address, wanted) for each in port.addresses)
            or plan.link_local(port.mac_address) == wanted
        ):
            return port
    return None


def _same(text: str, wanted: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return ipaddress.ip_address(text) == wanted
    except ValueError:
        return False


def _put(known: Sequence[_T], new: Sequence[_T]) -> list[_T]:
    return list(({each.id: each for each in known} | {each.id: each for each in new}).values())
