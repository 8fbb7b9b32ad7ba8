"""Every place at which a process can be killed while something is done to a volume, from the sagas' step tables.

A scenario is a request about a volume or a snapshot, what it is before, and what it must be in the end. A saga of block
storage without a scenario fails `missing_sagas`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from common.saga.model import Remote, Step
from common.volume_states import VOLUME_ACTIONS
from scheduler.sagas import SAGAS
from tests.faults.kills import AGENT_PLACES, WHEN

VOLUME, SNAPSHOT, BACKUP = "volumes", "snapshots", "backups"  # as paths and as answers name them
_SAGAS_OF_OTHERS = {"snapshot_create", "snapshot_delete", "backup_delete", "volume_remove_copy"}


@dataclass(frozen=True)
class VolumeScenario:
    """ends: status, "" for gone. of: what is looked at in the end. given: what there has to be: snapshot, backup, server.

    lost: the bytes that the node needs are gone, so that the saga fails there and is undone. leaves: status of the volume
    where the scenario is of a snapshot. asks_no_node: steps that could, and have nothing to ask here, where the nodes see
    one folder. follows: the saga that is walked, which begins when the one that was asked for has ended.
    """

    name: str
    saga: str
    ends: str
    of: str = VOLUME
    given: frozenset[str] = frozenset()
    lost: bool = False
    leaves: str = "available"
    asks_no_node: frozenset[str] = frozenset()
    follows: str = ""

    @property
    def walked(self) -> str:
        return self.follows or self.saga


def _with(*given: str) -> frozenset[str]:
    return frozenset(given)


_NO_BACKUP = _with("restore_volume")
_NOT_SERVED = _with("show_size")
SCENARIOS = (
    VolumeScenario("volume_create", "volume_create", "available", asks_no_node=_NO_BACKUP),
    VolumeScenario("volume_create from image", "volume_create", "available", asks_no_node=_NO_BACKUP),
    VolumeScenario(
        "volume_create from volume", "volume_create", "available", given=_with("source"), asks_no_node=_NO_BACKUP
    ),
    VolumeScenario("volume_create lost", "volume_create", "error", given=_with("source"), lost=True),
    VolumeScenario("volume_extend", "volume_extend", "available", asks_no_node=_NOT_SERVED),
    VolumeScenario(
        "volume_extend attached", "volume_extend", "in-use", given=_with("server"), asks_no_node=_NOT_SERVED
    ),
    VolumeScenario("volume_extend lost", "volume_extend", "error_extending", lost=True, asks_no_node=_NOT_SERVED),
    VolumeScenario("volume_revert", "volume_revert", "available", given=_with("snapshot")),
    VolumeScenario(
        "volume_migrate", "volume_migrate", "available", asks_no_node=_with("export_volume", "take_over_volume")
    ),
    VolumeScenario("volume_retype", "volume_retype", "available", asks_no_node=_with("export_volume")),
    VolumeScenario("volume_retype lost", "volume_retype", "available", lost=True, asks_no_node=_with("export_volume")),
    VolumeScenario("volume_remove_copy", "volume_retype", "available", follows="volume_remove_copy"),
    VolumeScenario("volume_upload", "volume_upload", "available"),
    VolumeScenario("volume_upload lost", "volume_upload", "available", lost=True),
    VolumeScenario("volume_delete", "volume_delete", "", given=_with("snapshot")),
    VolumeScenario("snapshot_create", "snapshot_create", "available", SNAPSHOT),
    VolumeScenario(
        "snapshot_create attached", "snapshot_create", "available", SNAPSHOT, given=_with("server"), leaves="in-use"
    ),
    VolumeScenario("snapshot_create lost", "snapshot_create", "error", SNAPSHOT, lost=True),
    VolumeScenario("snapshot_delete", "snapshot_delete", "", SNAPSHOT, given=_with("snapshot")),
    VolumeScenario("backup_create", "backup_create", "available", BACKUP),
    VolumeScenario("backup_create lost", "backup_create", "error", BACKUP, lost=True),
    VolumeScenario("backup_restore", "backup_restore", "available", given=_with("backup")),
    VolumeScenario("backup_delete", "backup_delete", "", BACKUP, given=_with("backup")),
)
_VOLUME = ("volume:before", "volume:after")
_DOMAIN = ("domain:before", "domain:after")
#: places of a node's work, by scenario; none: it only removes a file
AGENT_WORK = {
    "volume_create": _VOLUME,
    "volume_create from image": ("image:before", *_VOLUME, "image:after"),
    "volume_create from volume": _VOLUME,
    "volume_extend": _VOLUME,
    "volume_extend attached": _VOLUME,
    "volume_revert": _VOLUME,
    "volume_retype": _VOLUME,
    "volume_upload": (*_VOLUME, "upload:before", "upload:after"),
    "snapshot_create": _VOLUME,
    "snapshot_create attached": _DOMAIN,
}


@dataclass(frozen=True)
class VolumeKill:
    scenario: VolumeScenario
    point: str

    @property
    def service(self) -> str:
        return self.point.partition(":")[0]

    def __str__(self) -> str:
        return f"{self.scenario.name}-{self.point}".replace(" ", "_")


def all_kills() -> list[VolumeKill]:
    """Every step × api, scheduler, agent × before and after commit, forward; of the lost ones, back."""
    return [kill for each in SCENARIOS for kill in (_backward(each) if each.lost else _forward(each))]


def _forward(scenario: VolumeScenario) -> Iterator[VolumeKill]:
    saga = SAGAS[scenario.walked]
    if not scenario.follows:
        yield from (VolumeKill(scenario, f"api:{saga.kind}:{when}") for when in WHEN)
    yield VolumeKill(scenario, f"scheduler:{saga.kind}:leased")
    if any(_asks(scenario, step) for step in saga.steps):
        yield VolumeKill(scenario, f"scheduler:{saga.kind}:report_delivered")
    for step in saga.steps:
        yield from (VolumeKill(scenario, f"scheduler:{saga.kind}.{step.name}:done:{when}") for when in WHEN)
        if not _asks(scenario, step):
            continue
        yield from (VolumeKill(scenario, f"scheduler:{saga.kind}.{step.name}:sent:{when}") for when in WHEN)
        for what in ("received", "handled", "acknowledged"):
            yield VolumeKill(scenario, f"scheduler:{step.name}:report_{what}")
        for place in (*AGENT_PLACES, *AGENT_WORK.get(scenario.name, ())):
            if not place.startswith("state:"):  # a volume has no domain to look at first
                yield VolumeKill(scenario, f"agent:{step.name}:{place}")


def _asks(scenario: VolumeScenario, step: Step) -> bool:
    return isinstance(step, Remote) and step.name not in scenario.asks_no_node


def _backward(scenario: VolumeScenario) -> Iterator[VolumeKill]:
    saga = SAGAS[scenario.saga]
    position = next(at for at, step in enumerate(saga.steps) if _asks(scenario, step))
    for step in saga.steps[: position + 1]:
        yield from (VolumeKill(scenario, f"scheduler:{saga.kind}.{step.name}:undone:{when}") for when in WHEN)
        if isinstance(step, Remote) and _asks(scenario, step):
            yield from (VolumeKill(scenario, f"scheduler:{saga.kind}.{step.name}:failed:{when}") for when in WHEN)
            if step.undo is not None:
                yield from (
                    VolumeKill(scenario, f"scheduler:{saga.kind}.{step.name}:undo_sent:{when}") for when in WHEN
                )


def missing_sagas() -> set[str]:
    """Sagas that no scenario walks; those of disks and servers are in kills.py."""
    walked = {scenario.walked for scenario in SCENARIOS}
    return ({rule.saga for rule in VOLUME_ACTIONS.values()} | _SAGAS_OF_OTHERS) - walked
