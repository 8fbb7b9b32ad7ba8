"""What an agent does before it takes its first command: networks and filters, then old copies, then guests to restart.

After a mere restart of the agent, guests are adopted untouched. After a reboot of the host, those that should run are
started again from their last specs, but for those that other nodes could run: these wait for the control plane.
Domains that nobody knows here are reported, never touched (HYP-11).
"""

from __future__ import annotations

import logging
import threading

from common import log
from common.errors import CloudError
from common.rpc.compute_v1 import WantedPower
from compute_agent.hypervisor.base import Hypervisor
from compute_agent.identity import BootRecord
from compute_agent.instances import Instances
from compute_agent.networking.base import Networking
from compute_agent.ordering import is_old_copy
from compute_agent.specs import Specs
from compute_agent.task import Restart
from compute_agent.watchdog.stopped import StoppedGuests

logger = logging.getLogger(__name__)


class Recovery:
    def __init__(
        self, *, boot_id: str, boot: BootRecord, hypervisor: Hypervisor, networking: Networking, specs: Specs,
        instances: Instances, stopped: StoppedGuests,
    ) -> None:  # fmt: skip
        self._boot_id = boot_id
        self._boot = boot
        self._hypervisor = hypervisor
        self._networking = networking
        self._specs = specs
        self._instances = instances
        self._stopped = stopped
        self._lock = threading.Lock()
        self._left: set[str] = set()

    def prepare(self) -> list[Restart]:
        """Returns the guests to start again. Raises HypervisorError when the hypervisor can't list its domains."""
        try:
            self._networking.heal()
        except CloudError as err:  # each start plugs its own ports in, and fails if it can't
            log.event(logger, "recovery.networking_not_healed", logging.ERROR, reason=err.message, detail=err.detail)
        self._destroy_old_copies()
        last = self._boot.last()
        if last in ("", self._boot_id):
            self._boot.write(self._boot_id)
            return []
        self._leave_evacuable()
        wanted = [
            known.instance_id
            for known in self._specs.living()
            if known.wanted is WantedPower.RUNNING and not (known.spec and known.spec.evacuable)
        ]
        log.event(logger, "recovery.host_rebooted", guests=len(wanted))
        self._left = set(wanted)
        if not wanted:
            self._boot.write(self._boot_id)
        return [Restart(instance_id) for instance_id in wanted]

    def _leave_evacuable(self) -> None:
        """Another node may run these by now: the control plane, once it hears that they are off, has them started."""
        for state in self._hypervisor.list_domains():
            known = self._specs.get(state.instance_id)
            if known is None or known.gone or known.wanted is not WantedPower.RUNNING:
                continue
            if known.spec is not None and known.spec.evacuable:
                self._stopped.note(state.instance_id, state.epoch, state.generation)
                log.event(logger, "recovery.guest_left_off", instance_id=state.instance_id, epoch=state.epoch)

    def restart(self, job: Restart, *, unwanted: bool) -> None:
        """Start one guest again, unless commands that wait say otherwise. A failure shows in the next heartbeat."""
        with log.bind(instance_id=job.instance_id):
            try:
                if not unwanted:
                    self._instances.restart(job.instance_id)
                    log.event(logger, "recovery.guest_started")
            except (CloudError, OSError) as err:
                detail = err.detail if isinstance(err, CloudError) else ""
                log.event(logger, "recovery.guest_not_started", logging.ERROR, reason=str(err), detail=detail)
        with self._lock:
            self._left.discard(job.instance_id)
            if not self._left:  # only now: an agent killed in between goes on with the rest
                self._boot.write(self._boot_id)

    def _destroy_old_copies(self) -> None:
        """A domain of an epoch that is over must not run a moment longer: its successor may run elsewhere (HYP-10)."""
        for state in self._hypervisor.list_domains():
            known = self._specs.get(state.instance_id)
            if is_old_copy(state, known):
                log.event(
                    logger, "recovery.old_copy_destroyed", logging.WARNING, instance_id=state.instance_id,
                    epoch=state.epoch, known=known.epoch if known else None,
                )  # fmt: skip
                self._hypervisor.ensure_absent(state.instance_id)
