"""The hardware that a spec asks for; one from before specs carried it is read from the image's properties."""

from __future__ import annotations

from common.errors import ImageRefused, InvalidRequest
from common.hardware import reading
from common.rpc.compute_v1 import InstanceSpec
from common.rpc.hardware_v1 import GuestHardware


def of(spec: InstanceSpec) -> GuestHardware:
    """Raises ImageRefused for an image property whose value no guest can have."""
    if spec.hardware is not None:
        return spec.hardware
    try:
        return reading.of({}, spec.image_properties, spec.vcpus, spec.memory_mib).guest
    except InvalidRequest as err:
        raise ImageRefused(f"the image asks for what can't be: {err.message}", instance_id=spec.id) from err
