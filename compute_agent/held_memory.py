"""Pausing guests and saving their memory: the guest stops, and what it held in memory is kept for when it goes on.

A guest that is paused or saved is not wanted running: after a reboot of its host it stays off. What was saved is still
there then; what a paused guest held is lost, which its power state says.
"""

from __future__ import annotations

from common.clock import Clock
from common.errors import NotFound
from common.rpc.compute_v1 import EnsurePaused, EnsureSaved, WantedPower
from compute_agent.hypervisor.base import DomainState, Hypervisor
from compute_agent.instances import Instances
from compute_agent.specs import Specs
from compute_agent.task import Outcome, Task


class HeldMemory:
    def __init__(self, *, clock: Clock, hypervisor: Hypervisor, specs: Specs, instances: Instances) -> None:
        self._clock = clock
        self._hypervisor = hypervisor
        self._specs = specs
        self._instances = instances

    def ensure_paused(self, task: Task, command: EnsurePaused, state: DomainState | None) -> Outcome:
        """Raises NotFound when there is no guest, HypervisorError when it is off."""
        self._require(command.instance_id, state)
        with task.measure("domain", self._clock):
            if command.paused:
                self._hypervisor.ensure_paused(command.instance_id)
            else:
                self._hypervisor.ensure_unpaused(command.instance_id)
        wanted = WantedPower.STOPPED if command.paused else WantedPower.RUNNING
        self._specs.obeyed(command, wanted)
        return Outcome(power=self._instances.power(command.instance_id))

    def ensure_saved(self, task: Task, command: EnsureSaved, state: DomainState | None) -> Outcome:
        """Raises NotFound when there is no guest, HypervisorError when it is off and nothing was saved."""
        self._require(command.instance_id, state)
        with task.measure("domain", self._clock):
            self._hypervisor.ensure_saved(command.instance_id)
        self._specs.obeyed(command, WantedPower.STOPPED)
        return Outcome(power=self._instances.power(command.instance_id))

    def _require(self, instance_id: str, state: DomainState | None) -> None:
        if state is None:
            raise NotFound(f"server {instance_id} has no guest on this node")
