"""The verbs of base.Hypervisor in terms of libvirt_host: which domains are ours, and what each verb does to them."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from common import log
from common.errors import CloudError, HypervisorError
from common.rpc.compute_v1 import PowerState
from common.rpc.queries_v1 import ConsoleKind
from compute_agent.hypervisor import domain_xml
from compute_agent.hypervisor.base import (
    CopyState,
    Device,
    Disk,
    Domain,
    DomainState,
    EventHandler,
    HypervisorFacts,
    Nic,
)
from compute_agent.hypervisor.domain_xml import Backing, CacheMode, Mark
from compute_agent.hypervisor.libvirt_host import DomainRow, LibvirtHost
from compute_agent.hypervisor.virt_type import VirtType

logger = logging.getLogger(__name__)
Scalar = str | int | float | bool | None
_COUNTERS = {  # libvirt's name: ours
    "cpu.time": "cpu_time_ns",
    "vcpu.current": "vcpus",
    "balloon.current": "memory_kib",
    "balloon.rss": "memory_rss_kib",
    "balloon.unused": "memory_unused_kib",
}
_DEVICE_COUNTERS = {
    "rd.bytes": "read_bytes",
    "rd.reqs": "read_requests",
    "wr.bytes": "write_bytes",
    "wr.reqs": "write_requests",
    "rx.bytes": "rx_bytes",
    "rx.pkts": "rx_packets",
    "rx.drop": "rx_drop",
    "tx.bytes": "tx_bytes",
    "tx.pkts": "tx_packets",
    "tx.drop": "tx_drop",
}


def _stands_alone(_path: Path) -> Backing | None:
    return None


class LibvirtHypervisor:
    """Implements base.Hypervisor for kvm, qemu and libvirt's test driver."""

    def __init__(
        self,
        uri: str,
        virt_type: VirtType,
        *,
        cloud_uuid: str,
        backing_of: Callable[[Path], Backing | None] = _stands_alone,
        pool_size: int = 8,
    ) -> None:
        """backing_of: what was recorded of the image a disk is built on, by the disk's path."""
        self._virt_type = virt_type
        self._cloud_uuid = cloud_uuid
        self._backing_of = backing_of
        self._host = LibvirtHost(
            uri,
            metadata_uri=domain_xml.METADATA_URI,
            metadata_prefix=domain_xml.METADATA_PREFIX,
            pool_size=pool_size,
        )
        self._lock = threading.Lock()
        self._marks: dict[str, Mark] = {}  # last seen, to name domains that are gone when their event is handled
        self._handlers: list[EventHandler] = []
        self._events: queue.SimpleQueue[tuple[str, PowerState] | None] = queue.SimpleQueue()

    def facts(self) -> HypervisorFacts:
        found = self._host.facts()
        arch, model, features = _cpu(found.capabilities_xml)
        kind = "TEST" if self._virt_type is VirtType.TEST else "QEMU"
        return HypervisorFacts(
            hypervisor_type=kind,
            hypervisor_version=found.hypervisor_version,
            virt_type=self._virt_type.value,
            cpu_model=model or found.cpu_model,
            cpu_arch=arch or found.cpu_model,
            cpu_features=features,
            vcpus=found.cpus,
        )

    def healthy(self) -> bool:
        """False when so many calls hang that the agent should restart itself."""
        return self._host.healthy()

    def list_domains(self) -> list[DomainState]:
        states = [self._state_of(row) for row in self._host.rows()]
        return [state for state in states if state is not None]

    def state(self, instance_id: str) -> DomainState | None:
        row = self._host.row(instance_id)
        return self._state_of(row) if row else None

    def ensure_defined(self, domain: Domain) -> None:
        self._present(domain.instance_id, refuse_foreign=True)
        mark = domain_xml.mark_of(domain)
        self._host.define(domain.instance_id, self._render(domain), domain_xml.mark_text(mark))
        self._remember(mark)

    def ensure_running(self, domain: Domain, *, from_memory: bool = False) -> None:
        now = self._present(domain.instance_id, refuse_foreign=True)
        if now is not None and now.power is PowerState.RUNNING and now.epoch == domain.epoch:
            if now.generation != domain.generation:
                self.ensure_defined(domain)
            return
        if now is not None and now.power is PowerState.PAUSED and now.epoch == domain.epoch:
            self._host.resume(domain.instance_id)
            return
        if now is not None and now.power not in (PowerState.SHUTDOWN, PowerState.CRASHED):
            self._host.destroy(domain.instance_id)  # of another epoch: not what is wanted
        elif from_memory and now is not None and now.epoch == domain.epoch and self._host.is_saved(domain.instance_id):
            self._host.start_saved(domain.instance_id)
            self.ensure_defined(domain)
            return
        self._host.start(domain.instance_id, self._render(domain))
        self._remember(domain_xml.mark_of(domain))

    def ensure_paused(self, instance_id: str) -> None:
        if self._power_of(instance_id) is PowerState.RUNNING:
            self._host.pause(instance_id)
        self._require(instance_id, PowerState.PAUSED)

    def ensure_unpaused(self, instance_id: str) -> None:
        if self._power_of(instance_id) is PowerState.PAUSED:
            self._host.resume(instance_id)
        self._require(instance_id, PowerState.RUNNING)

    def ensure_saved(self, instance_id: str) -> None:
        if self._power_of(instance_id) in (PowerState.RUNNING, PowerState.PAUSED):
            self._host.save(instance_id)
        if not self._host.is_saved(instance_id):
            raise HypervisorError(f"server {instance_id} is off, and its memory was not saved", instance_id=instance_id)

    def begin_copy(self, instance_id: str, device: str, target: Path, *, quiesce: bool) -> None:
        if self._present(instance_id) is None:
            raise HypervisorError(f"server {instance_id} has no guest on this node", instance_id=instance_id)
        self._host.end_job(instance_id)
        target.unlink(missing_ok=True)
        frozen = self._freeze(instance_id, must=quiesce)
        try:
            self._host.begin_backup(instance_id, domain_xml.render_backup(device, target))
        finally:
            if frozen:
                self._host.thaw(instance_id)

    def _freeze(self, instance_id: str, *, must: bool) -> bool:
        """Whether its file systems are frozen now, and to be thawed."""
        try:
            self._freeze_afresh(instance_id)
        except HypervisorError as err:
            if must:
                raise
            log.event(logger, "copy.not_quiesced", instance_id=instance_id, detail=err.detail)
            return False
        return True

    def _freeze_afresh(self, instance_id: str) -> None:
        """A guest that is frozen already can't be frozen: an agent that was killed between the two has left it so."""
        self._require(instance_id, PowerState.RUNNING)
        try:
            self._host.freeze(instance_id)
        except HypervisorError:
            try:
                self._host.thaw(instance_id)
            except HypervisorError as err:
                log.event(logger, "copy.not_thawed", instance_id=instance_id, detail=err.detail)
            self._host.freeze(instance_id)

    def copy_state(self, instance_id: str) -> CopyState:
        return self._host.backup_state(instance_id)

    def end_copy(self, instance_id: str) -> None:
        if self._present(instance_id):
            self._host.end_job(instance_id)

    def resize_disk(self, instance_id: str, device: str, size_bytes: int) -> None:
        if self._power_of(instance_id) not in (PowerState.RUNNING, PowerState.PAUSED):
            raise HypervisorError(f"the guest of server {instance_id} does not run", instance_id=instance_id)
        self._host.resize_disk(instance_id, device, size_bytes)

    def read_disk(self, instance_id: str, device: str) -> None:
        found = self._device(instance_id, device)
        alias = domain_xml.alias_of(found) if found else None
        if alias is None:
            raise HypervisorError(f"the guest of server {instance_id} has no disk {device}", instance_id=instance_id)
        self._host.read_disk(instance_id, alias)

    def ensure_plugged(self, instance_id: str, device: Device) -> None:
        if self._power_of(instance_id) not in (PowerState.RUNNING, PowerState.PAUSED):
            raise HypervisorError(f"server {instance_id} has no guest that runs", instance_id=instance_id)
        address = device.mac_address if isinstance(device, Nic) else device.device
        if not self.is_plugged(instance_id, address):
            self._keep_secrets([device] if isinstance(device, Disk) else [])
            paths = [device.path] if isinstance(device, Disk) and device.is_file else []
            backing = self._backing_of(paths[0]) if paths else None
            self._host.attach(instance_id, domain_xml.render_device(device, cache_mode(paths), backing))

    def is_plugged(self, instance_id: str, address: str) -> bool:
        return self._device(instance_id, address) is not None

    def resume_stalled(self, instance_id: str) -> bool:
        stalled = self._present(instance_id) is not None and self._host.is_stalled(instance_id)
        if stalled:
            self._host.resume(instance_id)
        return stalled

    def request_unplug(self, instance_id: str, address: str) -> None:
        device = self._device(instance_id, address)
        if device is not None:
            self._host.detach(instance_id, device)

    def _device(self, instance_id: str, address: str) -> str | None:
        """The device as libvirt tells it, of a domain of ours that is on."""
        live = self._host.live_xml(instance_id) if self._present(instance_id) else None
        return domain_xml.find_device(live, address) if live else None

    def _power_of(self, instance_id: str) -> PowerState:
        now = self._present(instance_id)
        return now.power if now else PowerState.ABSENT

    def _require(self, instance_id: str, wanted: PowerState) -> None:
        power = self._power_of(instance_id)
        if power is not wanted:
            raise HypervisorError(
                f"the guest of server {instance_id} is {power.value}, not {wanted.value}", instance_id=instance_id
            )

    def request_shutdown(self, instance_id: str) -> None:
        if self._present(instance_id):
            self._host.press_power(instance_id)

    def request_reboot(self, instance_id: str) -> None:
        if self._present(instance_id):
            self._host.press_reboot(instance_id)

    def ensure_stopped(self, instance_id: str) -> None:
        if self._present(instance_id):
            self._host.destroy(instance_id)

    def ensure_absent(self, instance_id: str) -> None:
        if self._present(instance_id):
            self._host.destroy(instance_id)
            self._host.undefine(instance_id)

    def boot_id(self, instance_id: str) -> str:
        found = self._host.run_number(instance_id) if self._present(instance_id) else None
        if found is None:
            raise HypervisorError(f"server {instance_id} has no guest that runs", instance_id=instance_id)
        return str(found)

    def open_console(self, instance_id: str, kind: ConsoleKind) -> int:
        self.boot_id(instance_id)
        if kind is ConsoleKind.SCREEN:
            return self._host.open_screen(instance_id)
        live = self._host.live_xml(instance_id)
        terminal = domain_xml.find_terminal(live) if live else None
        if terminal is None:
            raise HypervisorError(f"server {instance_id} has no serial console now", instance_id=instance_id)
        try:
            return os.open(terminal, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as err:
            raise HypervisorError(
                f"the serial console of server {instance_id} can't be opened", detail=str(err), instance_id=instance_id
            ) from err

    def set_password(self, instance_id: str, user: str, password: str) -> None:
        self._require(instance_id, PowerState.RUNNING)
        self._host.set_password(instance_id, user, password)

    def inject_nmi(self, instance_id: str) -> None:
        if self._power_of(instance_id) not in (PowerState.RUNNING, PowerState.PAUSED):
            raise HypervisorError(f"the guest of server {instance_id} is off", instance_id=instance_id)
        self._host.inject_nmi(instance_id)

    def diagnostics(self, instance_id: str) -> dict[str, Scalar]:
        now = self._present(instance_id)
        counters = self._host.statistics(instance_id) if now else None
        if now is None or counters is None:
            raise HypervisorError(f"server {instance_id} has no guest on this node", instance_id=instance_id)
        return {"state": now.power.value, "driver": "libvirt", **_named(counters)}

    def subscribe(self, handler: EventHandler) -> None:
        with self._lock:
            self._handlers.append(handler)
            first = len(self._handlers) == 1
        if first:
            threading.Thread(target=self._tell, name="hypervisor-events", daemon=True).start()
            self._host.on_event(lambda instance_id, power: self._events.put((instance_id, power)))
            with contextlib.suppress(CloudError):
                self.list_domains()  # so that the marks of domains that are there already are known

    def close(self) -> None:
        self._events.put(None)
        self._host.close()

    def _present(self, instance_id: str, *, refuse_foreign: bool = False) -> DomainState | None:
        """The state of our domain; None when there is none, or when what bears the id is not ours."""
        row = self._host.row(instance_id)
        state = self._state_of(row) if row else None
        if row is not None and state is None and refuse_foreign:
            raise HypervisorError(
                f"this node has a guest with the id {instance_id} that is not of this cloud; it is left alone",
                instance_id=instance_id,
            )
        return state

    def _state_of(self, row: DomainRow) -> DomainState | None:
        mark = domain_xml.read_mark(row.metadata) if row.metadata else None
        if mark is None or mark.cloud_uuid != self._cloud_uuid or mark.instance_id != row.instance_id:
            return None
        self._remember(mark)
        return DomainState(mark.instance_id, mark.epoch, mark.generation, row.power, mark.evacuable, row.starved)

    def _remember(self, mark: Mark) -> None:
        with self._lock:
            self._marks[mark.instance_id] = mark

    def _render(self, domain: Domain) -> str:
        self._keep_secrets(domain.disks)
        paths = [disk.path for disk in domain.disks if disk.is_file]
        found = {path: self._backing_of(path) for path in paths}
        backings = {path: backing for path, backing in found.items() if backing is not None}
        return domain_xml.render(domain, self._virt_type, cache_mode(paths), backings)

    def _keep_secrets(self, disks: Iterable[Disk]) -> None:
        """What images are reached with: libvirt keeps it in memory only, and a new libvirtd knows nothing of it."""
        for pool in {disk.rbd.pool for disk in disks if disk.rbd is not None}:
            if pool.key_file is not None:
                self._host.keep_secret(domain_xml.render_secret(pool), _key(pool.key_file))

    def _tell(self) -> None:
        """Hand events on, with the state that libvirt gives now: what was true at the event may be long over."""
        while (event := self._events.get()) is not None:
            instance_id, power = event
            with self._lock:
                mark = self._marks.get(instance_id)
            try:
                state = self.state(instance_id)
            except CloudError as err:
                log.event(logger, "hypervisor.event_unchecked", logging.WARNING, detail=err.detail or err.message)
                state = _last_known(mark, power)
            else:
                state = state or _last_known(mark, PowerState.ABSENT)
            if state is None:
                continue  # not ours
            if state.power is PowerState.ABSENT:
                with self._lock:
                    self._marks.pop(instance_id, None)
            for handler in self._handlers:
                handler(state)


def _key(path: Path) -> bytes:
    """Raises HypervisorError."""
    try:
        return base64.b64decode(path.read_text().strip(), validate=True)
    except (OSError, ValueError) as err:
        raise HypervisorError("the key of this node's Ceph user is not readable", detail=str(err)) from err


def cache_mode(paths: list[Path]) -> CacheMode:
    """`none` where every disk's file system can do O_DIRECT, else `writeback` (tmpfs, some FUSE)."""
    return CacheMode.NONE if all(_can_direct(path) for path in paths) else CacheMode.WRITEBACK


def _can_direct(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
    except FileNotFoundError:
        return True  # libvirt will say that it is missing, with better words
    except OSError:
        return False
    return True


def _last_known(mark: Mark | None, power: PowerState) -> DomainState | None:
    return DomainState(mark.instance_id, mark.epoch, mark.generation, power, mark.evacuable) if mark else None


def _named(counters: dict[str, Scalar]) -> dict[str, Scalar]:
    """libvirt's counters under our names: vda_read_bytes, <tap>_rx_bytes and so on."""
    named = {ours: counters[theirs] for theirs, ours in _COUNTERS.items() if theirs in counters}
    for group in ("block", "net"):
        count = counters.get(f"{group}.count")
        for index in range(count if isinstance(count, int) else 0):
            device = counters.get(f"{group}.{index}.name", index)
            for theirs, ours in _DEVICE_COUNTERS.items():
                if f"{group}.{index}.{theirs}" in counters:
                    named[f"{device}_{ours}"] = counters[f"{group}.{index}.{theirs}"]
    return named


def _cpu(capabilities: str) -> tuple[str, str, tuple[str, ...]]:
    """Architecture, model and features of the host's CPU, from libvirt's capabilities."""
    if "<!" in capabilities.replace("<!--", ""):
        raise HypervisorError("the hypervisor's capabilities are not plain XML", detail=capabilities[:200])
    cpu = ET.fromstring(capabilities).find("host/cpu")  # noqa: S314 - entities are refused above
    if cpu is None:
        return "", "", ()
    features = tuple(sorted(feature.get("name", "") for feature in cpu.findall("feature")))
    return cpu.findtext("arch", ""), cpu.findtext("model", ""), features
