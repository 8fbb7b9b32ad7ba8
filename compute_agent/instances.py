"""The verbs that make, start and remove an instance: image, disks, ports, domain, in this order and back.

Each is idempotent, so a restarted agent simply begins again. Only a creation that found nothing of the instance here
takes everything back when it fails; nothing else ever removes a disk but EnsureAbsent.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common import log
from common.clock import Clock
from common.errors import CloudError, CommandExpired, NetworkingError, StaleCommand
from common.rpc.compute_v1 import (
    EnsureAbsent,
    EnsureInstance,
    EnsureRunning,
    GroupMembers,
    InstanceSpec,
    NetworkSpec,
    PortSpec,
    PowerState,
    RebootInstance,
    RebuildInstance,
    ResizeInstance,
    WantedPower,
)
from common.rpc.disks_v1 import DiscardKeptDisks, RestoreKeptDisks
from common.vault import Seal
from compute_agent import guest_domain
from compute_agent.hypervisor.base import Disk, Domain, DomainState, Hypervisor, Nic
from compute_agent.networking.base import Networking
from compute_agent.specs import Known, Specs
from compute_agent.storage.base import Storage
from compute_agent.task import Outcome, Task
from compute_agent.undo import Undo
from compute_agent.volumes.base import VolumeStores

logger = logging.getLogger(__name__)
SpecCommand = EnsureInstance | EnsureRunning | RebootInstance | RebuildInstance | ResizeInstance


class Interrupted(Exception):
    """The agent is stopping: the command stays in the inbox and is resumed at the next start."""


class CreationUndone(CloudError):
    """A creation failed and nothing of it is left; `reason` is why."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True)
class Parts:
    """What the verbs work with. superseded: True when a task's instance is to be removed or moved on by a later one.

    shared_cpus: the node's for guests without their own; none: all it has. seal: what is sealed for this node.
    """

    cloud_uuid: str
    clock: Clock
    hypervisor: Hypervisor
    networking: Networking
    storage: Storage
    volumes: VolumeStores
    specs: Specs
    shared_cpus: frozenset[int]
    seal: Seal
    stopping: threading.Event
    superseded: Callable[[Task], bool]


class Instances:
    """Calls for one instance are serial (lanes.py)."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def ensure_instance(self, task: Task, command: EnsureInstance, state: DomainState | None) -> Outcome:
        """Raises CreationUndone when a fresh creation failed and was taken back, else what went wrong."""
        known = self._parts.specs.get(command.instance_id)
        begun = known is not None and not known.gone and known.created_by == command.id
        fresh = begun or ((known is None or known.gone) and state is None and not self._here(command.instance_id))
        created_by = command.id if fresh else (known.created_by if known else "")
        self.remember(command, command.power, command.spec, created_by)
        if not fresh:
            return self._make(task, command, Undo())
        undo = self._undo_of(command.instance_id) if begun else Undo()
        try:
            return self._make(task, command, undo)
        except Interrupted:
            raise
        except Exception as err:
            failed = undo.run()
            log.event(
                logger, "instance.creation_undone", logging.WARNING, reason=str(err), left=",".join(failed)
            )  # fmt: skip
            if failed:
                raise
            self._disconnect(command.spec)
            self._parts.specs.bury(command.instance_id, task.pair, command.id)
            raise CreationUndone(err) from err

    def _disconnect(self, spec: InstanceSpec) -> None:
        """From what others serve to it; connections that a killed agent leaves are ended by its upkeep."""
        for volume in spec.volumes:
            if volume.export is not None:
                self._parts.volumes.folder.served.disconnect(volume.export.id)

    def rebuild(self, task: Task, command: RebuildInstance) -> Outcome:
        """The old guest and its disks go only when the new image is here; what was removed is never removed twice."""
        parts, instance_id = self._parts, command.instance_id
        self._checkpoint(task)
        if parts.storage.discarded_by(instance_id) != command.id:
            with task.measure("image", parts.clock):
                parts.storage.fetch(command.spec)
            self._checkpoint(task)
            self.remember(command, command.power, command.spec)
            with task.measure("domain", parts.clock):
                parts.hypervisor.ensure_absent(instance_id)
            parts.storage.discard(instance_id, command.id, keep_ephemeral=command.keep_ephemeral)
        return self._make(task, command, Undo())

    def resize(self, task: Task, command: ResizeInstance) -> Outcome:
        """Copies of the disks are kept before anything becomes of them; done again, it goes on where it was."""
        parts, instance_id = self._parts, command.instance_id
        self._checkpoint(task)
        self.remember(command, command.power, command.spec)
        with task.measure("domain", parts.clock):
            parts.hypervisor.ensure_stopped(instance_id)  # not undefined: libvirt would take its UEFI variables away
        with task.measure("kept_disks", parts.clock):
            parts.storage.keep(instance_id)
        return self._make(task, command, Undo())

    def restore_kept(self, task: Task, command: RestoreKeptDisks) -> Outcome:
        """The guest is defined again by the command that follows, with the spec of before."""
        parts, instance_id = self._parts, command.instance_id
        parts.specs.obeyed(command, WantedPower.STOPPED)
        with task.measure("domain", parts.clock):
            parts.hypervisor.ensure_absent(instance_id)
        with task.measure("kept_disks", parts.clock):
            parts.storage.restore_kept(instance_id)
        return Outcome(power=PowerState.ABSENT)

    def discard_kept(self, task: Task, command: DiscardKeptDisks) -> Outcome:
        self._parts.specs.obeyed(command)
        with task.measure("kept_disks", self._parts.clock):
            self._parts.storage.discard_kept(command.instance_id)
        return Outcome(power=self.power(command.instance_id))

    def ensure_running(self, task: Task, command: EnsureRunning, state: DomainState | None) -> Outcome:
        self.require_disks(command.spec)
        self._checkpoint(task)
        self.remember(command, WantedPower.RUNNING, command.spec)
        return self.start(task, command, state)

    def require_disks(self, spec: InstanceSpec) -> None:
        """Raises StorageError when a disk is missing. To be asked before anything is remembered: no disks, no start."""
        self._disks(spec)

    def start(self, task: Task, command: EnsureRunning | RebootInstance, state: DomainState | None) -> Outcome:
        """Define afresh from the command's spec, and run; an older epoch's domain goes first."""
        parts = self._parts
        disks = self._disks(command.spec)
        self._drop_older(command, state)
        with task.measure("ports", parts.clock):
            nics = parts.networking.ensure_ports(*_plugging(command.spec))
        with task.measure("domain", parts.clock):
            domain = self._domain(command.spec, task.pair, disks, nics)
            from_memory = isinstance(command, EnsureRunning) and command.from_memory
            parts.hypervisor.ensure_running(domain, from_memory=from_memory)
        return Outcome(power=self.power(command.instance_id))

    def ensure_absent(self, task: Task, command: EnsureAbsent, state: DomainState | None) -> Outcome:
        """The tombstone first: from then on nothing up to this pair is obeyed, whatever becomes of the rest."""
        parts, instance_id = self._parts, command.instance_id
        known = parts.specs.get(instance_id)
        parts.specs.bury(instance_id, task.pair, command.id)
        if state is not None:
            with task.measure("domain", parts.clock):
                parts.hypervisor.ensure_absent(instance_id)
        if known is not None and known.spec is not None:
            self._disconnect(known.spec)
        with task.measure("ports", parts.clock):
            parts.networking.remove_ports(instance_id)
        with task.measure("disks", parts.clock):
            if command.keep_disks:
                parts.storage.set_aside(instance_id)
            elif not command.leave_disks:
                parts.storage.remove(instance_id)
        return Outcome(power=PowerState.ABSENT, absent=True)

    def leave_later_epoch(self, command: EnsureAbsent, state: DomainState | None) -> Outcome:
        """The instance is here in a later epoch: only a domain of the epoch that is to go is removed."""
        if state is not None and state.epoch <= command.epoch:
            self._parts.hypervisor.ensure_absent(command.instance_id)
        return Outcome(power=self.power(command.instance_id), absent=True)

    def restart(self, instance_id: str) -> None:
        """Start a guest again after its host rebooted, from its last spec, if it is still wanted running."""
        parts = self._parts
        known = parts.specs.get(instance_id)
        if known is None or known.spec is None or known.wanted is not WantedPower.RUNNING:
            return
        disks = self._disks(known.spec)
        nics = self._ports_as_last_known(known.spec)
        parts.hypervisor.ensure_running(self._domain(known.spec, known.pair, disks, nics))

    def remember(
        self, command: SpecCommand, wanted: WantedPower, spec: InstanceSpec, created_by: str | None = None
    ) -> None:
        """Note the command as the last obeyed. created_by None: as it was."""
        known = self._parts.specs.get(command.instance_id)
        if created_by is None:
            created_by = known.created_by if known else ""
        new = Known(
            instance_id=command.instance_id, epoch=command.epoch, generation=command.generation,
            command_id=command.id, wanted=wanted, spec=spec, created_by=created_by,
        )  # fmt: skip
        if new != known:
            self._parts.specs.put(new)

    def power(self, instance_id: str) -> PowerState:
        state = self._parts.hypervisor.state(instance_id)
        return state.power if state else PowerState.ABSENT

    def absent(self, instance_id: str, epoch: int) -> bool:
        """True when nothing of the instance up to this epoch is here, for certain."""
        known = self._parts.specs.get(instance_id)
        try:
            state = self._parts.hypervisor.state(instance_id)
            here = self._here(instance_id)
        except CloudError:
            return False
        if state is not None and state.epoch <= epoch:
            return False
        if known is not None and not known.gone:
            return known.epoch > epoch
        return not here or state is not None

    def _make(self, task: Task, command: EnsureInstance | RebuildInstance | ResizeInstance, undo: Undo) -> Outcome:
        parts, spec, instance_id = self._parts, command.spec, command.instance_id
        self._checkpoint(task)
        undo.push("disks", lambda: parts.storage.remove(instance_id))
        sealed = "" if isinstance(command, ResizeInstance) else command.sealed_password
        password = parts.seal.open(sealed).reveal() if sealed else ""
        own = parts.storage.ensure(spec, lambda name: task.measure(name, parts.clock), admin_password=password)
        disks = (*own, *self.volume_disks(spec))
        self._checkpoint(task)
        undo.push("ports", lambda: parts.networking.remove_ports(instance_id))
        with task.measure("ports", parts.clock):
            nics = parts.networking.ensure_ports(*_plugging(spec))
        self._checkpoint(task)
        undo.push("domain", lambda: parts.hypervisor.ensure_absent(instance_id))
        with task.measure("domain", parts.clock):
            self._drop_older(command, parts.hypervisor.state(instance_id))
            domain = self._domain(spec, task.pair, disks, nics)
            if command.power is WantedPower.RUNNING:
                parts.hypervisor.ensure_running(domain)
            else:
                parts.hypervisor.ensure_defined(domain)
                parts.hypervisor.ensure_stopped(instance_id)
            return Outcome(power=self.power(instance_id))

    def _undo_of(self, instance_id: str) -> Undo:
        """Everything an earlier, killed run of the same creation may have made."""
        parts, undo = self._parts, Undo()
        undo.push("disks", lambda: parts.storage.remove(instance_id))
        undo.push("ports", lambda: parts.networking.remove_ports(instance_id))
        undo.push("domain", lambda: parts.hypervisor.ensure_absent(instance_id))
        return undo

    def _checkpoint(self, task: Task) -> None:
        """Between two steps: is this still wanted?"""
        if self._parts.stopping.is_set():
            raise Interrupted
        if self._parts.superseded(task):
            raise StaleCommand(f"server {task.command.instance_id} is being removed")
        if self._parts.clock.now() > task.command.deadline:
            raise CommandExpired(f"the node could not finish in time for server {task.command.instance_id}")

    def _drop_older(self, command: SpecCommand, state: DomainState | None) -> None:
        if state is not None and state.epoch < command.epoch:
            self._parts.hypervisor.ensure_absent(command.instance_id)

    def _domain(self, spec: InstanceSpec, pair: tuple[int, int], disks: Sequence[Disk], nics: Sequence[Nic]) -> Domain:
        return guest_domain.build(
            spec, pair, disks=disks, nics=nics, cloud_uuid=self._parts.cloud_uuid,
            console_log=self._parts.storage.console_log(spec.id), shared_cpus=self._parts.shared_cpus,
        )  # fmt: skip

    def _disks(self, spec: InstanceSpec) -> tuple[Disk, ...]:
        """Its own and its volumes. Raises StorageError when one is missing."""
        return (*self._parts.storage.disks(spec), *self.volume_disks(spec))

    def volume_disks(self, spec: InstanceSpec) -> tuple[Disk, ...]:
        """Raises StorageError when one is not on this node."""
        rescued = spec.rescue is not None
        return tuple(
            guest_domain.volume_disk(each, self._parts.volumes, boot=each.boots and not rescued)
            for each in spec.volumes
        )

    def _here(self, instance_id: str) -> bool:
        return self._parts.storage.exists(instance_id)

    def _ports_as_last_known(self, spec: InstanceSpec) -> list[Nic]:
        """Plug in the ports as the node's networking knows them: its rules may be newer than the spec's."""
        networking = self._parts.networking
        ports = [self._newest(port) for port in spec.ports]
        try:
            return networking.ensure_ports([], ports, [])
        except NetworkingError:
            return networking.ensure_ports(spec.networks, ports, spec.groups)

    def _newest(self, port: PortSpec) -> PortSpec:
        for address in port.addresses:
            found = self._parts.networking.port_at(port.network_id, address.ip_address)
            if found is not None and found.id == port.id:
                return found
        return port


def _plugging(spec: InstanceSpec) -> tuple[list[NetworkSpec], list[PortSpec], list[GroupMembers], int]:
    return spec.networks, spec.ports, spec.groups, spec.network_version
