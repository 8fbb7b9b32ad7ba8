"""Guests whose disk had no room for what they wrote: QEMU has paused them, and lets them write it again when they go on.

They go on when there is room again, unless somebody wants them paused. Until then the heartbeat says why they stand.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from common import log
from common.config import Config
from common.rpc.compute_v1 import WantedPower
from compute_agent.hypervisor.base import Hypervisor
from compute_agent.specs import Specs

logger = logging.getLogger(__name__)
ROOM_BYTES = 256 * 2**20  # less, and a guest that goes on would stand again at once


@dataclass(frozen=True)
class Room:
    """What is free where disks are: the servers' own, and the volumes."""

    instances: Path
    volumes: Path

    @classmethod
    def of(cls, config: Config) -> Self:
        state_dir = Path(config.agent.state_dir)
        return cls(state_dir, Path(config.storage.volumes_dir or state_dir / "volumes"))

    def free_bytes(self, *, with_volumes: bool) -> int:
        """Where less is left of the two. Raises OSError."""
        places = (self.instances, self.volumes) if with_volumes else (self.instances,)
        return min(shutil.disk_usage(place).free for place in places)


class StarvedGuests:
    """busy: whether a command is being worked on for an instance."""

    def __init__(self, hypervisor: Hypervisor, specs: Specs, busy: Callable[[str], bool], room: Room) -> None:
        self._hypervisor, self._specs, self._busy, self._room = hypervisor, specs, busy, room
        self._told: set[str] = set()

    def look(self) -> int:
        """Let those go on that can; how many. Raises HypervisorError, OSError."""
        starved = {state.instance_id for state in self._hypervisor.list_domains() if state.starved}
        for instance_id in sorted(starved - self._told):
            log.event(logger, "guest.starved", logging.ERROR, instance_id=instance_id)
        self._told = starved
        fed = [instance_id for instance_id in sorted(starved) if self._may_go_on(instance_id)]
        for instance_id in fed:
            self._hypervisor.ensure_unpaused(instance_id)
            log.event(logger, "guest.goes_on", logging.WARNING, instance_id=instance_id)
        return len(fed)

    def _may_go_on(self, instance_id: str) -> bool:
        known = self._specs.get(instance_id)
        if known is None or known.wanted is not WantedPower.RUNNING or self._busy(instance_id):
            return False
        with_volumes = bool(known.spec and known.spec.volumes)
        return self._room.free_bytes(with_volumes=with_volumes) >= ROOM_BYTES
