"""What placement is asked: the amounts an instance needs and the conditions it puts on a node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.db.models import Instance
from common.db.nodes import Amounts


@dataclass(frozen=True)
class PlacementRequest:
    """excluded: names of nodes that were tried and failed. requested_node: an administrator's forced choice."""

    instance_id: str
    amounts: Amounts
    availability_zone: str | None = None
    requested_node: str | None = None
    excluded: frozenset[str] = frozenset()
    arch: str | None = None


def from_instance(instance: Instance, params: dict[str, Any], excluded: frozenset[str]) -> PlacementRequest:
    return PlacementRequest(
        instance_id=instance.id,
        amounts=amounts_of(instance.flavor, instance.image),
        availability_zone=instance.availability_zone,
        requested_node=params.get("requested_node"),
        excluded=excluded,
        arch=instance.image.get("properties", {}).get("hw_architecture"),
    )


def amounts_of(flavor: dict[str, Any], image: dict[str, Any]) -> Amounts:
    """Disk counts root, ephemeral and swap, rounded up to GiB; a flavor with root 0 takes the image's virtual size."""
    root_gib = int(flavor.get("root_gib", 0)) or -(-int(image.get("virtual_size_bytes", 0)) // 2**30)
    swap_gib = -(-int(flavor.get("swap_mib", 0)) // 1024)
    return Amounts(
        vcpus=int(flavor["vcpus"]),
        memory_mib=int(flavor["memory_mib"]),
        disk_gib=root_gib + int(flavor.get("ephemeral_gib", 0)) + swap_gib,
    )
