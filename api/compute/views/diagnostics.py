"""Diagnostics of a guest: free-form until 2.47, then one fixed form for every hypervisor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.compute.views.fields import Body, Reader
from common.db.models import Instance

_STATES = ("running", "paused", "shutdown", "crashed", "suspended")
#: name in the answer -> end of the agent's key; None: not counted
_NIC = {
    "rx_octets": "rx_bytes", "rx_errors": None, "rx_drop": "rx_drop", "rx_packets": "rx_packets", "rx_rate": None,
    "tx_octets": "tx_bytes", "tx_errors": None, "tx_drop": "tx_drop", "tx_packets": "tx_packets", "tx_rate": None,
}  # fmt: skip
_DISK = {
    "read_bytes": "read_bytes", "read_requests": "read_requests", "write_bytes": "write_bytes",
    "write_requests": "write_requests", "errors_count": None,
}  # fmt: skip


def show(instance: Instance, data: Mapping[str, Any], audience: Reader) -> Body:
    """`data` is flat, as the agent sends it (cpu_time_ns, vda_read_bytes, …); what it doesn't know is null."""
    if not audience.at_least("2.48"):
        return dict(data)
    state = str(data.get("state", ""))
    cpus = int(instance.flavor["vcpus"])
    nics, disks = _devices(data, "_rx_bytes"), _devices(data, "_read_bytes")
    used_kib = data.get("memory_rss_kib")
    return {
        "state": state if state in _STATES else "pending",
        "driver": "libvirt",
        "hypervisor": "qemu",
        "hypervisor_os": "linux",
        "uptime": _uptime_s(instance, audience),
        "config_drive": instance.config_drive,
        "num_cpus": cpus,
        "num_nics": len(nics),
        "num_disks": len(disks),
        "memory_details": {
            "maximum": instance.flavor["memory_mib"], "used": used_kib // 1024 if isinstance(used_kib, int) else None,
        },
        "cpu_details": [
            {"id": index, "time": data.get("cpu_time_ns") if cpus == 1 else None, "utilisation": None}
            for index in range(cpus)
        ],
        "nic_details": [{"mac_address": None, **_counters(data, nic, _NIC)} for nic in nics],
        "disk_details": [_counters(data, disk, _DISK) for disk in disks],
    }  # fmt: skip


def _uptime_s(instance: Instance, audience: Reader) -> int | None:
    """Since it was launched, as in Nova."""
    return int((audience.now - instance.launched_at).total_seconds()) if instance.launched_at else None


def _devices(data: Mapping[str, Any], end: str) -> list[str]:
    return sorted(key.removesuffix(end) for key in data if key.endswith(end))


def _counters(data: Mapping[str, Any], device: str, names: Mapping[str, str | None]) -> Body:
    return {name: data.get(f"{device}_{end}") if end else None for name, end in names.items()}
