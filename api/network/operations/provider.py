"""What a network is made of: provider attributes as administrators give them, in the place of what Cumulet would choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from api.network.problems import invalid
from common.db import networks
from common.db.networks import NewNetwork

UNTAGGED = 0
TUNNEL_HEADER = 50  # bytes of VXLAN over IPv4


def applied(new: NewNetwork, body: Mapping[str, Any], devices: Mapping[str, str]) -> NewNetwork:
    """`devices`: the machine's device by physical network, "" where there is no wire. Raises InvalidRequest.

    A network on a physical one without a wire gets NAT on the gateway node unless the body says otherwise.
    """
    kind = body.get("provider:network_type")
    physical, number = body.get("provider:physical_network"), body.get("provider:segmentation_id")
    if kind is None and physical is not None:
        raise invalid("network_type required for a provider network.")
    if kind in (None, "vxlan"):
        if physical is not None:
            raise invalid("provider:physical_network specified for VXLAN network.")
        return _numbered(new, number)
    if physical is None:
        raise invalid(f"physical_network required for {kind} provider network.")
    if physical not in devices:
        raise invalid(f"physical_network '{physical}' unknown for {kind} provider network.")
    if kind == "flat" and number is not None:
        raise invalid("provider:segmentation_id specified for flat network.")
    if kind == "vlan":
        _check_tag(number)
    return replace(
        new,
        network_type=kind,
        physical_network=physical,
        vlan_id=UNTAGGED if kind == "flat" else number,
        nat=body.get("cumulet:nat", devices[physical] == ""),
    )


def largest_mtu(body: Mapping[str, Any], devices: Mapping[str, str], tunnelled: int) -> int:
    """Of the network that a body describes. On a wire there is no tunnel's header to carry beside the packets."""
    physical = body.get("provider:physical_network")
    nat = body.get("cumulet:nat", devices.get(physical or "", "") == "")
    return tunnelled if physical is None or nat else tunnelled + TUNNEL_HEADER


def _check_tag(number: int | None) -> None:
    if number is not None and not 1 <= number <= 4094:
        raise invalid(f"segmentation_id {number} out of range (1 through 4094).")


def _numbered(new: NewNetwork, vni: int | None) -> NewNetwork:
    if vni is not None and not networks.VNI_LOWEST <= vni <= networks.VNI_HIGHEST:
        raise invalid(f"provider:segmentation_id {vni} is not from {networks.VNI_LOWEST} to {networks.VNI_HIGHEST}.")
    return replace(new, segmentation_id=vni)
