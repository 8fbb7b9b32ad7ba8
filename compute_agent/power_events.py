"""Tells the control plane at once of what guests do by themselves, such as powering off.

Not stored and not repeated: the next heartbeat's digest makes up for a lost one. What a command causes is left to that
command's report, which comes the sooner for it.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from common import log
from common.clock import Clock
from common.errors import CloudError
from common.rpc.compute_v1 import PowerEvent, PowerState
from compute_agent.hypervisor.base import DomainState, Hypervisor
from compute_agent.lanes import Lanes
from compute_agent.specs import Specs
from compute_agent.task import Job
from compute_agent.watchdog.stopped import StoppedGuests

logger = logging.getLogger(__name__)


class PowerEvents:
    def __init__(
        self, *, node: str, clock: Clock, hypervisor: Hypervisor, specs: Specs, lanes: Lanes[Job],
        post: Callable[[PowerEvent], None], stopped: StoppedGuests,
    ) -> None:  # fmt: skip
        self._node = node
        self._clock = clock
        self._hypervisor = hypervisor
        self._specs = specs
        self._lanes = lanes
        self._post = post
        self._stopped = stopped
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def on_event(self, state: DomainState) -> None:
        """For Hypervisor.subscribe: called in the driver's thread, so it only takes note."""
        if self._lanes.busy(state.instance_id):
            self._lanes.look_now(state.instance_id)  # it may be what a command waits for
        else:
            self._queue.put(state.instance_id)

    def drain(self) -> None:
        """Tell of everything noted so far, in the calling thread."""
        while not self._queue.empty():
            self._tell(self._queue.get())

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._tell(self._queue.get())

    def wake(self) -> None:
        self._queue.put(None)

    def _tell(self, instance_id: str | None) -> None:
        """With the state as it is now: what was true at the event may be long over."""
        known = self._specs.get(instance_id) if instance_id else None
        if instance_id is None or known is None or known.gone:
            return
        try:
            with self._lanes.watch() as touched:
                state = self._hypervisor.state(instance_id)
        except CloudError as err:
            log.event(logger, "power_event.unchecked", logging.WARNING, instance_id=instance_id, reason=err.message)
            return
        if instance_id in touched or (state is not None and state.epoch != known.epoch):
            return
        power = state.power if state else PowerState.ABSENT
        if state is not None and self._stopped.holds(instance_id, state.epoch, state.generation):
            return  # the node's own doing: the heartbeat says so, and the guest is brought back
        log.event(logger, "power_event.seen", instance_id=instance_id, power=power.value)
        self._post(
            PowerEvent(
                node=self._node, instance_id=instance_id, epoch=known.epoch, generation=known.generation, power=power,
                at=self._clock.now(),
            )
        )  # fmt: skip
