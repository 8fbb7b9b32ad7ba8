"""Snapshots of root disks: a copy that stands alone, kept in the instance's folder until the image service has it.

Of a guest that runs or is paused the hypervisor makes the copy, of one moment, while the guest goes on; of one that is
off qemu-img makes it. A copy gets its final name when it is whole, so that a killed agent begins anew with half a one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from common import log
from common.clock import Clock
from common.errors import HypervisorError, NotFound, StaleCommand, StorageError
from common.rpc.compute_v1 import DiscardSnapshot, InstanceSpec, PowerState, SnapshotInstance, UploadSnapshot
from compute_agent.hypervisor.base import CopyState, DomainState, Hypervisor
from compute_agent.instances import Instances, Interrupted
from compute_agent.specs import Specs
from compute_agent.storage.base import Storage
from compute_agent.task import Again, Outcome, Task

logger = logging.getLogger(__name__)
_ON = (PowerState.RUNNING, PowerState.PAUSED)


class Snapshots:
    """`superseded` says that a later command waits for the same instance, `stopping` that the agent ends."""

    def __init__(
        self, *, clock: Clock, hypervisor: Hypervisor, storage: Storage, specs: Specs, instances: Instances,
        superseded: Callable[[Task], bool], stopping: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._clock = clock
        self._hypervisor = hypervisor
        self._storage = storage
        self._specs = specs
        self._instances = instances
        self._superseded = superseded
        self._stopping = stopping

    def take(self, task: Task, command: SnapshotInstance, state: DomainState | None) -> Outcome | Again:
        """In looks that hold no worker while the hypervisor copies. Raises NotFound, HypervisorError, StorageError."""
        whole = self._storage.snapshot(command.instance_id, command.image_id)
        spec = self._spec(command.instance_id)
        if state is None or spec is None:
            raise NotFound(f"server {command.instance_id} has no guest on this node")
        self._specs.obeyed(command)
        if whole.exists():
            return self._outcome(command.instance_id)
        part = whole.with_suffix(".part")
        try:
            self._checkpoint(task)
            if state.power not in _ON:
                with task.measure("disks", self._clock):
                    self._storage.copy_root(spec, part)
            elif (again := self._copied_live(task, command, spec, part)) is not None:
                return again
        except StaleCommand:
            self._hypervisor.end_copy(command.instance_id)
            part.unlink(missing_ok=True)
            raise
        part.rename(whole)
        return self._outcome(command.instance_id)

    def upload(self, task: Task, command: UploadSnapshot) -> Outcome:
        """Raises StorageError. A copy that is gone was sent already: it is removed only after that."""
        path = self._storage.snapshot(command.instance_id, command.image_id)
        self._specs.obeyed(command)
        if path.exists():
            with task.measure("upload", self._clock):
                self._storage.upload(command.url, path, lambda: self._checkpoint(task))
            path.unlink()
        elif not task.resumed:
            raise StorageError(f"the copy for image {command.image_id} is not on this node")
        return self._outcome(command.instance_id)

    def discard(self, command: DiscardSnapshot) -> Outcome:
        self._hypervisor.end_copy(command.instance_id)
        whole = self._storage.snapshot(command.instance_id, command.image_id)
        for path in (whole, whole.with_suffix(".part")):
            path.unlink(missing_ok=True)
        if self._specs.lives(command.instance_id):
            self._specs.obeyed(command)
        return self._outcome(command.instance_id)

    def _copied_live(self, task: Task, command: SnapshotInstance, spec: InstanceSpec, part: Path) -> Again | None:
        """None: the copy is whole."""
        instance_id = command.instance_id
        if task.phase_at is None:  # not written down: a restarted agent begins anew
            task.phase_at = self._clock.now()
            with task.measure("domain", self._clock):
                self._hypervisor.begin_copy(instance_id, self._root_device(spec), part, quiesce=command.quiesce)
        match self._hypervisor.copy_state(instance_id):
            case CopyState.RUNNING:
                return task.look_again()
            case CopyState.DONE:
                return None
        if self._instances.power(instance_id) in _ON:
            raise HypervisorError(f"the disk of server {instance_id} could not be copied", instance_id=instance_id)
        log.event(logger, "snapshot.guest_went_off")  # in the middle of it: now its disk stands still
        task.phase_at = None
        return Again(0.0)

    def _root_device(self, spec: InstanceSpec) -> str:
        disks = self._storage.disks(spec)
        return disks[0].device if disks else "vda"

    def _spec(self, instance_id: str) -> InstanceSpec | None:
        known = self._specs.get(instance_id)
        return None if known is None or known.gone else known.spec

    def _checkpoint(self, task: Task) -> None:
        if self._stopping():
            raise Interrupted
        if self._superseded(task):
            raise StaleCommand(f"a later command for server {task.command.instance_id} took the place of this one")

    def _outcome(self, instance_id: str) -> Outcome:
        return Outcome(power=self._instances.power(instance_id))
