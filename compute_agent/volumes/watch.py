"""What is looked at every second where volumes are served: daemons that died, and guests that waited for one too long."""

from __future__ import annotations

import logging
import threading

from common import log
from common.clock import Clock
from common.deadlines import STALLED_LOOK_S, STORAGE_DAEMON_LOOK_S
from common.errors import CloudError
from compute_agent.hypervisor.base import Hypervisor
from compute_agent.specs import Specs
from compute_agent.volumes.served import ServedVolumes

logger = logging.getLogger(__name__)


class VolumeWatch:
    def __init__(self, *, clock: Clock, hypervisor: Hypervisor, specs: Specs, served: ServedVolumes) -> None:
        self._clock, self._hypervisor, self._specs, self._served = clock, hypervisor, specs, served
        self._looked_at: float | None = None

    def look(self) -> None:
        """One round."""
        try:
            self._served.heal()
            self._let_go_on()
        except (CloudError, OSError) as err:
            detail = err.detail if isinstance(err, CloudError) else ""
            log.event(logger, "volume_watch.failed", logging.ERROR, reason=str(err), detail=detail)

    def forget(self) -> None:
        """End connections that no instance here has any more."""
        self._served.disconnect_others(set(self._exports().values()))

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(STORAGE_DAEMON_LOOK_S):
            self.look()

    def _let_go_on(self) -> None:
        """A guest whose volume is away for longer than its connection waits pauses; it asks again when it goes on."""
        now = self._clock.monotonic()
        if self._looked_at is not None and now - self._looked_at < STALLED_LOOK_S:
            return
        self._looked_at = now
        for instance_id in {instance_id for instance_id, _ in self._exports()}:
            if self._hypervisor.resume_stalled(instance_id):
                log.event(logger, "volume_watch.guest_resumed", logging.WARNING, instance_id=instance_id)

    def _exports(self) -> dict[tuple[str, str], str]:
        """The export's id, by instance and volume."""
        return {
            (known.instance_id, volume.id): volume.export.id
            for known in self._specs.living()
            for volume in (known.spec.volumes if known.spec else ())
            if volume.export is not None
        }
