"""Driver `fake`: guests that are files. Product code, which carries kill tests, random walks and scale tests.

The folder holds one JSON file per domain, replaced by rename, so that it survives kill -9 as libvirt's guests do, and

* `faults.json` (fake_faults.py): delays, failures and deaths by verb, read again at every call;
* `poweroff/<instance id>`: whoever makes this file presses the guest's own power switch, from any process.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from pathlib import Path

import msgspec

from common.clock import Clock
from common.errors import HypervisorError
from common.ids import is_uuid
from common.rpc.compute_v1 import PowerState
from common.rpc.queries_v1 import ConsoleKind
from compute_agent.hypervisor import fake_console
from compute_agent.hypervisor.base import CopyState, Device, Domain, DomainState, EventHandler, HypervisorFacts, Nic
from compute_agent.hypervisor.fake_faults import Faults

TRIGGER_POLL_S = 0.02
_VERSION = 1_000_000
#: what copies of disks are, of guests that have none: an empty qcow2 of 1 MiB that any image service takes
EMPTY_COPY = struct.pack(
    ">4sIQIIQIIQQIIQQQQII",
    b"QFI\xfb", 3, 0, 0, 16, 2**20, 0, 1, 0x30000, 0x10000, 1, 0, 0, 0, 0, 0, 4, 104,
).ljust(0x40000, b"\0")  # fmt: skip
_ON = (PowerState.RUNNING, PowerState.PAUSED)


class _Guest(msgspec.Struct, frozen=True, kw_only=True):
    """One domain file. boots counts starts and reboots, so that tests can tell a reboot from none."""

    instance_id: str
    cloud_uuid: str
    epoch: int
    generation: int
    power: PowerState
    vcpus: int
    memory_mib: int
    disks: list[str]
    taps: list[str]
    devices: list[str] = []  # MAC addresses of cards and names of disks
    console_log: str
    boots: int = 0
    evacuable: bool = False
    saved: bool = False  # off, with its memory kept
    starved: bool = False  # paused, because a disk is full
    guest_agent: bool = False
    nmis: int = 0  # how many it got since it was defined
    password_of: str = ""  # whose password was set last


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Guest)


class FakeHypervisor:
    """Implements base.Hypervisor on a folder. One process at a time may use a folder."""

    def __init__(self, folder: Path, *, cloud_uuid: str, clock: Clock, boot_ms: int = 0, vcpus: int = 0) -> None:
        self._domains = folder / "domains"
        self._triggers = folder / "poweroff"
        for made in (folder, self._domains, self._triggers):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._cloud_uuid = cloud_uuid
        self._clock = clock
        self._boot_s = boot_ms / 1000
        self._vcpus = vcpus or os.cpu_count() or 1
        self._faults = Faults(folder, clock)
        self._lock = threading.RLock()
        self._handlers: list[EventHandler] = []
        self._closed = threading.Event()
        self._guests = self._load()

    def facts(self) -> HypervisorFacts:
        return HypervisorFacts("QEMU", _VERSION, "fake", "fake", os.uname().machine, (), self._vcpus)

    def healthy(self) -> bool:
        return True

    def list_domains(self) -> list[DomainState]:
        with self._faults.around("list_domains", ""):
            self._obey_triggers()
            with self._lock:
                return [_state(guest) for guest in self._guests.values()]

    def state(self, instance_id: str) -> DomainState | None:
        with self._faults.around("state", instance_id):
            self._obey_triggers()
            guest = self._guests.get(instance_id)
            return _state(guest) if guest else None

    def ensure_defined(self, domain: Domain) -> None:
        with self._faults.around("ensure_defined", domain.instance_id), self._lock:
            self._keep(self._described(domain))

    def ensure_running(self, domain: Domain, *, from_memory: bool = False) -> None:
        with self._faults.around("ensure_running", domain.instance_id):
            old = self._guests.get(domain.instance_id)
            guest = self._described(domain)
            if old and old.power is PowerState.RUNNING and old.epoch == domain.epoch:
                self._keep(guest)
                return
            kept = old and (old.power is PowerState.PAUSED or (old.saved and from_memory))
            if old and kept and old.epoch == domain.epoch:
                self._keep(msgspec.structs.replace(guest, power=PowerState.RUNNING))
                self._tell(domain.instance_id)
                return
            if self._boot_s:
                self._clock.sleep(self._boot_s)
            self._keep(msgspec.structs.replace(guest, power=PowerState.RUNNING, boots=guest.boots + 1))
            self._print(guest, "started", append=False)
            self._tell(domain.instance_id)

    def ensure_paused(self, instance_id: str) -> None:
        with self._faults.around("ensure_paused", instance_id):
            self._switch(instance_id, PowerState.RUNNING, PowerState.PAUSED)

    def ensure_unpaused(self, instance_id: str) -> None:
        with self._faults.around("ensure_unpaused", instance_id):
            self._switch(instance_id, PowerState.PAUSED, PowerState.RUNNING)

    def ensure_saved(self, instance_id: str) -> None:
        with self._faults.around("ensure_saved", instance_id), self._lock:
            guest = self._guests.get(instance_id)
            if guest is not None and guest.power in _ON:
                self._keep(msgspec.structs.replace(guest, power=PowerState.SHUTDOWN, saved=True))
                self._tell(instance_id)
            elif guest is None or not guest.saved:
                raise HypervisorError(
                    f"server {instance_id} is off, and its memory was not saved", instance_id=instance_id
                )

    def begin_copy(self, instance_id: str, device: str, target: Path, *, quiesce: bool) -> None:  # noqa: ARG002 - no agents in these guests
        with self._faults.around("begin_copy", instance_id):
            guest = self._guests.get(instance_id)
            if guest is None or guest.power not in _ON:
                raise HypervisorError(f"server {instance_id} has no guest that runs", instance_id=instance_id)
            if quiesce:
                raise HypervisorError(f"the guest of server {instance_id} has no agent", instance_id=instance_id)
            target.write_bytes(EMPTY_COPY)

    def copy_state(self, instance_id: str) -> CopyState:
        with self._faults.around("copy_state", instance_id):
            guest = self._guests.get(instance_id)
            return CopyState.DONE if guest and guest.power in _ON else CopyState.FAILED

    def end_copy(self, instance_id: str) -> None:
        """A copy ends as soon as it has begun."""

    def resize_disk(self, instance_id: str, device: str, size_bytes: int) -> None:
        with self._faults.around("resize_disk", instance_id):
            guest = self._guests.get(instance_id)
            if guest is None or guest.power not in _ON:
                raise HypervisorError(
                    f"server {instance_id} has no guest that runs, so {device} can't be made {size_bytes} bytes large",
                    instance_id=instance_id,
                )

    def read_disk(self, instance_id: str, device: str) -> None:
        with self._faults.around("read_disk", instance_id):
            if not self.is_plugged(instance_id, device):
                raise HypervisorError(f"server {instance_id} has no disk {device}", instance_id=instance_id)

    def ensure_plugged(self, instance_id: str, device: Device) -> None:
        with self._faults.around("ensure_plugged", instance_id), self._lock:
            guest = self._guests.get(instance_id)
            if guest is None or guest.power not in _ON:
                raise HypervisorError(f"server {instance_id} has no guest that runs", instance_id=instance_id)
            address = device.mac_address if isinstance(device, Nic) else device.device
            self._keep(msgspec.structs.replace(guest, devices=sorted({*guest.devices, address})))

    def is_plugged(self, instance_id: str, address: str) -> bool:
        with self._faults.around("is_plugged", instance_id):
            guest = self._guests.get(instance_id)
            return guest is not None and guest.power in _ON and address in guest.devices

    def resume_stalled(self, instance_id: str) -> bool:  # noqa: ARG002 - its disks never fail
        return False

    def request_unplug(self, instance_id: str, address: str) -> None:
        with self._faults.around("request_unplug", instance_id) as obeyed, self._lock:
            guest = self._guests.get(instance_id)
            if obeyed and guest is not None:
                left = [each for each in guest.devices if each != address]
                self._keep(msgspec.structs.replace(guest, devices=left))

    def request_shutdown(self, instance_id: str) -> None:
        with self._faults.around("request_shutdown", instance_id) as obeyed:
            if obeyed and self._runs(instance_id):
                self.power_off_from_inside(instance_id)

    def request_reboot(self, instance_id: str) -> None:
        with self._faults.around("request_reboot", instance_id) as obeyed, self._lock:
            guest = self._guests.get(instance_id)
            if not obeyed or guest is None or guest.power is not PowerState.RUNNING:
                return
            self._keep(msgspec.structs.replace(guest, boots=guest.boots + 1))
            self._print(guest, "rebooted", append=True)
            self._tell(instance_id)

    def ensure_stopped(self, instance_id: str) -> None:
        with self._faults.around("ensure_stopped", instance_id):
            self._become(instance_id, PowerState.SHUTDOWN)

    def ensure_absent(self, instance_id: str) -> None:
        with self._faults.around("ensure_absent", instance_id), self._lock:
            guest = self._guests.pop(instance_id, None)
            if guest is None:
                return
            self._file(instance_id).unlink(missing_ok=True)
            for handler in self._handlers:
                handler(DomainState(instance_id, guest.epoch, guest.generation, PowerState.ABSENT))

    def boot_id(self, instance_id: str) -> str:
        with self._faults.around("boot_id", instance_id):
            guest = self._guests.get(instance_id)
            if guest is None or guest.power not in _ON:
                raise HypervisorError(f"server {instance_id} has no guest that runs", instance_id=instance_id)
            return f"{guest.epoch}-{guest.boots}"

    def open_console(self, instance_id: str, kind: ConsoleKind) -> int:
        self.boot_id(instance_id)
        return fake_console.open_(kind, f"fake guest {instance_id}")

    def set_password(self, instance_id: str, user: str, password: str) -> None:
        """Notes whose it was; the password is nobody's to keep."""
        with self._faults.around("set_password", instance_id), self._lock:
            guest = self._guests.get(instance_id)
            if guest is None or not guest.guest_agent or guest.power is not PowerState.RUNNING or not password:
                raise HypervisorError(f"no agent answers in the guest of server {instance_id}", instance_id=instance_id)
            self._keep(msgspec.structs.replace(guest, password_of=user))

    def inject_nmi(self, instance_id: str) -> None:
        with self._faults.around("inject_nmi", instance_id), self._lock:
            guest = self._guests.get(instance_id)
            if guest is None or guest.power not in _ON:
                raise HypervisorError(f"the guest of server {instance_id} is off", instance_id=instance_id)
            self._keep(msgspec.structs.replace(guest, nmis=guest.nmis + 1))

    def diagnostics(self, instance_id: str) -> dict[str, str | int | float | bool | None]:
        with self._faults.around("diagnostics", instance_id):
            guest = self._guests.get(instance_id)
            if guest is None:
                raise HypervisorError(f"server {instance_id} has no guest on this node", instance_id=instance_id)
            return {
                "state": guest.power.value,
                "driver": "fake",
                "vcpus": guest.vcpus,
                "memory_mib": guest.memory_mib,
                "boots": guest.boots,
            }

    def subscribe(self, handler: EventHandler) -> None:
        with self._lock:
            self._handlers.append(handler)
            if len(self._handlers) == 1:
                threading.Thread(target=self._watch_triggers, name="fake-triggers", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def power_off_from_inside(self, instance_id: str) -> None:
        """The guest powers itself off, as after `poweroff` in it. Nothing happens when it is not running."""
        self._become(instance_id, PowerState.SHUTDOWN)

    def run_out_of_disk(self, instance_id: str) -> None:
        """As QEMU does when the guest writes what its node has no room for."""
        with self._lock:
            guest = self._guests[instance_id]
            self._keep(msgspec.structs.replace(guest, power=PowerState.PAUSED, starved=True))
            self._tell(instance_id)

    def _runs(self, instance_id: str) -> bool:
        guest = self._guests.get(instance_id)
        return guest is not None and guest.power is PowerState.RUNNING

    def boots(self, instance_id: str) -> int:
        """How often the guest has started or rebooted since it was defined."""
        guest = self._guests.get(instance_id)
        return guest.boots if guest else 0

    # What follows keeps memory and files in step.

    def _file(self, instance_id: str) -> Path:
        if not is_uuid(instance_id):
            raise HypervisorError(f"{instance_id!r} is not an instance id", instance_id=instance_id)
        return self._domains / f"{instance_id}.json"

    def _load(self) -> dict[str, _Guest]:
        for left in self._domains.glob("*.new"):
            left.unlink()
        guests = [_decoder.decode(path.read_bytes()) for path in self._domains.glob("*.json")]
        return {guest.instance_id: guest for guest in guests if guest.cloud_uuid == self._cloud_uuid}

    def _keep(self, guest: _Guest) -> None:
        path = self._file(guest.instance_id)
        new = path.with_suffix(".new")
        with self._lock:
            new.write_bytes(_encoder.encode(guest))
            new.rename(path)
            self._guests[guest.instance_id] = guest

    def _described(self, domain: Domain) -> _Guest:
        """The domain as wanted, with the power and the count of starts it has now."""
        old = self._guests.get(domain.instance_id)
        return _Guest(
            instance_id=domain.instance_id,
            cloud_uuid=domain.cloud_uuid,
            epoch=domain.epoch,
            generation=domain.generation,
            power=old.power if old else PowerState.SHUTDOWN,
            vcpus=domain.vcpus,
            memory_mib=domain.memory_mib,
            disks=[str(disk.path) for disk in domain.disks],
            taps=[nic.tap for nic in domain.nics],
            devices=sorted([*(nic.mac_address for nic in domain.nics), *(disk.device for disk in domain.disks)]),
            console_log=str(domain.console_log),
            boots=old.boots if old else 0,
            evacuable=domain.evacuable,
            guest_agent=domain.guest_agent,
        )

    def _switch(self, instance_id: str, before: PowerState, after: PowerState) -> None:
        with self._lock:
            guest = self._guests.get(instance_id)
            if guest is not None and guest.power is before:
                self._keep(msgspec.structs.replace(guest, power=after, starved=False))
                self._tell(instance_id)
            elif guest is None or guest.power is not after:
                power = guest.power if guest else PowerState.ABSENT
                raise HypervisorError(
                    f"the guest of server {instance_id} is {power.value}, not {after.value}", instance_id=instance_id
                )

    def _become(self, instance_id: str, power: PowerState) -> None:
        with self._lock:
            guest = self._guests.get(instance_id)
            if guest is None or guest.power not in _ON:
                return
            self._keep(msgspec.structs.replace(guest, power=power))
            self._print(guest, "powered off", append=True)
            self._tell(instance_id)

    def _tell(self, instance_id: str) -> None:
        with self._lock:
            guest = self._guests.get(instance_id)
            if guest is None:
                return
            for handler in self._handlers:
                handler(_state(guest))

    def _print(self, guest: _Guest, what: str, *, append: bool) -> None:
        """A line on the guest's serial console, where the instance has a folder for it."""
        with contextlib.suppress(FileNotFoundError), Path(guest.console_log).open("a" if append else "w") as log:
            log.write(f"fake guest {guest.instance_id} {what} at epoch {guest.epoch}\n")

    def _obey_triggers(self) -> None:
        for name in os.listdir(self._triggers):
            self.power_off_from_inside(name)
            (self._triggers / name).unlink(missing_ok=True)

    def _watch_triggers(self) -> None:
        while not self._closed.wait(TRIGGER_POLL_S):
            self._obey_triggers()


def _state(guest: _Guest) -> DomainState:
    return DomainState(guest.instance_id, guest.epoch, guest.generation, guest.power, guest.evacuable, guest.starved)
