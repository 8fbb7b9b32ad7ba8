"""From an instance's spec, its disks and its NICs to the domain as the hypervisor shall have it.

Made afresh for every start, from what the control plane sent, never from what the node's hypervisor has stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from common.errors import ImageRefused
from common.rpc.compute_v1 import InstanceSpec
from compute_agent.hypervisor.base import Disk, Domain, Nic

_NIC_PROPERTY = "hw_vif_model"
_AGENT_PROPERTY = "hw_qemu_guest_agent"
_YES = ("yes", "true", "on", "1")
_NIC_MODELS = ("virtio", "e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet")


def build(
    spec: InstanceSpec, pair: tuple[int, int], *, disks: Sequence[Disk], nics: Sequence[Nic], cloud_uuid: str,
    console_log: Path,
) -> Domain:  # fmt: skip
    """Raises ImageRefused for an image property whose value no domain can have."""
    epoch, generation = pair
    return Domain(
        instance_id=spec.id,
        epoch=epoch,
        generation=generation,
        cloud_uuid=cloud_uuid,
        vcpus=spec.vcpus,
        memory_mib=spec.memory_mib,
        disks=tuple(disks),
        nics=tuple(card(spec, nic) for nic in nics),
        console_log=console_log,
        guest_agent=spec.image_properties.get(_AGENT_PROPERTY, "").lower() in _YES,
        evacuable=spec.evacuable,
    )


def card(spec: InstanceSpec, nic: Nic) -> Nic:
    """The card as this instance's image wants it. Raises ImageRefused."""
    model = spec.image_properties.get(_NIC_PROPERTY, "virtio")
    if model not in _NIC_MODELS:
        known = ", ".join(_NIC_MODELS)
        raise ImageRefused(f"the image asks for network cards {model!r}; known are {known}: change its {_NIC_PROPERTY}")
    return replace(nic, model=model)
