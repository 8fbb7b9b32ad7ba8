"""Every place at which a process can be killed, from the sagas' step tables, and the request that leads through it.

A scenario is a request for a server in a certain state and the state it must end in. A new saga, or a new step of one,
gets its kills here by itself; a new saga needs a line in SCENARIOS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from common.saga.model import Remote
from common.states import ACTIONS, Action
from scheduler.sagas import SAGAS

WHEN = ("before_commit", "after_commit")


class Begin(StrEnum):
    """What the server is like before the request."""

    NOTHING = "nothing"
    ACTIVE = "active"
    STOPPED = "stopped"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    SHELVED_OFFLOADED = "shelved_offloaded"


@dataclass(frozen=True)
class Scenario:
    """name: api point and title. asked: by a client, else by a reconciler. cancelled: deleted while it is being made.

    moved: the first node fails, so that the creation is undone there and goes on elsewhere.
    """

    name: str
    saga: str
    begin: Begin
    ends: str  # vm_state
    action: Action
    asked: bool = True
    cancelled: bool = False
    moved: bool = False


CREATE = Scenario("server_create", "server_create", Begin.NOTHING, "active", Action.CREATE)
MOVED = Scenario("server_create moved", "server_create", Begin.NOTHING, "active", Action.CREATE, moved=True)
CANCELLED = Scenario(
    "server_create cancelled", "server_create", Begin.NOTHING, "deleted", Action.CREATE, cancelled=True
)
SCENARIOS = (
    CREATE,
    Scenario("server_stop", "server_stop", Begin.ACTIVE, "stopped", Action.STOP),
    Scenario("server_start", "server_start", Begin.STOPPED, "active", Action.START),
    Scenario("server_reboot", "server_reboot", Begin.ACTIVE, "active", Action.REBOOT),
    Scenario("server_reboot_hard", "server_reboot", Begin.ACTIVE, "active", Action.REBOOT_HARD),
    Scenario(
        "server_restore_domain", "server_restore_domain", Begin.ACTIVE, "active", Action.RESTORE_DOMAIN, asked=False
    ),
    Scenario("server_pause", "server_pause", Begin.ACTIVE, "paused", Action.PAUSE),
    Scenario("server_unpause", "server_pause", Begin.PAUSED, "active", Action.UNPAUSE),
    Scenario("server_suspend", "server_suspend", Begin.ACTIVE, "suspended", Action.SUSPEND),
    Scenario("server_resume", "server_resume", Begin.SUSPENDED, "active", Action.RESUME),
    Scenario("server_rebuild", "server_rebuild", Begin.ACTIVE, "active", Action.REBUILD),
    Scenario("server_createImage", "server_snapshot", Begin.ACTIVE, "active", Action.CREATE_IMAGE),
    Scenario("server_shelve", "server_shelve", Begin.ACTIVE, "shelved_offloaded", Action.SHELVE),
    Scenario("server_shelve then", "server_offload", Begin.ACTIVE, "shelved_offloaded", Action.SHELVE),
    Scenario("server_unshelve", "server_unshelve", Begin.SHELVED_OFFLOADED, "active", Action.UNSHELVE),
    Scenario("server_delete", "server_delete", Begin.ACTIVE, "deleted", Action.DELETE),
)
#: places in the agent by which every command comes
AGENT_PLACES = (
    "received", "written", "submitted", "state:before", "state:after", "worked", "kept", "publishing", "published",
)  # fmt: skip
#: and those of its work, by step
AGENT_WORK = {
    "ensure_instance": ("image:after", "disks:after", "ports:before", "ports:after", "domain:before", "domain:after"),
    "ensure_running": ("ports:before", "ports:after", "domain:before", "domain:after"),
    "ensure_absent": ("domain:before", "domain:after", "ports:after", "disks:after"),
    "reboot": (
        "phase_asked:before", "phase_asked:after", "phase_starting:before", "phase_starting:after", "domain:before",
        "domain:after",
    ),
    "ensure_stopped": (),
    "rebuild_instance": (
        "image:before", "image:after", "disks:after", "ports:before", "ports:after", "domain:before", "domain:after",
    ),
    "snapshot_instance": ("domain:before", "domain:after"),
    "upload_snapshot": ("upload:before", "upload:after"),
    "ensure_paused": ("domain:before", "domain:after"),
    "ensure_saved": ("domain:before", "domain:after"),
}  # fmt: skip
#: steps in which a scenario has nothing to ask of a node, by scenario and step
SILENT = {("server_delete", "clear_old_place")}  # that server was not resized


@dataclass(frozen=True)
class Kill:
    scenario: Scenario
    point: str

    @property
    def service(self) -> str:
        return self.point.partition(":")[0]

    def __str__(self) -> str:
        return f"{self.scenario.name}-{self.point}".replace(" ", "_")


def all_kills() -> list[Kill]:
    """Every saga step × api, scheduler, agent × before and after commit."""
    return [*_forward(), *_backward()]


def _forward() -> Iterator[Kill]:
    for scenario in SCENARIOS:
        if scenario.name == "server_reboot_hard":  # the same steps; its own phases in the agent
            yield Kill(scenario, "agent:reboot:phase_cutting:before")
            yield Kill(scenario, "agent:reboot:phase_cutting:after")
            yield from (Kill(scenario, f"api:{scenario.name}:{when}") for when in WHEN)
            continue
        if scenario.asked:
            yield from (Kill(scenario, f"api:{scenario.name}:{when}") for when in WHEN)
        yield Kill(scenario, f"scheduler:{scenario.saga}:leased")
        yield Kill(scenario, f"scheduler:{scenario.saga}:report_delivered")
        for step in SAGAS[scenario.saga].steps:
            yield from (Kill(scenario, f"scheduler:{scenario.saga}.{step.name}:done:{when}") for when in WHEN)
            if isinstance(step, Remote) and (scenario.name, step.name) not in SILENT:
                yield from _remote(scenario, step)


def _remote(scenario: Scenario, step: Remote) -> Iterator[Kill]:
    yield from (Kill(scenario, f"scheduler:{scenario.saga}.{step.name}:sent:{when}") for when in WHEN)
    for what in ("received", "handled", "acknowledged"):
        yield Kill(scenario, f"scheduler:{step.name}:report_{what}")
    for place in (*AGENT_PLACES, *AGENT_WORK[step.name]):
        yield Kill(scenario, f"agent:{step.name}:{place}")


def _backward() -> Iterator[Kill]:
    """Undo: a node that fails is left for another one, and a server is deleted while it is being made."""
    for step in SAGAS["server_create"].steps[:-1]:
        yield from (Kill(MOVED, f"scheduler:server_create.{step.name}:undone:{when}") for when in WHEN)
    remote = next(step for step in SAGAS["server_create"].steps if isinstance(step, Remote))
    yield from (Kill(MOVED, f"scheduler:server_create.{remote.name}:failed:{when}") for when in WHEN)
    yield from (Kill(CANCELLED, f"scheduler:server_create.{remote.name}:undo_sent:{when}") for when in WHEN)
    yield from (Kill(CANCELLED, f"scheduler:server_create.{remote.name}:undone:{when}") for when in WHEN)
    yield Kill(CANCELLED, "scheduler:server_delete.wait_for_others:done:before_commit")


#: Sagas whose processes nobody has killed yet: they need a second flavor, a device or a volume to begin with. Each step of
#: them is failed, repeated and resumed in tests/sagas.
NOT_WALKED = {
    "server_attach_interface", "server_detach_interface", "server_attach_volume", "server_detach_volume",
    "server_resize", "server_confirm_resize", "server_revert_resize", "server_rescue",
    "server_soft_delete", "server_restore",
}  # fmt: skip


def missing_sagas() -> set[str]:
    """Sagas that no scenario walks."""
    return {rule.saga for rule in ACTIONS.values()} - {scenario.saga for scenario in SCENARIOS}
