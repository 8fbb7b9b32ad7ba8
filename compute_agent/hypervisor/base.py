"""What the agent asks of a hypervisor: a small interface of ensure-verbs, the same for every driver.

Drivers: libvirt (`kvm` and `qemu`, and libvirt's own test:///default) and `fake`. A contract suite
(tests/contract/test_hypervisor_contract.py) runs on each. Raw libvirt objects never leave libvirt_host.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from common.rpc.compute_v1 import PowerState
from common.rpc.hardware_v1 import DiskTuning, GuestHardware
from common.rpc.queries_v1 import ConsoleKind
from compute_agent.storage.rbd_image import RbdImage

PLAIN = GuestHardware()


@dataclass(frozen=True)
class Disk:
    """One disk file. `format` is what was recorded when the file was made, and always passed on.

    export: an NBD export of this name behind `path`, which is then a unix socket, and no file; "raw", whatever is served.
    rbd: an image of a Ceph pool, which is found by `path`, the configuration of its cluster; "raw", too.
    tuning: limits of its own; None: those that the flavor has for the guest's disks.
    """

    path: Path
    format: str  # "qcow2" or "raw"
    device: str  # "vda", "vdb", …
    bus: str = "virtio"
    read_only: bool = False
    serial: str = ""
    is_cdrom: bool = False
    boot: bool = False  # the guest boots from this one, and not from the first
    shareable: bool = False  # other guests may have it at the same time
    export: str = ""
    tuning: DiskTuning | None = None
    rbd: RbdImage | None = None

    @property
    def is_file(self) -> bool:
        return not self.export and self.rbd is None


@dataclass(frozen=True)
class Nic:
    mac_address: str
    tap: str
    bridge: str
    mtu: int
    model: str = "virtio"


Device = Nic | Disk


@dataclass(frozen=True)
class Domain:
    """A domain as it should be: built afresh from the instance's spec at every start."""

    instance_id: str
    epoch: int
    generation: int
    cloud_uuid: str
    vcpus: int
    memory_mib: int
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    console_log: Path
    guest_agent: bool = False  # a channel to an agent in the guest
    evacuable: bool = False  # another node could run it: to be stopped when this one's lease runs out
    hardware: GuestHardware = PLAIN
    nvram: Path | None = None  # where UEFI keeps its variables
    shared_cpus: frozenset[int] = frozenset()  # the node's for guests without CPUs of their own; none: all of them


@dataclass(frozen=True)
class DomainState:
    """starved: paused by the hypervisor, because a disk had no room for what the guest wrote; it has lost nothing."""

    instance_id: str
    epoch: int
    generation: int
    power: PowerState
    evacuable: bool = False
    starved: bool = False


class CopyState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # or there was none


@dataclass(frozen=True)
class HypervisorFacts:
    """What the driver says of its machine; memory and disk come from the agent, not from here."""

    hypervisor_type: str  # as OpenStack's API shows it: "QEMU"
    hypervisor_version: int
    virt_type: str  # "kvm", "qemu", "fake", "test"
    cpu_model: str
    cpu_arch: str
    cpu_features: tuple[str, ...]
    vcpus: int


EventHandler = Callable[[DomainState], None]


class Hypervisor(Protocol):
    """All verbs are idempotent and raise common.errors.HypervisorError (HypervisorTimeout past a deadline).

    Only domains that bear this cloud's UUID in their metadata are seen or touched.
    """

    def facts(self) -> HypervisorFacts: ...

    def list_domains(self) -> list[DomainState]:
        """Every domain of this cloud, running or not. Raises rather than answering with a part of them."""
        ...

    def state(self, instance_id: str) -> DomainState | None:
        """The domain's state, or None when there is no such domain."""
        ...

    def ensure_defined(self, domain: Domain) -> None:
        """Define (or redefine) the persistent domain; a running one keeps running as it is."""
        ...

    def ensure_running(self, domain: Domain, *, from_memory: bool = False) -> None:
        """Define afresh and start, unless it already runs at this epoch.

        from_memory: go on from what `ensure_saved` wrote, if there is any; else that is thrown away.
        """
        ...

    def ensure_paused(self, instance_id: str) -> None:
        """Hold the processors of a running guest. Raises HypervisorError when it is off."""
        ...

    def ensure_unpaused(self, instance_id: str) -> None:
        """Let a paused guest go on. Raises HypervisorError when it is off."""
        ...

    def ensure_saved(self, instance_id: str) -> None:
        """Write the guest's memory to the disk and switch it off. Raises HypervisorError when it is off unsaved."""
        ...

    def begin_copy(self, instance_id: str, device: str, target: Path, *, quiesce: bool) -> None:
        """Begin to copy a disk of a guest that runs or is paused, as it is now, to a new qcow2 that stands alone.

        A copy that was going on is given up. quiesce: raises HypervisorError when the guest's file systems can't be
        frozen for that moment; else that is only tried, where the guest has an agent.
        """
        ...

    def copy_state(self, instance_id: str) -> CopyState:
        """How the last copy stands."""
        ...

    def end_copy(self, instance_id: str) -> None:
        """Give up a copy that is going on, if there is one."""
        ...

    def resize_disk(self, instance_id: str, device: str, size_bytes: int) -> None:
        """Let a running guest's disk be this large; it sees that at once. Raises HypervisorError when it is off."""
        ...

    def read_disk(self, instance_id: str, device: str) -> None:
        """Read a little of a running guest's disk, by which QEMU connects again where the other end has gone.

        Whether it could be read is not told. Raises HypervisorError when the guest is off or has no such disk.
        """
        ...

    def ensure_plugged(self, instance_id: str, device: Device) -> None:
        """Give a guest that runs or is paused a device, unless it has it. Raises HypervisorError when it is off."""
        ...

    def is_plugged(self, instance_id: str, address: str) -> bool:
        """Whether a guest that runs or is paused has the card with this MAC address, or the disk of this name ("vdb")."""
        ...

    def resume_stalled(self, instance_id: str) -> bool:
        """Let a guest go on that paused because a disk failed, and try again what failed; True when there was one."""
        ...

    def request_unplug(self, instance_id: str, address: str) -> None:
        """Ask the guest to let a device go; it may take its time, or not listen. Nothing happens when it has none."""
        ...

    def request_shutdown(self, instance_id: str) -> None:
        """Press the power button once; returns at once. Nothing happens when it is not running."""
        ...

    def request_reboot(self, instance_id: str) -> None:
        """Ask the guest to reboot by ACPI; returns at once."""
        ...

    def ensure_stopped(self, instance_id: str) -> None:
        """Cut power."""
        ...

    def ensure_absent(self, instance_id: str) -> None:
        """Cut power and undefine."""
        ...

    def boot_id(self, instance_id: str) -> str:
        """Names the present run of a guest that runs or is paused. Raises HypervisorError when it is off."""
        ...

    def open_console(self, instance_id: str, kind: ConsoleKind) -> int:
        """A file descriptor to read from and write to, the caller's to close. Raises HypervisorError when it is off."""
        ...

    def set_password(self, instance_id: str, user: str, password: str) -> None:
        """Have the guest's agent set a password. Raises HypervisorError when none answers, or it does not."""
        ...

    def inject_nmi(self, instance_id: str) -> None:
        """Send a non-maskable interrupt to all processors. Raises HypervisorError when the guest is off."""
        ...

    def diagnostics(self, instance_id: str) -> dict[str, str | int | float | bool | None]: ...

    def subscribe(self, handler: EventHandler) -> None:
        """Call `handler` for every life-cycle change of a domain of this cloud; it must only enqueue."""
        ...

    def healthy(self) -> bool:
        """False when so many calls have hung that the agent should restart itself."""
        ...

    def close(self) -> None: ...
