"""Bandwidth and packet rates that nodes can promise to ports: their classes, how a node declares them, what rules ask.

From `[network] resource_provider_*` of a node's configuration, in the words of Neutron's options. What is promised is on a
physical network, or on TUNNELLED for all networks between nodes; packets are the node's, whatever network they are of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid5

from common.config import NetworkConfig
from common.errors import ConfigError

TUNNELLED = "rp_tunnelled"  # as Neutron's agents name the provider of what tunnels carry
ANY_NETWORK = ""
MOST = 2**31 - 1


class RateClass(StrEnum):
    """OpenStack's resource classes: kbit/s, and thousands of packets a second; egress is what leaves the guest."""

    BANDWIDTH_OUT = "NET_BW_EGR_KILOBIT_PER_SEC"
    BANDWIDTH_IN = "NET_BW_IGR_KILOBIT_PER_SEC"
    PACKETS = "NET_PACKET_RATE_KILOPACKET_PER_SEC"
    PACKETS_OUT = "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC"
    PACKETS_IN = "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC"


#: by kind of QoS rule and its direction
_ASKED_BY = {
    ("minimum_bandwidth", "egress"): RateClass.BANDWIDTH_OUT,
    ("minimum_bandwidth", "ingress"): RateClass.BANDWIDTH_IN,
    ("minimum_packet_rate", "any"): RateClass.PACKETS,
    ("minimum_packet_rate", "egress"): RateClass.PACKETS_OUT,
    ("minimum_packet_rate", "ingress"): RateClass.PACKETS_IN,
}
KINDS = frozenset(kind for kind, _ in _ASKED_BY)
_BANDWIDTHS = (RateClass.BANDWIDTH_OUT, RateClass.BANDWIDTH_IN)


@dataclass(frozen=True)
class Rate:
    """So much of a class on a physical network, TUNNELLED or ANY_NETWORK: declared by a node, or asked for."""

    physical_network: str
    resource: RateClass
    amount: int


@dataclass(frozen=True)
class Wish:
    """What a port asks of the node that it is to be on."""

    port_id: str
    rate: Rate


def asked(kind: str, direction: str, amount: int, physical_network: str | None) -> Rate | None:
    """What a QoS rule asks for a port of a network; None: nothing. physical_network None: one between nodes."""
    resource = _ASKED_BY.get((kind, direction))
    if resource is None or amount <= 0:
        return None
    on = (physical_network or TUNNELLED) if resource in _BANDWIDTHS else ANY_NETWORK
    return Rate(on, resource, amount)


def provider_id(node_id: str, physical_network: str) -> str:
    """Of the resource provider that stands for a physical network on a node; the same whoever asks."""
    return str(uuid5(UUID(node_id), f"network:{physical_network}"))


def provider_name(node: str, physical_network: str) -> str:
    return f"{node}:network:{physical_network}" if physical_network else f"{node}:network"


def traits(physical_network: str, vnic_type: str = "normal") -> tuple[str, ...]:
    """Those of the provider, which a port asks for by its network and kind of card."""
    card = f"CUSTOM_VNIC_TYPE_{_trait(vnic_type)}"
    if physical_network == ANY_NETWORK:
        return (card,)
    if physical_network == TUNNELLED:
        return "CUSTOM_NETWORK_TUNNEL_PROVIDER", card
    return f"CUSTOM_PHYSNET_{_trait(physical_network)}", card


def _trait(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name.upper())


def group_id(port_id: str, rates: Iterable[Rate]) -> str:
    """Of the request group of a port: it changes when what it asks does."""
    words = sorted(f"{rate.physical_network} {rate.resource} {rate.amount}" for rate in rates)
    return str(uuid5(UUID(port_id), ",".join(words)))


def declared(config: NetworkConfig) -> list[Rate]:
    """What the node's configuration says it can promise. Raises ConfigError."""
    found: dict[tuple[str, RateClass], Rate] = {}
    for entry in (part.strip() for part in config.resource_provider_bandwidths.split(",")):
        if entry:
            name, *amounts = entry.split(":")
            _add(found, "resource_provider_bandwidths", entry, name, _BANDWIDTHS, amounts)
    both = config.resource_provider_packet_processing_without_direction
    each = config.resource_provider_packet_processing_with_direction
    if both and each:
        raise ConfigError("[network] resource_provider_packet_processing_*: with directions or without, not both")
    if both:
        option = "resource_provider_packet_processing_without_direction"
        _add(found, option, both, ANY_NETWORK, (RateClass.PACKETS,), [both])
    if each:
        option, classes = (
            "resource_provider_packet_processing_with_direction",
            (RateClass.PACKETS_OUT, RateClass.PACKETS_IN),
        )
        _add(found, option, each, ANY_NETWORK, classes, each.split(":"))
    return list(found.values())


def _add(
    found: dict[tuple[str, RateClass], Rate], option: str, entry: str, name: str, classes: tuple[RateClass, ...],
    amounts: list[str],
) -> None:  # fmt: skip
    """An amount that is left out is none."""
    if len(amounts) != len(classes):
        raise ConfigError(f"[network] {option}: {entry!r} must have {len(classes)} amounts, with ':' between them")
    for resource, text in zip(classes, amounts, strict=True):
        if not text:
            continue
        if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 0 < int(text) <= MOST):
            raise ConfigError(f"[network] {option}: {text!r} in {entry!r} is no whole number from 1 to {MOST}")
        if (name, resource) in found:
            raise ConfigError(f"[network] {option}: {name!r} is named twice")
        found[name, resource] = Rate(name, resource, int(text))
