"""How fast a server may read and write a volume, where its type's QoS specs are for the hypervisor (front-end, or both).

Known are Cinder's keys: limits (`total_iops_sec`, …), bursts (`…_max`), and limits by the volume's size (`…_per_gb`, of at
least `…_per_gb_min`). Other keys do nothing here. Source: Cinder administration guide, "Basic volume quality of service".
"""

from __future__ import annotations

from collections.abc import Mapping

from common.hardware import tuning
from common.hardware.wishes import number
from common.rpc.hardware_v1 import DiskTuning

BACK_END = "back-end"


def of_specs(specs: Mapping[str, str], size_gib: int) -> DiskTuning | None:
    """None: no limits. Raises InvalidRequest for values that are no whole numbers, and for limits that exclude each other."""
    values = {name: _value(specs, name, size_gib) for name in DiskTuning.__struct_fields__}
    return tuning.checked(values, prefix="")


def _value(specs: Mapping[str, str], name: str, size_gib: int) -> int:
    given = number(name, specs.get(name)) or 0
    for_each_gib = number(f"{name}_per_gb", specs.get(f"{name}_per_gb")) or 0
    if not for_each_gib:
        return given
    return max(for_each_gib * size_gib, number(f"{name}_per_gb_min", specs.get(f"{name}_per_gb_min")) or 0)
