"""Every place at which a process can be killed, from the sagas' step tables, and the request that leads through it.

A scenario is a request for a server in a certain state and the state it must end in. A new saga, or a new step of one,
gets its kills here by itself; a new saga needs a line in SCENARIOS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
    RESIZED = "resized"
    RESCUED = "rescued"
    SOFT_DELETED = "soft-delete"


class Pool(StrEnum):
    """The name of the servers that scenarios share: what was done to one before must not be in another's way."""

    WALKED = "walked"
    RESIZED = "walked, resized"  # on their node
    MIGRATED = "walked, migrated"
    FURNISHED = "walked, furnished"  # with devices, which stay on their node


_FAILED = " failed"


@dataclass(frozen=True)
class Scenario:
    """name: api point and title. asked: by a client, else by a reconciler. cancelled: deleted while it is being made.

    moved: the first node fails, so that the creation is undone there and goes on elsewhere. at: the api's point, if it
    is not the name. fails: the fake driver's verb that fails once, in the step `fails_in`, so that the saga is undone.
    """

    name: str
    saga: str
    begin: Begin
    ends: str  # vm_state
    action: Action
    asked: bool = True
    cancelled: bool = False
    moved: bool = False
    pool: Pool = Pool.WALKED
    at: str = ""
    fails: str = ""
    fails_in: str = ""

    @property
    def asks(self) -> str:
        """The name of the scenario with the same request that succeeds."""
        return self.name.removesuffix(_FAILED)

    @property
    def api_point(self) -> str:
        return self.at or self.name


CREATE = Scenario("server_create", "server_create", Begin.NOTHING, "active", Action.CREATE)
MOVED = Scenario("server_create moved", "server_create", Begin.NOTHING, "active", Action.CREATE, moved=True)
CANCELLED = Scenario(
    "server_create cancelled", "server_create", Begin.NOTHING, "deleted", Action.CREATE, cancelled=True
)
ON_VOLUME = Scenario("server_create on a volume", "server_create", Begin.NOTHING, "active", Action.CREATE)
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
    Scenario(
        "server_soft_delete", "server_soft_delete", Begin.ACTIVE, "soft-delete", Action.SOFT_DELETE, at="server_delete"
    ),
    Scenario("server_restore", "server_restore", Begin.SOFT_DELETED, "active", Action.RESTORE),
    Scenario("server_rescue", "server_rescue", Begin.ACTIVE, "rescued", Action.RESCUE),
    Scenario("server_unrescue", "server_rescue", Begin.RESCUED, "active", Action.UNRESCUE),
    Scenario("server_resize", "server_resize", Begin.ACTIVE, "resized", Action.RESIZE, pool=Pool.RESIZED),
    Scenario("server_migrate", "server_resize", Begin.ACTIVE, "resized", Action.MIGRATE, pool=Pool.MIGRATED),
    *(
        Scenario(
            f"server_{action}{title}", f"server_{done}_resize", Begin.RESIZED, "active", action, pool=pool,
            at=f"server_{action}",
        )
        for action, done in ((Action.CONFIRM_RESIZE, "confirm"), (Action.REVERT_RESIZE, "revert"))
        for title, pool in (("", Pool.RESIZED), (" migrated", Pool.MIGRATED))
    ),
    *(
        Scenario(f"server_{action}", f"server_{action}", Begin.ACTIVE, "active", action, pool=Pool.FURNISHED)
        for action in (Action.ATTACH_INTERFACE, Action.DETACH_INTERFACE, Action.ATTACH_VOLUME, Action.DETACH_VOLUME)
    ),
)  # fmt: skip
#: by the scenario that they fail: the verb and the step. The server is then what it was
_FAILURES = {
    "server_rescue": ("ensure_running", "ensure_instance"),
    "server_createImage": ("begin_copy", "snapshot_instance"),
    "server_resize": ("ensure_running", "resize_instance"),
    "server_migrate": ("ensure_running", "resize_instance"),
    "server_attach_interface": ("ensure_plugged", "plug_port"),
    "server_detach_interface": ("request_unplug", "unplug_port"),
    "server_attach_volume": ("ensure_plugged", "plug_volume"),
    "server_detach_volume": ("request_unplug", "unplug_volume"),
}  # fmt: skip
FAILING = tuple(
    replace(
        each, name=each.name + _FAILED, ends=each.begin, at=each.api_point,
        fails=_FAILURES[each.name][0], fails_in=_FAILURES[each.name][1],
    )
    for each in SCENARIOS if each.name in _FAILURES
)  # fmt: skip
#: places in the agent by which every command comes
AGENT_PLACES = (
    "received", "written", "submitted", "state:before", "state:after", "worked", "kept", "publishing", "published",
)  # fmt: skip
#: and those of its work, by step
_MADE = ("image:after", "disks:after", "ports:before", "ports:after", "domain:before", "domain:after")
_GONE = ("domain:before", "domain:after", "ports:after", "disks:after")
_DOMAIN = ("domain:before", "domain:after")
_KEPT_DISKS = ("kept_disks:before", "kept_disks:after")
AGENT_WORK = {
    "ensure_instance": _MADE,
    "ensure_running": ("ports:before", "ports:after", *_DOMAIN),
    "ensure_absent": _GONE,
    "reboot": (
        "phase_asked:before", "phase_asked:after", "phase_starting:before", "phase_starting:after", *_DOMAIN,
    ),
    "ensure_stopped": (),
    "reimage_volume": (),
    "rebuild_instance": ("image:before", *_MADE),
    "snapshot_instance": _DOMAIN,
    "upload_snapshot": ("upload:before", "upload:after"),
    "ensure_paused": _DOMAIN,
    "ensure_saved": _DOMAIN,
    "plug_port": ("ports:before", "ports:after", *_DOMAIN),
    "unplug_port": _DOMAIN,
    "plug_volume": _DOMAIN,
    "unplug_volume": _DOMAIN,
    "export_volume": ("export:before", "export:after"),
    "withdraw_export": ("export:before", "export:after"),
    "leave_node": _GONE,
    "resize_instance": (*_DOMAIN, *_KEPT_DISKS, "image:after", "disks:after", "ports:before", "ports:after"),
    "clear_old_place": _KEPT_DISKS,
    "take_back": (*_DOMAIN, *_KEPT_DISKS),
}  # fmt: skip
#: where the same step is other work, by scenario and step
OTHER_WORK = {
    ("server_soft_delete", "ensure_stopped"): _DOMAIN,  # power is cut
    ("server_shelve", "snapshot_instance"): ("disks:before", "disks:after"),  # its guest is off
    ("server_migrate", "snapshot_instance"): ("disks:before", "disks:after"),
    ("server_migrate", "resize_instance"): _MADE,
    ("server_confirmResize migrated", "clear_old_place"): ("ports:after", "disks:after"),  # no domain was left there
    ("server_revertResize migrated", "take_back"): _GONE,
}
#: what a scheduler begins when that which a client asked for is done: the API has no part in it
FOLLOWS = {"server_shelve then"}
#: steps in which a scenario has nothing to ask of a node, by scenario and step
SILENT = {
    ("server_delete", "clear_old_place"),  # that server was not resized
    ("server_rebuild", "ensure_stopped"),  # its root disk is no volume
    ("server_rebuild", "reimage_volume"),
    ("server_rebuild", "withdraw_export"),
    ("server_rebuild", "export_volume"),
    ("server_unshelve", "export_volumes"),
    ("server_create", "export_volumes"),  # it has no volumes that other nodes serve
    ("server_resize", "snapshot_instance"),  # it stays on its node
    ("server_resize", "upload_snapshot"),
    ("server_resize", "leave_node"),
    *((name, step) for name in ("server_resize", "server_migrate") for step in ("export_back", "export_volumes")),
    ("server_revertResize", "export_volumes"),
    ("server_revertResize migrated", "export_volumes"),
    ("server_migrate failed", "resize_instance"),  # the node that failed has said that nothing is left
    ("server_attach_volume", "export_volume"),  # its file is on the server's node
    ("server_detach_volume", "withdraw_export"),
}


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
    return [*_forward(), *_backward(), *_on_volume(), *(kill for scenario in FAILING for kill in _undone(scenario))]


def _forward() -> Iterator[Kill]:
    for scenario in SCENARIOS:
        if scenario.name == "server_reboot_hard":  # the same steps; its own phases in the agent
            yield Kill(scenario, "agent:reboot:phase_cutting:before")
            yield Kill(scenario, "agent:reboot:phase_cutting:after")
            yield from (Kill(scenario, f"api:{scenario.api_point}:{when}") for when in WHEN)
            continue
        if scenario.asked and scenario.name not in FOLLOWS:
            yield from (Kill(scenario, f"api:{scenario.api_point}:{when}") for when in WHEN)
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
    work = OTHER_WORK.get((scenario.name, step.name), AGENT_WORK[step.name])
    for place in (*AGENT_PLACES, *work):
        yield Kill(scenario, f"agent:{step.name}:{place}")


def _backward() -> Iterator[Kill]:
    """Undo: a node that fails is left for another one, and a server is deleted while it is being made."""
    for step in SAGAS["server_create"].steps[:-1]:
        yield from (Kill(MOVED, f"scheduler:server_create.{step.name}:undone:{when}") for when in WHEN)
    remote = next(step for step in SAGAS["server_create"].steps if step.name == "ensure_instance")
    yield from (Kill(MOVED, f"scheduler:server_create.{remote.name}:failed:{when}") for when in WHEN)
    yield from (Kill(CANCELLED, f"scheduler:server_create.{remote.name}:undo_sent:{when}") for when in WHEN)
    yield from (Kill(CANCELLED, f"scheduler:server_create.{remote.name}:undone:{when}") for when in WHEN)
    yield Kill(CANCELLED, "scheduler:server_delete.wait_for_others:done:before_commit")


def _on_volume() -> Iterator[Kill]:
    """Of a creation what is other work when the server boots from a volume that is made for it."""
    for step in ("attach_volumes", "finish"):
        yield from (Kill(ON_VOLUME, f"scheduler:server_create.{step}:done:{when}") for when in WHEN)
    yield from (Kill(ON_VOLUME, f"scheduler:volume_create.{what}:done:before_commit") for what in ("claim", "finish"))
    yield from (Kill(ON_VOLUME, f"agent:ensure_{what}:worked") for what in ("volume", "instance"))


def _undone(scenario: Scenario) -> Iterator[Kill]:
    """From the step that fails down to the first."""
    steps = SAGAS[scenario.saga].steps
    position = next(at for at, step in enumerate(steps) if step.name == scenario.fails_in)
    yield from (Kill(scenario, f"scheduler:{scenario.saga}.{scenario.fails_in}:failed:{when}") for when in WHEN)
    for step in steps[: position + 1]:
        yield from (Kill(scenario, f"scheduler:{scenario.saga}.{step.name}:undone:{when}") for when in WHEN)
        silent = {(scenario.name, step.name), (scenario.asks, step.name)} & SILENT
        if isinstance(step, Remote) and step.undo is not None and not silent:
            yield from (Kill(scenario, f"scheduler:{scenario.saga}.{step.name}:undo_sent:{when}") for when in WHEN)


def missing_sagas() -> set[str]:
    """Sagas that no scenario walks."""
    return {rule.saga for rule in ACTIONS.values()} - {scenario.saga for scenario in SCENARIOS}
