"""What this machine offers and how much of it is used, read from the kernel rather than from libvirt.

libvirt's memory figure counts one NUMA cell and wavers on some machines; MemTotal does not.
"""

from __future__ import annotations

import os
from pathlib import Path

from common.config import AgentConfig, StorageConfig
from common.errors import ConfigError
from common.rpc.compute_v1 import Inventory
from compute_agent import durable, firmware, host_topology
from compute_agent.hypervisor.base import Hypervisor, HypervisorFacts

_MIB = 1024**2
_GIB = 1024**3
_REAL = ("kvm", "qemu")


class InventoryReader:
    """What the hypervisor says of itself is asked once, when first needed: it doesn't change while the agent lives."""

    def __init__(
        self, config: AgentConfig, hypervisor: Hypervisor, *, storage: StorageConfig | None = None,
        meminfo: Path = Path("/proc/meminfo"),
    ) -> None:  # fmt: skip
        self._config = config
        self._hypervisor = hypervisor
        self._meminfo = meminfo
        self._storage = storage or StorageConfig()
        self._state_dir = Path(config.state_dir)
        self._disk_gib = config.disk_gib or self._first_free_gib()
        self._facts: HypervisorFacts | None = None
        self._firmware: list[str] = []
        self._dedicated: frozenset[int] = frozenset()
        self._system = host_topology.SYSTEM

    def read(self) -> Inventory:
        """Raises HypervisorError when the hypervisor does not answer."""
        if self._facts is None:
            self._facts = self._hypervisor.facts()
            self._dedicated = host_topology.dedicated_cpus(self._config.dedicated_cpus)
            if self._config.fake_topology and self._facts.virt_type == "fake":
                self._system = Path(self._config.fake_topology)
            host_topology.read(self._dedicated, self._system)  # says at once what is wrong with the configuration
            self._firmware = firmware.found(self._facts.cpu_arch) if self._facts.virt_type in _REAL else []
        facts, memory = self._facts, _read_meminfo(self._meminfo)
        offers = facts.virt_type != "none"
        return Inventory(
            vcpus=(self._config.vcpus or facts.vcpus - len(self._dedicated)) if offers else 0,
            memory_mib=self._config.memory_mib or memory["MemTotal"] if offers else 0,
            disk_gib=self._disk_gib if offers else 0,
            hypervisor_type=facts.hypervisor_type,
            hypervisor_version=facts.hypervisor_version,
            cpu_model=facts.cpu_model,
            cpu_arch=facts.cpu_arch,
            cpu_features=list(facts.cpu_features),
            virt_type=facts.virt_type,
            address=self._config.address,
            memory_used_mib=memory["MemTotal"] - memory["MemAvailable"],
            disk_free_gib=self._free_bytes() // _GIB,
            load_1m=round(os.getloadavg()[0], 2),
            shared_instances=self._config.shared_instances,
            shared_volumes=self._storage.volumes_shared,
            volume_backends=self._storage.backends(),
            nbd_address=self._nbd_address(),
            firmware=self._firmware,
            cells=host_topology.read(self._dedicated, self._system) if offers else [],
        )

    def _nbd_address(self) -> str:
        """ "" where there is no certificate, without which nothing is served or reached."""
        storage = self._storage
        return (storage.nbd_address or self._config.address) if storage.nbd_cert_file else ""

    def _first_free_gib(self) -> int:
        """What was free when the node first started: the guests' own disks must not shrink the offer."""
        path = self._state_dir / "disk_gib"
        noted = durable.read_word(path)
        if noted:
            return int(noted)
        free = self._free_bytes() // _GIB
        durable.write(path, f"{free}\n".encode())
        return free

    def _free_bytes(self) -> int:
        found = os.statvfs(self._state_dir)
        return found.f_bavail * found.f_frsize


def _read_meminfo(path: Path) -> dict[str, int]:
    """MemTotal and MemAvailable in MiB."""
    found = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            found[name] = int(value.split()[0]) // 1024
    if len(found) != 2:
        raise ConfigError(f"{path} names no MemTotal and MemAvailable; set [agent] memory_mib")
    return found
