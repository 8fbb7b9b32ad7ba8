"""The only file that imports libvirt: connection, calls, errors, events. Its objects never leave it.

Every call runs on the bounded pool with a deadline. A lost connection is opened again by the next call, which is then
tried once more (all of them are check-then-act). libvirt's own text goes to an error's `detail` only.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import libvirt
import libvirt_qemu

from common import log
from common.deadlines import LIBVIRT_DEVICE_S, LIBVIRT_QUICK_S, LIBVIRT_SAVE_S, LIBVIRT_START_S
from common.errors import CloudError, HypervisorError
from common.rpc.compute_v1 import PowerState
from compute_agent.hypervisor.base import CopyState
from compute_agent.hypervisor.call_pool import CallPool

logger = logging.getLogger(__name__)
T = TypeVar("T")
HOST_KEY: Final = "host"  # the serial queue of calls that concern no single domain
_KEEPALIVE_S, _KEEPALIVE_COUNT = 5, 3
_LOOP_RETRY_S = 1.0

_POWER: Final = {
    libvirt.VIR_DOMAIN_NOSTATE: PowerState.UNKNOWN,
    libvirt.VIR_DOMAIN_RUNNING: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: PowerState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: PowerState.RUNNING,  # the guest is going down, but its QEMU is still there
    libvirt.VIR_DOMAIN_SHUTOFF: PowerState.SHUTDOWN,
    libvirt.VIR_DOMAIN_CRASHED: PowerState.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: PowerState.SUSPENDED,
}
#: what a detach says of a device that is gone, or that the guest was asked for a moment ago
_UNPLUG_UNDER_WAY: Final = (libvirt.VIR_ERR_DEVICE_MISSING,)
_CONNECTION_LOST: Final = (libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_RPC)


@dataclass(frozen=True)
class DomainRow:
    """A domain as libvirt tells it; metadata is the text found under the URI asked for, or None."""

    instance_id: str
    power: PowerState
    metadata: str | None
    starved: bool = False  # paused by QEMU, since a disk had no room for what the guest wrote


@dataclass(frozen=True)
class HostFacts:
    hypervisor_version: int
    cpu_model: str
    cpus: int
    capabilities_xml: str


class _EventLoop:
    """libvirt's event loop: one per process, started before the first connection and never stopped."""

    _lock = threading.Lock()
    _started = False

    @classmethod
    def ensure_started(cls) -> None:
        with cls._lock:
            if cls._started:
                return
            libvirt.registerErrorHandler(_silent, None)
            libvirt.virEventRegisterDefaultImpl()
            threading.Thread(target=cls._loop, name="libvirt-events", daemon=True).start()
            cls._started = True

    @staticmethod
    def _loop() -> None:
        pause = threading.Event()
        while True:
            try:
                libvirt.virEventRunDefaultImpl()
            except libvirt.libvirtError as err:
                log.event(logger, "libvirt.event_loop_failed", logging.ERROR, detail=str(err))
                pause.wait(_LOOP_RETRY_S)


def _silent(_context: object, _error: object) -> None:
    """libvirt prints every error to stderr unless told otherwise; ours are raised and logged instead."""


class LibvirtHost:
    """One libvirt connection and what is asked of it. Raises HypervisorError, HypervisorTimeout past a deadline."""

    def __init__(self, uri: str, *, metadata_uri: str, metadata_prefix: str, pool_size: int = 8) -> None:
        _EventLoop.ensure_started()
        self._uri = uri
        self._metadata_uri = metadata_uri
        self._metadata_prefix = metadata_prefix
        self._pool = CallPool(pool_size)
        self._lock = threading.Lock()
        self._connection: Any = None
        self._on_event: Callable[[str, PowerState], None] | None = None

    def healthy(self) -> bool:
        return self._pool.healthy()

    def facts(self) -> HostFacts:
        def ask(connection: Any) -> HostFacts:
            info = connection.getInfo()
            return HostFacts(connection.getVersion(), info[0], info[2], connection.getCapabilities())

        return self._run(HOST_KEY, "asking the hypervisor about itself", ask)

    def rows(self) -> list[DomainRow]:
        """Every domain, ours or not. Domains that vanish meanwhile are left out; any other trouble is raised."""

        def ask(connection: Any) -> list[DomainRow]:
            found = (self._row_of(domain) for domain in connection.listAllDomains())
            return [row for row in found if row is not None]

        return self._run(HOST_KEY, "listing the guests", ask)

    def row(self, instance_id: str) -> DomainRow | None:
        def ask(connection: Any) -> DomainRow | None:
            domain = _find(connection, instance_id)
            return None if domain is None else self._row_of(domain)

        return self._run(instance_id, "looking up the guest", ask)

    def define(self, instance_id: str, xml: str, mark: str) -> None:
        """Define or redefine; a running domain's live metadata become `mark` too, the rest of it stays as it runs."""

        def do(connection: Any) -> None:
            domain = connection.defineXML(xml)
            if domain.isActive():
                flags = libvirt.VIR_DOMAIN_AFFECT_LIVE
                kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
                domain.setMetadata(kind, mark, self._metadata_prefix, self._metadata_uri, flags)

        self._run(instance_id, "defining the guest", do)

    def start(self, instance_id: str, xml: str) -> None:
        """Define afresh and start; nothing is kept from the definition there was, nor of memory saved with it."""

        def do(connection: Any) -> None:
            domain = connection.defineXML(xml)
            if domain.isActive():
                return
            if domain.hasManagedSaveImage():
                domain.managedSaveRemove()
            domain.create()

        self._run(instance_id, "starting the guest", do, LIBVIRT_START_S)

    def press_power(self, instance_id: str) -> None:
        self._on_running(instance_id, "asking the guest to power off", lambda domain: domain.shutdown())

    def press_reboot(self, instance_id: str) -> None:
        self._on_running(
            instance_id,
            "asking the guest to reboot",
            lambda domain: domain.reboot(libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN),
        )

    def resume(self, instance_id: str) -> None:
        """Let a paused domain go on; QEMU pauses guests whose disk could not be written."""
        self._on_running(instance_id, "resuming the guest", lambda domain: domain.resume())

    def pause(self, instance_id: str) -> None:
        self._on_running(instance_id, "pausing the guest", lambda domain: domain.suspend())

    def is_stalled(self, instance_id: str) -> bool:
        """True when it paused by itself, because a disk failed."""
        paused = [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR]

        def ask(connection: Any) -> bool:
            domain = _find(connection, instance_id)
            return domain is not None and domain.state() == paused

        return self._run(instance_id, "looking why the guest is paused", ask)

    def save(self, instance_id: str) -> None:
        """Write the memory to libvirt's folder and end the domain; it will run when it is started from that."""
        flags = libvirt.VIR_DOMAIN_SAVE_RUNNING
        self._on_running(
            instance_id, "saving the guest's memory", lambda domain: domain.managedSave(flags), LIBVIRT_SAVE_S
        )

    def is_saved(self, instance_id: str) -> bool:
        def ask(connection: Any) -> bool:
            domain = _find(connection, instance_id)
            return domain is not None and bool(domain.hasManagedSaveImage())

        return self._run(instance_id, "looking for the guest's saved memory", ask)

    def start_saved(self, instance_id: str) -> None:
        """Let the guest go on from its saved memory, which is gone afterwards."""

        def do(connection: Any) -> None:
            domain = connection.lookupByUUIDString(instance_id)
            if not domain.isActive():
                domain.create()

        self._run(instance_id, "starting the guest from its saved memory", do, LIBVIRT_SAVE_S)

    def begin_backup(self, instance_id: str, xml: str) -> None:
        """Begin a backup job; it goes on by itself and ends by itself."""

        def do(connection: Any) -> None:
            connection.lookupByUUIDString(instance_id).backupBegin(xml, None, 0)

        self._run(instance_id, "beginning a copy of the guest's disk", do, LIBVIRT_START_S)

    def backup_state(self, instance_id: str) -> CopyState:
        def ask(connection: Any) -> CopyState:
            domain = _find(connection, instance_id)
            if domain is None or not domain.isActive():
                return CopyState.FAILED
            if domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
                return CopyState.RUNNING
            last = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
            found = domain.jobStats(last)
            ended = found.get("operation") == libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP
            done = ended and found.get("type") == libvirt.VIR_DOMAIN_JOB_COMPLETED
            return CopyState.DONE if done else CopyState.FAILED

        return self._run(instance_id, "looking at the copy of the guest's disk", ask)

    def end_job(self, instance_id: str) -> None:
        """Abort whatever job goes on; one that ends by itself meanwhile is as good."""

        def abort(domain: Any) -> None:
            try:
                domain.abortJob()
            except libvirt.libvirtError as err:
                no_job = err.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID
                if not no_job or domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
                    raise

        self._on_running(instance_id, "giving up a copy of the guest's disk", abort)

    def resize_disk(self, instance_id: str, device: str, size_bytes: int) -> None:
        """Grow a disk under its guest; one that is as large already stays."""

        def do(domain: Any) -> None:
            if domain.blockInfo(device)[0] < size_bytes:
                domain.blockResize(device, size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)

        self._on_running(instance_id, "resizing a disk of the guest", do, LIBVIRT_START_S)

    def read_disk(self, instance_id: str, alias: str) -> None:
        """By QEMU's monitor, since libvirt has no call that reads from a disk; QEMU has none but that for people."""

        def do(domain: Any) -> None:
            answer = json.loads(libvirt_qemu.qemuMonitorCommand(domain, '{"execute":"query-block"}', 0))
            disks = [each for each in answer["return"] if alias in each.get("qdev", "").split("/")]
            for each in disks:
                command = f'qemu-io {each["inserted"]["node-name"]} "read 0 512"'
                arguments = {"execute": "human-monitor-command", "arguments": {"command-line": command}}
                libvirt_qemu.qemuMonitorCommand(domain, json.dumps(arguments), 0)

        self._on_running(instance_id, "reading from a disk of the guest", do, LIBVIRT_START_S)

    def freeze(self, instance_id: str) -> None:
        """Have the guest's agent freeze its file systems. Raises HypervisorError when none answers."""

        def do(connection: Any) -> None:
            connection.lookupByUUIDString(instance_id).fsFreeze()

        self._run(instance_id, "freezing the guest's file systems", do, LIBVIRT_START_S)

    def thaw(self, instance_id: str) -> None:
        self._on_running(instance_id, "thawing the guest's file systems", lambda domain: domain.fsThaw())

    def live_xml(self, instance_id: str) -> str | None:
        """What a domain that is on has now; None for one that is off or not there."""

        def ask(connection: Any) -> str | None:
            domain = _find(connection, instance_id)
            return domain.XMLDesc() if domain is not None and domain.isActive() else None

        return self._run(instance_id, "looking at the guest's devices", ask)

    def run_number(self, instance_id: str) -> int | None:
        """libvirt's number of the domain's present run; None for one that is off or not there."""

        def ask(connection: Any) -> int | None:
            domain = _find(connection, instance_id)
            return int(domain.ID()) if domain is not None and domain.isActive() else None

        return self._run(instance_id, "looking whether the guest runs", ask)

    def open_screen(self, instance_id: str) -> int:
        """A connection to the guest's VNC server, as a file descriptor."""

        def ask(connection: Any) -> int:
            flags = libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH
            return int(connection.lookupByUUIDString(instance_id).openGraphicsFD(0, flags))

        return self._run(instance_id, "opening the guest's screen", ask)

    def attach(self, instance_id: str, device_xml: str) -> None:
        """Give a running domain a device; what is defined for its next start stays."""

        def do(connection: Any) -> None:
            connection.lookupByUUIDString(instance_id).attachDeviceFlags(device_xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)

        self._run(instance_id, "giving the guest a device", do, LIBVIRT_DEVICE_S)

    def detach(self, instance_id: str, device_xml: str) -> None:
        """Ask a running guest to let a device go. libvirt waits a few seconds for it; one that is going or gone is as good."""

        def ask(domain: Any) -> None:
            try:
                domain.detachDeviceFlags(device_xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            except libvirt.libvirtError as err:
                if err.get_error_code() not in _UNPLUG_UNDER_WAY:
                    raise

        self._on_running(instance_id, "asking the guest to let a device go", ask, LIBVIRT_DEVICE_S)

    def set_password(self, instance_id: str, user: str, password: str) -> None:
        """By the guest's agent. Raises HypervisorError when none answers."""

        def do(connection: Any) -> None:
            connection.lookupByUUIDString(instance_id).setUserPassword(user, password)

        self._run(instance_id, "setting the guest's password", do)

    def inject_nmi(self, instance_id: str) -> None:
        def do(connection: Any) -> None:
            connection.lookupByUUIDString(instance_id).injectNMI()

        self._run(instance_id, "sending the guest an NMI", do)

    def keep_secret(self, xml: str, value: bytes) -> None:
        def do(connection: Any) -> None:
            connection.secretDefineXML(xml).setValue(value)

        self._run(HOST_KEY, "giving the hypervisor a secret", do)

    def destroy(self, instance_id: str) -> None:
        """Cut power. QEMU gets up to 15 s from libvirt to end, hence the long deadline."""
        self._on_running(instance_id, "cutting the guest's power", lambda domain: domain.destroy(), LIBVIRT_START_S)

    def undefine(self, instance_id: str) -> None:
        def do(connection: Any) -> None:
            domain = _find(connection, instance_id)
            if domain is None:
                return
            leftovers = (
                libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
                | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
                | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
            )
            try:
                domain.undefineFlags(leftovers)
            except libvirt.libvirtError as err:
                if err.get_error_code() != libvirt.VIR_ERR_INVALID_ARG:
                    raise
                domain.undefine()  # a driver without leftovers, such as libvirt's test driver

        self._run(instance_id, "undefining the guest", do)

    def statistics(self, instance_id: str) -> dict[str, Any] | None:
        """libvirt's domain statistics by its own names, or None when there is no such domain."""

        def ask(connection: Any) -> dict[str, Any] | None:
            domain = _find(connection, instance_id)
            if domain is None:
                return None
            try:
                found = connection.domainListGetStats([domain], 0, 0)
            except libvirt.libvirtError as err:
                if err.get_error_code() not in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG):
                    raise
                return {"state.state": domain.state()[0], "vcpu.current": domain.info()[3]}
            return dict(found[0][1]) if found else None

        return self._run(instance_id, "reading the guest's counters", ask)

    def on_event(self, callback: Callable[[str, PowerState], None]) -> None:
        """Call back with (instance id, new power) for every life-cycle event and reboot; it must only enqueue.

        It runs in libvirt's loop, which stands still meanwhile. Opens the connection if it can; otherwise events
        begin with the first call that does.
        """
        self._on_event = callback
        with contextlib.suppress(CloudError):
            self._run(HOST_KEY, "opening the connection", lambda _connection: None)

    def close(self) -> None:
        self._pool.close()
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(libvirt.libvirtError):
                connection.close()

    # Connection

    def _run(self, key: str, what: str, call: Callable[[Any], T], deadline_s: float = LIBVIRT_QUICK_S) -> T:
        return self._pool.run(key, what, lambda: self._connected(key, what, call), deadline_s)

    def _connected(self, key: str, what: str, call: Callable[[Any], T]) -> T:
        connection = None
        try:
            connection = self._open()
            return call(connection)
        except libvirt.libvirtError as err:
            if connection is None or not _is_broken(connection, err):
                raise _translated(err, key, what) from err
            self._drop(connection)
            log.event(logger, "libvirt.connection_lost", logging.WARNING, uri=self._uri, detail=str(err))
        try:
            return call(self._open())
        except libvirt.libvirtError as err:
            raise _translated(err, key, what) from err

    def _open(self) -> Any:
        with self._lock:
            if self._connection is not None:
                return self._connection
            connection = libvirt.open(self._uri)
            if connection.getType() != "TEST":
                connection.setKeepAlive(_KEEPALIVE_S, _KEEPALIVE_COUNT)
            lifecycle, reboot = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT
            connection.domainEventRegisterAny(None, lifecycle, self._lifecycle_event, None)
            with contextlib.suppress(libvirt.libvirtError):  # libvirt's test driver has no such event
                connection.domainEventRegisterAny(None, reboot, self._reboot_event, None)
                removed = libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED
                connection.domainEventRegisterAny(None, removed, self._removed_event, None)
            self._connection = connection
            log.event(logger, "libvirt.connected", uri=self._uri)
            return connection

    def _drop(self, connection: Any) -> None:
        with self._lock:
            if self._connection is connection:
                self._connection = None
        with contextlib.suppress(libvirt.libvirtError):
            connection.close()

    # Domains

    def _row_of(self, domain: Any) -> DomainRow | None:
        try:
            state, reason = domain.state()
            metadata = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, self._metadata_uri)
        except libvirt.libvirtError as err:
            if err.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            if err.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                raise
            metadata = None
        return DomainRow(domain.UUIDString(), _power(state, reason), metadata, _starved(domain, state, reason))

    def _on_running(
        self, instance_id: str, what: str, action: Callable[[Any], object], deadline_s: float = LIBVIRT_QUICK_S
    ) -> None:
        """Do it if the domain runs; one that vanishes meanwhile, or goes down, counts as not running."""

        def do(connection: Any) -> None:
            domain = _find(connection, instance_id)
            if domain is None:
                return
            try:
                if domain.isActive():
                    action(domain)
            except libvirt.libvirtError as err:
                gone = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID)
                if err.get_error_code() not in gone or _runs(connection, instance_id):
                    raise

        self._run(instance_id, what, do, deadline_s)

    # Events, in libvirt's loop

    def _lifecycle_event(self, _connection: Any, domain: Any, event: int, detail: int, _opaque: object) -> None:
        power = {
            libvirt.VIR_DOMAIN_EVENT_STARTED: PowerState.RUNNING,
            libvirt.VIR_DOMAIN_EVENT_RESUMED: PowerState.RUNNING,
            libvirt.VIR_DOMAIN_EVENT_SUSPENDED: PowerState.PAUSED,
            libvirt.VIR_DOMAIN_EVENT_STOPPED: PowerState.SHUTDOWN,
            libvirt.VIR_DOMAIN_EVENT_CRASHED: PowerState.CRASHED,
            libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: PowerState.SUSPENDED,
            libvirt.VIR_DOMAIN_EVENT_UNDEFINED: PowerState.ABSENT,
        }.get(event)
        if event == libvirt.VIR_DOMAIN_EVENT_STOPPED and detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED:
            power = PowerState.CRASHED
        if power is not None and self._on_event is not None:
            self._on_event(domain.UUIDString(), power)

    def _reboot_event(self, _connection: Any, domain: Any, _opaque: object) -> None:
        if self._on_event is not None:
            self._on_event(domain.UUIDString(), PowerState.RUNNING)

    def _removed_event(self, connection: Any, domain: Any, _alias: str, opaque: object) -> None:
        """A device that the guest has let go: somebody waits for it."""
        self._reboot_event(connection, domain, opaque)


def _power(state: int, reason: int) -> PowerState:
    """A domain whose QEMU died is off for libvirt, with a reason; that reason must not get lost."""
    if state == libvirt.VIR_DOMAIN_SHUTOFF and reason == libvirt.VIR_DOMAIN_SHUTOFF_CRASHED:
        return PowerState.CRASHED
    return _POWER.get(state, PowerState.UNKNOWN)


def _starved(domain: Any, state: int, reason: int) -> bool:
    """Whether QEMU has paused it since a disk has no room; one whose disk failed otherwise is stalled, not starved."""
    if (state, reason) != (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR):
        return False
    return libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE in domain.diskErrors().values()


def _find(connection: Any, instance_id: str) -> Any:
    try:
        return connection.lookupByUUIDString(instance_id)
    except libvirt.libvirtError as err:
        if err.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


def _runs(connection: Any, instance_id: str) -> bool:
    """False also for a guest that has powered off while its QEMU is still there: libvirt takes no more orders for it."""
    domain = _find(connection, instance_id)
    return domain is not None and domain.isActive() and domain.state()[0] != libvirt.VIR_DOMAIN_SHUTDOWN


def _is_broken(connection: Any, error: Any) -> bool:
    if error.get_error_code() in _CONNECTION_LOST:
        return True
    try:
        return not connection.isAlive()
    except libvirt.libvirtError:
        return True


def _translated(error: Any, key: str, what: str) -> HypervisorError:
    """A message fit for tenants; what libvirt said, with its paths and names, only as detail (OSSA-2019-003)."""
    facts = {} if key == HOST_KEY else {"instance_id": key}
    detail = f"{error} (libvirt error {error.get_error_code()}, from {error.get_error_domain()})"
    return HypervisorError(f"{what} failed on this node; see the node's log for the reason", detail=detail, **facts)
