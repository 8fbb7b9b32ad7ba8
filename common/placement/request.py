"""What placement is asked: the amounts an instance needs and the conditions it puts on a node.

What depends on where other servers are (groups, hints) is added by common/placement/neighbours.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.db.models import Instance
from common.db.network_rates import Place, RateStock
from common.db.nodes import Amounts
from common.hardware import reading
from common.hardware.fitting import HostCell
from common.hardware.trait_wishes import NO_TRAITS, TraitWishes

SPECS_OF_AGGREGATES = "aggregate_instance_extra_specs:"


@dataclass(frozen=True)
class Group:
    """The server group of the server that is placed: policy, and how many other members each node (by id) has."""

    policy: str
    max_per_node: int = 1
    members: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PlacementRequest:
    """excluded: names of nodes that were tried and failed. requested_node: an administrator's choice, by name."""

    instance_id: str
    amounts: Amounts
    availability_zone: str | None = None
    requested_node: str | None = None
    excluded: frozenset[str] = frozenset()
    arch: str | None = None
    hypervisor_type: str | None = None
    aggregate_specs: tuple[tuple[str, str], ...] = ()  # what an aggregate of the node must say: (key, expression)
    group: Group | None = None
    volume_specs: Mapping[str, str] = field(default_factory=dict)  # extra specs of a new volume's type
    closed_to_volumes: Mapping[str, str] = field(default_factory=dict)  # back ends (NODE@BACKEND), with the reason
    volume_gib: int = 0  # room that new volumes take beside `amounts`, on nodes whose back end keeps them on the disk
    reaching: Mapping[str, frozenset[str]] = field(
        default_factory=dict
    )  # node ids by back end: one that reaches all of these
    traits: TraitWishes = NO_TRAITS
    traits_of: Mapping[str, frozenset[str]] = field(default_factory=dict)  # of nodes by id, where traits are asked for
    cells_of: Mapping[str, Sequence[HostCell]] = field(default_factory=dict)  # and cells, where amounts.numa is
    rates_of: Mapping[str, Mapping[Place, RateStock]] = field(default_factory=dict)  # by node, where amounts.rates are
    in_flight: Mapping[str, int] = field(default_factory=dict)  # servers worked on by node id, where a weigher asks
    same_nodes: frozenset[str] | None = None  # node ids: one of these (hint same_host)
    other_nodes: frozenset[str] = frozenset()  # node ids: none of these (hint different_host)


def from_instance(instance: Instance, params: dict[str, Any], excluded: frozenset[str]) -> PlacementRequest:
    return from_copies(
        instance.flavor, instance.image, instance_id=instance.id, availability_zone=instance.availability_zone,
        requested_node=params.get("requested_node"), excluded=excluded,
    )  # fmt: skip


def from_copies(
    flavor: Mapping[str, Any], image: Mapping[str, Any], *, instance_id: str = "", availability_zone: str | None = None,
    requested_node: str | None = None, excluded: frozenset[str] = frozenset(),
) -> PlacementRequest:  # fmt: skip
    """flavor, image: the copies that a server keeps. Raises InvalidRequest for hardware that can't be."""
    properties = image.get("properties", {})
    return PlacementRequest(
        instance_id=instance_id,
        amounts=amounts_of(flavor, image),
        availability_zone=availability_zone,
        requested_node=requested_node,
        excluded=excluded,
        arch=properties.get("hw_architecture") or properties.get("architecture"),
        hypervisor_type=properties.get("img_hv_type") or properties.get("hypervisor_type"),
        aggregate_specs=specs_of_aggregates(flavor),
        traits=reading.read(flavor, image).traits,
    )


def specs_of_aggregates(flavor: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The flavor's extra specs that speak of aggregates, without their prefix."""
    specs = flavor.get("extra_specs") or {}
    return tuple(
        (key.removeprefix(SPECS_OF_AGGREGATES), str(value))
        for key, value in sorted(specs.items())
        if key.startswith(SPECS_OF_AGGREGATES)
    )


def amounts_of(flavor: Mapping[str, Any], image: Mapping[str, Any]) -> Amounts:
    """Disk counts root, ephemeral and swap, rounded up to GiB; a flavor with root 0 takes the image's virtual size.

    A server that boots from a volume has no root disk: the volume has a claim of its own.

    Raises InvalidRequest for hardware that can't be.
    """
    root_gib = int(flavor.get("root_gib", 0)) or -(-int(image.get("virtual_size_bytes", 0)) // 2**30)
    if image.get("volume_backed"):
        root_gib = 0
    swap_gib = -(-int(flavor.get("swap_mib", 0)) // 1024)
    vcpus = int(flavor["vcpus"])
    numa = reading.read(flavor, image).numa
    dedicated = numa is not None and numa.dedicated
    return Amounts(
        vcpus=0 if dedicated else vcpus,
        memory_mib=int(flavor["memory_mib"]),
        disk_gib=root_gib + int(flavor.get("ephemeral_gib", 0)) + swap_gib,
        pcpus=vcpus if dedicated else 0,
        numa=numa,
    )
