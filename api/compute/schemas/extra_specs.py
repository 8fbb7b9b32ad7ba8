"""What a flavor's extra specs may say (checked since 2.86): keys of the namespaces that Nova has, each with its values.

A key of a namespace that nobody has reserved is the operator's own and isn't looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from common.errors import InvalidRequest

_TRUE_FALSE = frozenset({"0", "1", "f", "false", "n", "no", "off", "on", "t", "true", "y", "yes"})
_OPERATED = frozenset({"capabilities", "aggregate_instance_extra_specs", "vmware", "powervm"})
_RESERVED = re.compile(r"^(accel|hw|hw_rng|hw_video|os|pci_passthrough|quota|(resources|trait)[A-Za-z0-9_-]*)\Z")


@dataclass(frozen=True)
class Spec:
    """A key (as a pattern), what it may say, and in words what that is."""

    key: re.Pattern[str]
    fits: Callable[[str], bool]
    wanted: str


def check(specs: Mapping[str, str]) -> None:
    """Raises InvalidRequest for an unknown key of a known namespace, or a value that it can't have."""
    for key, value in specs.items():
        namespace, colon, _ = key.partition(":")
        if not colon or namespace in _OPERATED or not _RESERVED.match(namespace):
            continue
        spec = next((each for each in _SPECS if each.key.match(key)), None)
        if spec is None:
            raise InvalidRequest(
                f"Validation failed; extra spec '{key[:255]}' does not appear to be a valid extra spec."
            )
        if not spec.fits(value):
            raise InvalidRequest(f"Validation failed; '{value[:80]}' is not a valid value of {key}: {spec.wanted}.")


def _spec(key: str, fits: Callable[[str], bool], wanted: str) -> Spec:
    return Spec(re.compile(rf"^{key}\Z"), fits, wanted)


def _boolean(key: str) -> Spec:
    return _spec(key, lambda value: value.lower() in _TRUE_FALSE, "a boolean is needed")


def _number(key: str, lowest: int = 0) -> Spec:
    def fits(value: str) -> bool:
        return re.match(r"^[0-9]{1,12}\Z", value) is not None and int(value) >= lowest

    return _spec(key, fits, f"a whole number, {lowest} or more, is needed")


def _one_of(key: str, *words: str) -> Spec:
    return _spec(key, lambda value: value in words, f"one of {', '.join(words)} is needed")


def _text(key: str, pattern: str = r".+") -> Spec:
    return _spec(
        key, lambda value: re.match(rf"^(?:{pattern})\Z", value) is not None, f"a text like {pattern} is needed"
    )


_CPUS = r"\^?[0-9]+(-[0-9]+)?(,\^?[0-9]+(-[0-9]+)?)*"
_SPECS: tuple[Spec, ...] = (
    _boolean("hw:(cpu_realtime|hide_hypervisor_id|mem_encryption|pmu|vif_multiqueue_enabled|virtio_packed_ring)"),
    _boolean("hw:(locked_memory|ephemeral_encryption|boot_menu)"),
    _text("hw:(cpu_realtime_mask|cpu_dedicated_mask)", _CPUS),
    _one_of("hw:cpu_policy", "dedicated", "mixed", "shared"),
    _one_of("hw:cpu_thread_policy", "prefer", "isolate", "require"),
    _one_of("hw:emulator_threads_policy", "isolate", "share"),
    _number("hw:(cpu_sockets|cpu_cores|cpu_threads|cpu_max_sockets|cpu_max_cores|cpu_max_threads|numa_nodes)", 1),
    _number("hw:numa_mem[.][0-9]+", 1),
    _text("hw:numa_cpus[.][0-9]+", _CPUS),
    _one_of("hw:pci_numa_affinity_policy", "required", "preferred", "legacy", "socket"),
    _text("hw:mem_page_size", r"large|small|any|[0-9]+([kKMGT]i?)?(b|bit|B)?"),
    _one_of("hw:mem_encryption_model", "amd-sev", "amd-sev-es"),
    _text("hw:pmem"),
    _number("hw:serial_port_count"),
    _one_of("hw:tpm_model", "tpm-tis", "tpm-crb"),
    _one_of("hw:tpm_version", "1.2", "2.0"),
    _one_of("hw:tpm_secret_security", "user", "host", "deployment"),
    _one_of("hw:watchdog_action", "none", "pause", "poweroff", "reset", "disabled"),
    _one_of("hw:viommu_model", "intel", "smmuv3", "virtio", "auto"),
    _one_of("hw:maxphysaddr_mode", "emulate", "passthrough"),
    _number("hw:maxphysaddr_bits"),
    _one_of("hw:ephemeral_encryption_format", "luks"),
    _one_of("hw:input_bus", "usb", "virtio"),
    _text("hw:(sound_model|usb_model|machine_type)", r"[a-zA-Z0-9_.-]+"),
    _number("hw:redirected_ports"),
    _boolean("hw_rng:allowed"),
    _number("hw_rng:(rate_bytes|rate_period)"),
    _number("hw_video:ram_max_mb"),
    _one_of("os:secure_boot", "disabled", "optional", "required"),
    _number("quota:cpu_(shares|period|limit|reservation)"),
    _text("quota:cpu_quota", r"-?[0-9]{1,12}"),
    _number("quota:disk_(read|write|total)_(bytes|iops)_sec(_max)?"),
    _number("quota:disk_io_(limit|reservation)"),
    _number("quota:vif_(inbound|outbound)_(average|peak|burst)"),
    _number("quota:(memory|vif)_(limit|reservation)"),
    _one_of("quota:(cpu|memory|disk_io|vif)_shares_level", "high", "normal", "low", "custom"),
    _number("quota:(memory|disk_io|vif)_shares_share"),
    _text("accel:device_profile"),
    _text("pci_passthrough:alias", r"[^:]+:[0-9]+(,[^:]+:[0-9]+)*"),
    _number("resources[A-Za-z0-9_-]*:[A-Z0-9_]+"),
    _one_of("trait[A-Za-z0-9_-]*:[A-Z0-9_]+", "required", "forbidden"),
)
