"""Subports of trunks: a device above the parent port's tap, for the frames of one VLAN, on the bridge of its own network.

To bridges and filters it is a port's tap like any other, and bears its name. The kernel hands tagged frames to it before the
parent's bridge sees them; tags that no subport has come to that bridge, whose filters drop them. It can only be made
while there is a tap, so it comes with the look after the guest has started.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from common.errors import NetworkingError
from common.rpc.compute_v1 import NetworkSpec, PortSpec
from compute_agent.networking import links, names


@dataclass(frozen=True)
class Subport:
    """What the kernel is asked for."""

    port_id: str
    device: str
    tap: str  # the parent's
    tag: int
    bridge: str
    mtu: int


def planned(ports: Iterable[PortSpec], networks: Iterable[NetworkSpec]) -> list[Subport]:
    """The subports of these ports whose network is on the node, by device name."""
    mtus = {network.id: network.mtu for network in networks}
    made = [
        Subport(
            port.id, names.tap(port.id), names.tap(port.trunk_port), port.vlan_id, names.bridge(port.network_id),
            mtus[port.network_id],
        )
        for port in ports
        if port.trunk_port and port.admin_up and port.network_id in mtus
    ]  # fmt: skip
    return sorted(made, key=lambda each: each.device)


def sync(wanted: Sequence[Subport], devices: Iterable[str]) -> dict[str, str]:
    """Have exactly these, of those whose parent's tap is there; what failed, by port."""
    present = set(devices)
    for device in links.tagging_taps() - {each.device for each in wanted}:
        links.remove(device)
    failures: dict[str, str] = {}
    for each in wanted:
        if each.tap not in present:
            continue
        try:
            links.ensure_subport(each.device, tap=each.tap, tag=each.tag, bridge=each.bridge, mtu=each.mtu)
        except NetworkingError as err:
            failures[each.port_id] = f"{err.message}: {err.detail}"
    return failures
