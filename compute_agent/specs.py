"""What the agent last obeyed, per instance: (epoch, generation), the spec and the wanted power; on disk, mode 0600.

An instance that was removed leaves a tombstone with its last pair, so that commands from before the removal are refused
when they come late. Tombstones are purged after seven days, long past every command's deadline.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from common.clock import Clock
from common.rpc.compute_v1 import Command, DeviceCommand, InstanceSpec, WantedPower
from compute_agent import durable

TOMBSTONE_KEEP_S = 7 * 24 * 3600.0


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """command_id: the last command obeyed. created_by: the command that brought the instance to this node.

    created_by tells which failure may remove the instance again: only that of the command that made it, and only when
    nothing of it was here before. spec is None for a tombstone, and for a guest stopped on a node that lost its specs.

    floor: the generation of the last command obeyed that was not about a device; devices: of the last about each device
    since then. None counts as `generation`.
    """

    instance_id: str
    epoch: int
    generation: int
    command_id: str
    wanted: WantedPower | None = None
    spec: InstanceSpec | None = None
    created_by: str = ""
    gone_at: datetime | None = None
    floor: int | None = None
    devices: dict[str, int] = {}

    @property
    def pair(self) -> tuple[int, int]:
        return (self.epoch, self.generation)

    @property
    def gone(self) -> bool:
        return self.gone_at is not None


class Specs:
    """All instances this node knows. Reads come from memory; `put` returns when the disk has it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = durable.make_folder(folder)
        self._clock = clock
        self._lock = threading.Lock()
        self._known = {known.instance_id: known for known in durable.read_all(self._folder, Known)}

    def get(self, instance_id: str) -> Known | None:
        with self._lock:
            return self._known.get(instance_id)

    def lives(self, instance_id: str) -> bool:
        known = self.get(instance_id)
        return known is not None and not known.gone

    def spec(self, instance_id: str) -> InstanceSpec | None:
        """The spec of an instance that lives here; for the metadata service."""
        known = self.get(instance_id)
        return known.spec if known else None

    def put(self, known: Known) -> None:
        """Raises OSError; then what was known before still is."""
        durable.write(self._path(known.instance_id), msgspec.json.encode(known))
        with self._lock:
            self._known[known.instance_id] = known

    def obeyed(self, command: Command, wanted: WantedPower | None = None) -> None:
        """Note that a command was obeyed that brought no new spec. wanted None: as it was. Raises OSError."""
        last = self.get(command.instance_id)
        spec, created_by = (last.spec, last.created_by) if last else (None, "")
        new = Known(
            instance_id=command.instance_id, epoch=command.epoch, generation=command.generation, command_id=command.id,
            wanted=wanted or (last.wanted if last else None), spec=spec, created_by=created_by,
        )  # fmt: skip
        if new != last:
            self.put(new)

    def device_obeyed(self, known: Known, command: DeviceCommand, spec: InstanceSpec) -> None:
        """Note that a command about a device was obeyed, and the spec with the device or without it. Raises OSError."""
        new = msgspec.structs.replace(
            known,
            generation=max(known.generation, command.generation),
            command_id=command.id,
            spec=spec,
            floor=known.generation if known.floor is None else known.floor,
            devices=known.devices | {command.device_id: command.generation},
        )
        if new != known:
            self.put(new)

    def bury(self, instance_id: str, pair: tuple[int, int], command_id: str) -> None:
        """Leave a tombstone: nothing up to this pair will be obeyed any more, but its own removal."""
        last = self.get(instance_id)
        epoch, generation = max(pair, last.pair) if last else pair
        self.put(
            Known(
                instance_id=instance_id, epoch=epoch, generation=generation, command_id=command_id,
                gone_at=self._clock.now(),
            )
        )  # fmt: skip

    def living(self) -> list[Known]:
        with self._lock:
            return [known for known in self._known.values() if not known.gone]

    def purge(self) -> int:
        """Remove tombstones that are older than any command can be; how many."""
        before = self._clock.now() - timedelta(seconds=TOMBSTONE_KEEP_S)
        with self._lock:
            old = [known for known in self._known.values() if known.gone_at is not None and known.gone_at < before]
            for known in old:
                self._path(known.instance_id).unlink(missing_ok=True)
                del self._known[known.instance_id]
        return len(old)

    def _path(self, instance_id: str) -> Path:
        return self._folder / f"{instance_id}{durable.SUFFIX}"
