"""What this machine offers and how much of it is used, read from the kernel rather than from libvirt.

libvirt's memory figure counts one NUMA cell and wavers on some machines; MemTotal does not.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from common import guarantees
from common.clock import Clock
from common.config import NO_BACKUPS, AgentConfig, BackupConfig, NetworkConfig, StorageConfig
from common.errors import ConfigError
from common.rpc.compute_v1 import Inventory, NetworkRate
from compute_agent import durable, firmware, host_topology
from compute_agent.hypervisor.base import Hypervisor, HypervisorFacts

_MIB = 1024**2
_GIB = 1024**3
_REAL = ("kvm", "qemu")
_RECORD_BYTES, _USER_PROCESS = 384, 7  # of utmp(5): each record begins with its type, in 16 bits


class InventoryReader:
    """What the hypervisor says of itself is asked once, when first needed: it doesn't change while the agent lives."""

    def __init__(
        self, config: AgentConfig, hypervisor: Hypervisor, clock: Clock, *, storage: StorageConfig | None = None,
        backups: BackupConfig | None = None, network: NetworkConfig | None = None,
        meminfo: Path = Path("/proc/meminfo"), utmp: Path = Path("/run/utmp"),
    ) -> None:  # fmt: skip
        self._config = config
        self._clock = clock
        self._utmp = utmp
        self._hypervisor = hypervisor
        self._meminfo = meminfo
        self._backups = backups or BackupConfig(driver=NO_BACKUPS)
        self._storage = storage or StorageConfig()
        self._rates = [
            NetworkRate(physical_network=each.physical_network, resource=each.resource.value, amount=each.amount)
            for each in guarantees.declared(network or NetworkConfig())
        ]
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
        load_1m, load_5m, load_15m = os.getloadavg()
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
            load_1m=round(load_1m, 2),
            load_5m=round(load_5m, 2),
            load_15m=round(load_15m, 2),
            uptime_s=int(self._clock.boottime()),
            users=_users(self._utmp),
            shared_instances=self._config.shared_instances,
            backups="" if self._backups.driver == NO_BACKUPS else self._backups.driver,
            shared_backups=self._backups.driver == "s3" or self._backups.directory_shared,
            shared_volumes=self._storage.volumes_shared,
            volume_backends=self._storage.backends(),
            nbd_address=self._nbd_address(),
            firmware=self._firmware,
            cells=host_topology.read(self._dedicated, self._system) if offers else [],
            network_rates=self._rates if offers else [],
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


def _users(path: Path) -> int:
    """How many are logged in; a machine that keeps no such file says none."""
    try:
        records = path.read_bytes()
    except FileNotFoundError:
        return 0
    begins = range(0, len(records) - _RECORD_BYTES + 1, _RECORD_BYTES)
    return sum(struct.unpack_from("=h", records, begin)[0] == _USER_PROCESS for begin in begins)
