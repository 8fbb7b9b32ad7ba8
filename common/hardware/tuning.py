"""What a flavor's quota: specs allow a guest of processors and disks. Those of other hypervisors than QEMU do nothing."""

from __future__ import annotations

from collections.abc import Mapping

from common.errors import InvalidRequest
from common.hardware.wishes import Wish, Wishes, number
from common.rpc.hardware_v1 import CpuTuning, DiskTuning

#: what Linux's control groups take
_SHARES = range(2, 262_144 + 1)
_PERIOD_US = range(1000, 1_000_000 + 1)
_QUOTA_US = range(1000, 17_592_186_044_415 + 1)
_SINGLE = ("bytes", "iops")


def cpu(wishes: Wishes) -> CpuTuning | None:
    """Raises InvalidRequest for what the kernel would refuse."""
    shares = _within("quota:cpu_shares", wishes, _SHARES)
    period = _within("quota:cpu_period", wishes, _PERIOD_US)
    text = wishes.flavor_says(Wish("quota:cpu_quota"))
    quota = int(text) if text is not None and text.startswith("-") and text[1:].isdigit() else None
    quota = _within("quota:cpu_quota", wishes, _QUOTA_US) if quota is None else -1  # any negative one is none
    if shares is None and period is None and quota is None:
        return None
    return CpuTuning(shares=shares, period_us=period, quota_us=quota)


def _within(spec: str, wishes: Wishes, allowed: range) -> int | None:
    value = number(spec, wishes.flavor_says(Wish(spec)))
    if value is not None and value not in allowed:
        raise InvalidRequest(f"{spec} must be from {allowed.start} to {allowed.stop - 1}, not {value}.")
    return value


def disk(wishes: Wishes) -> DiskTuning | None:
    """Raises InvalidRequest for a total beside a limit of reads or writes, and for a burst below its limit."""
    names = list(DiskTuning.__struct_fields__)
    values = {name: number(f"quota:disk_{name}", wishes.flavor_says(Wish(f"quota:disk_{name}"))) or 0 for name in names}
    return checked(values, prefix="quota:disk_")


def checked(values: Mapping[str, int], *, prefix: str) -> DiskTuning | None:
    """values: by the names of DiskTuning; prefix: of these, in messages. Raises InvalidRequest as `disk` does."""
    if not any(values.values()):
        return None
    for kind in _SINGLE:
        for end in ("", "_max"):
            if values[f"total_{kind}_sec{end}"] and (
                values[f"read_{kind}_sec{end}"] or values[f"write_{kind}_sec{end}"]
            ):
                raise InvalidRequest(
                    f"{prefix}total_{kind}_sec{end} can't be set together with {prefix}read_{kind}_sec{end} or "
                    f"{prefix}write_{kind}_sec{end}."
                )
    for name, burst in values.items():
        limit = values.get(name.removesuffix("_max"), 0)
        if name.endswith("_max") and burst and not 0 < limit <= burst:
            raise InvalidRequest(f"{prefix}{name} needs {prefix}{name.removesuffix('_max')} below it.")
    return DiskTuning(**values)
