"""What QoS specs mean for a volume of some size: Cinder's front-end keys, those by size among them."""

from __future__ import annotations

import pytest

from common import volume_tuning
from common.errors import InvalidRequest
from common.rpc.hardware_v1 import DiskTuning


@pytest.mark.parametrize(
    ("specs", "wanted"),
    [
        ({}, None),
        ({"minIOPS": "100"}, None),
        ({"total_iops_sec": "0"}, None),
        ({"read_bytes_sec": "10", "write_iops_sec": "20"}, DiskTuning(read_bytes_sec=10, write_iops_sec=20)),
        ({"total_iops_sec": "9", "total_iops_sec_max": "9"}, DiskTuning(total_iops_sec=9, total_iops_sec_max=9)),
        ({"total_iops_sec_per_gb": "30"}, DiskTuning(total_iops_sec=120)),
        ({"total_iops_sec_per_gb": "3", "total_iops_sec_per_gb_min": "50"}, DiskTuning(total_iops_sec=50)),
    ],
)
def test_limits_of_a_volume_of_4_gib(specs: dict[str, str], wanted: DiskTuning | None) -> None:
    assert volume_tuning.of_specs(specs, size_gib=4) == wanted


@pytest.mark.parametrize(
    "specs",
    [
        {"read_iops_sec": "many"}, {"read_iops_sec": "-1"}, {"total_bytes_sec_per_gb": "1.5"},
        {"total_iops_sec": "1", "write_iops_sec": "1"}, {"read_bytes_sec_max": "5"},
    ],
)  # fmt: skip
def test_limits_that_no_hypervisor_has_are_refused(specs: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        volume_tuning.of_specs(specs, size_gib=4)
