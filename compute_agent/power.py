"""Stopping and rebooting guests: asked first, cut when they don't listen; in small looks that hold no worker.

A reboot happens once per command, however often the agent is killed during it: each phase is written down before its
work, and the guest is started only in the last one, which can be repeated without a second reboot.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from common import log
from common.clock import Clock
from common.errors import NotFound, StaleCommand
from common.rpc.compute_v1 import EnsureStopped, PowerState, RebootInstance, RebootMode, WantedPower
from compute_agent.hypervisor.base import DomainState, Hypervisor
from compute_agent.instances import Instances
from compute_agent.specs import Specs
from compute_agent.task import Again, Outcome, Phase, Task

logger = logging.getLogger(__name__)
PRESS_EVERY_S = 5.0
_OFF = (PowerState.SHUTDOWN, PowerState.CRASHED, PowerState.ABSENT)


class Power:
    """`note_phase` writes a task's phase down; `superseded` says that a later command waits for the same instance."""

    def __init__(
        self,
        *,
        clock: Clock,
        hypervisor: Hypervisor,
        specs: Specs,
        instances: Instances,
        note_phase: Callable[[Task, Phase], None],
        superseded: Callable[[Task], bool],
    ) -> None:
        self._clock = clock
        self._hypervisor = hypervisor
        self._specs = specs
        self._instances = instances
        self._note_phase = note_phase
        self._superseded = superseded

    def ensure_stopped(self, task: Task, command: EnsureStopped, state: DomainState | None) -> Outcome | Again:
        known = self._specs.get(command.instance_id)
        if state is None and (known is None or known.gone):
            raise NotFound(f"server {command.instance_id} has no guest on this node")
        self._specs.obeyed(command, WantedPower.STOPPED)  # from here on a reboot of the host leaves the guest off
        if task.phase_at is None:
            task.phase_at = self._clock.now()  # not written down: a restarted agent gives the guest its time again
        if _is_off(state):
            return self._stopped(command)
        if self._waited_s(task) >= command.timeout_s:
            with task.measure("domain", self._clock):
                self._hypervisor.ensure_stopped(command.instance_id)
            return self._stopped(command)
        self._give_way(task)
        self._press(task)
        return self._stopped(command) if self._is_off_now(command.instance_id) else task.look_again()

    def reboot(self, task: Task, command: RebootInstance, state: DomainState | None) -> Outcome | Again:
        if task.phase is Phase.NEW:
            self._begin_reboot(task, command)
        if task.phase is Phase.ASKED and not _is_off(state):
            self._give_way(task)
            if self._waited_s(task) < command.timeout_s:
                self._press(task)
                if not self._is_off_now(command.instance_id):
                    return task.look_again()
            else:
                log.event(logger, "reboot.guest_does_not_listen", waited_s=command.timeout_s)
                self._note_phase(task, Phase.CUTTING)
        if task.phase is Phase.CUTTING:
            with task.measure("domain", self._clock):
                self._hypervisor.ensure_stopped(command.instance_id)
        if task.phase is not Phase.STARTING:
            self._note_phase(task, Phase.STARTING)
        return self._instances.start(task, command, self._hypervisor.state(command.instance_id))

    def _begin_reboot(self, task: Task, command: RebootInstance) -> None:
        """Without its disks a guest could be stopped but not started again: then it is left alone."""
        self._instances.require_disks(command.spec)
        self._instances.remember(command, WantedPower.RUNNING, command.spec)
        self._note_phase(task, Phase.ASKED if command.mode is RebootMode.SOFT else Phase.CUTTING)

    def _give_way(self, task: Task) -> None:
        if self._superseded(task):
            raise StaleCommand(f"a later command for server {task.command.instance_id} took the place of this one")

    def _press(self, task: Task) -> None:
        """Guests that are still booting don't hear the button, so it is pressed again and again."""
        now = self._clock.monotonic()
        if task.pressed_at is None or now - task.pressed_at >= PRESS_EVERY_S:
            task.pressed_at = now
            self._hypervisor.request_shutdown(task.command.instance_id)

    def _waited_s(self, task: Task) -> float:
        return (self._clock.now() - task.phase_at).total_seconds() if task.phase_at else 0.0

    def _is_off_now(self, instance_id: str) -> bool:
        return _is_off(self._hypervisor.state(instance_id))

    def _stopped(self, command: EnsureStopped) -> Outcome:
        return Outcome(power=self._instances.power(command.instance_id))


def _is_off(state: DomainState | None) -> bool:
    return state is None or state.power in _OFF
