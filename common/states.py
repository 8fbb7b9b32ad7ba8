"""The instance's states, declared as data: which action is allowed where, and what it leads to.

vm_state is what the control plane intends and owns; task_state is what is being done about it; power_state is what was
observed on the node. Names are Nova's. The API's 409s, the sagas' guards, `transition()` and the picture in
docs/states.md all come from these tables. Source: OpenStack compute API guide, "Server concepts".
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cache


class VmState(StrEnum):
    BUILDING = "building"
    ACTIVE = "active"
    STOPPED = "stopped"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    SHELVED = "shelved"
    SHELVED_OFFLOADED = "shelved_offloaded"
    RESIZED = "resized"  # it runs with its new flavor, and what it was is kept until that is confirmed
    RESCUED = "rescued"
    SOFT_DELETED = "soft-delete"
    ERROR = "error"
    DELETED = "deleted"


class TaskState(StrEnum):
    SCHEDULING = "scheduling"
    SPAWNING = "spawning"
    POWERING_OFF = "powering-off"
    POWERING_ON = "powering-on"
    REBOOTING = "rebooting"
    REBOOTING_HARD = "rebooting_hard"
    PAUSING = "pausing"
    UNPAUSING = "unpausing"
    SUSPENDING = "suspending"
    RESUMING = "resuming"
    REBUILDING = "rebuilding"
    SHELVING = "shelving"
    SHELVING_IMAGE_PENDING_UPLOAD = "shelving_image_pending_upload"
    SHELVING_IMAGE_UPLOADING = "shelving_image_uploading"
    SHELVING_OFFLOADING = "shelving_offloading"
    UNSHELVING = "unshelving"
    IMAGE_SNAPSHOT = "image_snapshot"
    IMAGE_BACKUP = "image_backup"
    IMAGE_PENDING_UPLOAD = "image_pending_upload"
    IMAGE_UPLOADING = "image_uploading"
    RESIZE_PREP = "resize_prep"
    RESIZE_MIGRATING = "resize_migrating"
    RESIZE_MIGRATED = "resize_migrated"
    RESIZE_FINISH = "resize_finish"
    RESIZE_CONFIRMING = "resize_confirming"
    RESIZE_REVERTING = "resize_reverting"
    RESCUING = "rescuing"
    UNRESCUING = "unrescuing"
    SOFT_DELETING = "soft-deleting"
    DELETING = "deleting"
    RESTORING = "restoring"


class PowerCode(IntEnum):
    """OS-EXT-STS:power_state."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


class OperationState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"  # going forward; with a lease: worked on; without: waiting for run_at or a report
    UNWINDING = "unwinding"
    DONE = "done"
    FAILED = "failed"  # unwound completely
    CANCELLED = "cancelled"  # unwound because a pre-empting operation asked for it
    STUCK = "stuck"  # undo could not be completed within its deadline: needs a person


OPEN_OPERATION_STATES = (OperationState.PENDING, OperationState.RUNNING, OperationState.UNWINDING)


class OperationClass(StrEnum):
    EXCLUSIVE = "exclusive"
    DEVICE = "device"
    PREEMPTING = "preempting"


class Action(StrEnum):
    """What can be asked of an instance; the name that os-instance-actions shows."""

    CREATE = "create"
    DELETE = "delete"
    START = "start"
    STOP = "stop"
    REBOOT = "reboot"
    REBOOT_HARD = "reboot_hard"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    SUSPEND = "suspend"
    RESUME = "resume"
    REBUILD = "rebuild"
    SHELVE = "shelve"
    SHELVE_OFFLOAD = "shelveOffload"
    UNSHELVE = "unshelve"
    CREATE_IMAGE = "createImage"
    CREATE_BACKUP = "createBackup"
    RESIZE = "resize"
    MIGRATE = "migrate"
    CONFIRM_RESIZE = "confirmResize"
    REVERT_RESIZE = "revertResize"
    RESCUE = "rescue"
    UNRESCUE = "unrescue"
    SOFT_DELETE = "softDelete"
    RESTORE = "restore"
    RESTORE_DOMAIN = "restore_domain"  # the reconciler's: a server's domain is gone from its node
    HOLD_STOPPED = "hold_stopped"  # the reconciler's: a server that should be off was found running
    ATTACH_INTERFACE = "attach_interface"
    DETACH_INTERFACE = "detach_interface"
    ATTACH_VOLUME = "attach_volume"
    DETACH_VOLUME = "detach_volume"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """allowed: the vm_states the action may start in.

    shown_as: the action's name in os-instance-actions, where hard and soft reboot are one.
    """

    allowed: frozenset[VmState]
    task: TaskState | None  # None: of the device class, which begins in common/db/device_operations.py
    leads_to: VmState | None  # None: where it is
    saga: str
    shown_as: str
    on_failure: VmState | None = None  # None: back to where it was
    operation_class: OperationClass = OperationClass.EXCLUSIVE
    #: tasks this action may replace although it is exclusive (a hard reboot ends a soft one that hangs)
    replaces: frozenset[TaskState] = frozenset()
    #: other states that it may end in, where the server was before deciding that
    also_leads_to: frozenset[VmState] = frozenset()


_ANY_LIVING = frozenset(VmState) - {VmState.DELETED}


def _device(name: str, *also: VmState) -> Rule:
    """An action on a device of a server, which stays what it is. also: other states it may be in."""
    return Rule(
        allowed=frozenset({VmState.ACTIVE, VmState.STOPPED, VmState.PAUSED, *also}),
        task=None,
        leads_to=None,
        operation_class=OperationClass.DEVICE,
        saga=f"server_{name}",
        shown_as=name,
    )


ACTIONS: dict[Action, Rule] = {
    Action.CREATE: Rule(
        allowed=frozenset({VmState.BUILDING}),
        task=TaskState.SCHEDULING,
        leads_to=VmState.ACTIVE,
        on_failure=VmState.ERROR,
        saga="server_create",
        shown_as="create",
    ),
    Action.DELETE: Rule(
        allowed=_ANY_LIVING,
        task=TaskState.DELETING,
        leads_to=VmState.DELETED,
        on_failure=VmState.ERROR,
        operation_class=OperationClass.PREEMPTING,
        saga="server_delete",
        shown_as="delete",
    ),
    Action.START: Rule(
        allowed=frozenset({VmState.STOPPED}),
        task=TaskState.POWERING_ON,
        leads_to=VmState.ACTIVE,
        saga="server_start",
        shown_as="start",
    ),
    Action.STOP: Rule(
        allowed=frozenset({VmState.ACTIVE, VmState.ERROR}),
        task=TaskState.POWERING_OFF,
        leads_to=VmState.STOPPED,
        saga="server_stop",
        shown_as="stop",
    ),
    Action.REBOOT: Rule(
        allowed=frozenset({VmState.ACTIVE}),
        task=TaskState.REBOOTING,
        leads_to=VmState.ACTIVE,
        saga="server_reboot",
        shown_as="reboot",
    ),
    Action.REBOOT_HARD: Rule(
        allowed=frozenset({VmState.ACTIVE, VmState.STOPPED, VmState.PAUSED, VmState.SUSPENDED, VmState.ERROR}),
        task=TaskState.REBOOTING_HARD,
        leads_to=VmState.ACTIVE,
        saga="server_reboot",
        shown_as="reboot",
        replaces=frozenset({TaskState.REBOOTING}),
    ),
    Action.PAUSE: Rule(
        allowed=frozenset({VmState.ACTIVE}),
        task=TaskState.PAUSING,
        leads_to=VmState.PAUSED,
        saga="server_pause",
        shown_as="pause",
    ),
    Action.UNPAUSE: Rule(
        allowed=frozenset({VmState.PAUSED}),
        task=TaskState.UNPAUSING,
        leads_to=VmState.ACTIVE,
        saga="server_pause",
        shown_as="unpause",
    ),
    Action.SUSPEND: Rule(
        allowed=frozenset({VmState.ACTIVE}),
        task=TaskState.SUSPENDING,
        leads_to=VmState.SUSPENDED,
        saga="server_suspend",
        shown_as="suspend",
    ),
    Action.RESUME: Rule(
        allowed=frozenset({VmState.SUSPENDED}),
        task=TaskState.RESUMING,
        leads_to=VmState.ACTIVE,
        saga="server_resume",
        shown_as="resume",
    ),
    Action.REBUILD: Rule(
        allowed=frozenset({VmState.ACTIVE, VmState.STOPPED, VmState.ERROR}),
        task=TaskState.REBUILDING,
        leads_to=VmState.ACTIVE,
        also_leads_to=frozenset({VmState.STOPPED}),
        on_failure=VmState.ERROR,
        saga="server_rebuild",
        shown_as="rebuild",
    ),
    Action.SHELVE: Rule(
        allowed=frozenset({VmState.ACTIVE, VmState.STOPPED, VmState.PAUSED, VmState.SUSPENDED}),
        task=TaskState.SHELVING,
        leads_to=VmState.SHELVED,
        saga="server_shelve",
        shown_as="shelve",
    ),
    Action.SHELVE_OFFLOAD: Rule(
        allowed=frozenset({VmState.SHELVED}),
        task=TaskState.SHELVING_OFFLOADING,
        leads_to=VmState.SHELVED_OFFLOADED,
        saga="server_offload",
        shown_as="shelveOffload",
    ),
    Action.UNSHELVE: Rule(
        allowed=frozenset({VmState.SHELVED, VmState.SHELVED_OFFLOADED}),
        task=TaskState.UNSHELVING,
        leads_to=VmState.ACTIVE,
        saga="server_unshelve",
        shown_as="unshelve",
    ),
    Action.CREATE_IMAGE: Rule(
        allowed=frozenset({VmState.ACTIVE, VmState.STOPPED, VmState.PAUSED, VmState.SUSPENDED}),
        task=TaskState.IMAGE_SNAPSHOT,
        leads_to=None,
        saga="server_snapshot",
        shown_as="createImage",
    ),
    Action.CREATE_BACKUP: Rule(
        allowed=frozenset({VmState.ACTIVE, VmState.STOPPED, VmState.PAUSED, VmState.SUSPENDED}),
        task=TaskState.IMAGE_BACKUP,
        leads_to=None,
        saga="server_snapshot",
        shown_as="createBackup",
    ),
    Action.RESIZE: Rule(
        allowed=frozenset({VmState.ACTIVE, VmState.STOPPED}),
        task=TaskState.RESIZE_PREP,
        leads_to=VmState.RESIZED,
        saga="server_resize",
        shown_as="resize",
    ),
    Action.MIGRATE: Rule(
        allowed=frozenset({VmState.ACTIVE, VmState.STOPPED}),
        task=TaskState.RESIZE_PREP,
        leads_to=VmState.RESIZED,
        saga="server_resize",
        shown_as="migrate",
    ),
    Action.CONFIRM_RESIZE: Rule(
        allowed=frozenset({VmState.RESIZED}),
        task=TaskState.RESIZE_CONFIRMING,
        leads_to=VmState.ACTIVE,
        also_leads_to=frozenset({VmState.STOPPED}),
        saga="server_confirm_resize",
        shown_as="confirmResize",
    ),
    Action.REVERT_RESIZE: Rule(
        allowed=frozenset({VmState.RESIZED}),
        task=TaskState.RESIZE_REVERTING,
        leads_to=VmState.ACTIVE,
        also_leads_to=frozenset({VmState.STOPPED}),
        on_failure=VmState.ERROR,
        saga="server_revert_resize",
        shown_as="revertResize",
    ),
    Action.RESCUE: Rule(
        allowed=frozenset({VmState.ACTIVE, VmState.STOPPED, VmState.ERROR}),
        task=TaskState.RESCUING,
        leads_to=VmState.RESCUED,
        saga="server_rescue",
        shown_as="rescue",
    ),
    Action.UNRESCUE: Rule(
        allowed=frozenset({VmState.RESCUED}),
        task=TaskState.UNRESCUING,
        leads_to=VmState.ACTIVE,
        saga="server_rescue",
        shown_as="unrescue",
    ),
    Action.SOFT_DELETE: Rule(
        allowed=frozenset(
            {VmState.ACTIVE, VmState.STOPPED, VmState.PAUSED, VmState.SUSPENDED, VmState.RESCUED, VmState.ERROR}
        ),
        task=TaskState.SOFT_DELETING,
        leads_to=VmState.SOFT_DELETED,
        operation_class=OperationClass.PREEMPTING,
        saga="server_soft_delete",
        shown_as="delete",
    ),
    Action.RESTORE: Rule(
        allowed=frozenset({VmState.SOFT_DELETED}),
        task=TaskState.RESTORING,
        leads_to=VmState.ACTIVE,
        on_failure=VmState.STOPPED,  # where it is from the moment the request is accepted
        saga="server_restore",
        shown_as="restore",
    ),
    Action.RESTORE_DOMAIN: Rule(
        allowed=frozenset({VmState.ACTIVE, VmState.STOPPED, VmState.RESIZED, VmState.RESCUED}),
        task=TaskState.RESTORING,
        leads_to=None,
        on_failure=VmState.ERROR,
        saga="server_restore_domain",
        shown_as="restore",
    ),
    Action.HOLD_STOPPED: Rule(
        allowed=frozenset({VmState.STOPPED}),
        task=TaskState.POWERING_OFF,
        leads_to=VmState.STOPPED,
        saga="server_stop",
        shown_as="stop",
    ),
    Action.ATTACH_INTERFACE: _device("attach_interface"),
    Action.DETACH_INTERFACE: _device("detach_interface"),
    Action.ATTACH_VOLUME: _device("attach_volume", VmState.SHELVED, VmState.SHELVED_OFFLOADED),
    Action.DETACH_VOLUME: _device("detach_volume", VmState.SHELVED, VmState.SHELVED_OFFLOADED),
}

#: What is asked of a server and answered at once, with no operation: its name in the API, and where it is allowed.
IMMEDIATE: dict[str, frozenset[VmState]] = {
    "changePassword": frozenset({VmState.ACTIVE}),
    "trigger_crash_dump": frozenset({VmState.ACTIVE, VmState.PAUSED, VmState.RESCUED, VmState.RESIZED, VmState.ERROR}),
    "os-migrateLive": frozenset({VmState.ACTIVE, VmState.PAUSED}),
    "evacuate": frozenset({VmState.ACTIVE, VmState.STOPPED, VmState.ERROR}),
}

#: vm_states of servers that have a guest on a node, running or not
ON_NODE = frozenset(
    {
        VmState.ACTIVE, VmState.STOPPED, VmState.PAUSED, VmState.SUSPENDED, VmState.SHELVED, VmState.RESIZED,
        VmState.RESCUED, VmState.SOFT_DELETED,
    }
)  # fmt: skip
#: where a guest may run that somebody looks at; whether it does, its node knows. One that is rescued is looked at most
WITH_CONSOLE = frozenset({VmState.ACTIVE, VmState.PAUSED, VmState.RESCUED, VmState.RESIZED, VmState.ERROR})
#: vm_states in which what the guest held in memory is kept, and is lost when the guest is found off, or gone
KEEPS_MEMORY = frozenset({VmState.PAUSED, VmState.SUSPENDED})

#: Moves of vm_state that no action of a user asks for: what a reconciler may write after looking at a node.
OBSERVED: dict[VmState, frozenset[VmState]] = {
    VmState.ACTIVE: frozenset({VmState.STOPPED, VmState.ERROR}),
    VmState.STOPPED: frozenset({VmState.ACTIVE, VmState.ERROR}),
    VmState.PAUSED: frozenset({VmState.STOPPED, VmState.ERROR}),  # its memory is gone: the guest was killed
    VmState.SUSPENDED: frozenset({VmState.STOPPED, VmState.ERROR}),
    VmState.SHELVED: frozenset({VmState.SHELVED_OFFLOADED, VmState.ERROR}),  # its node is lost; the image is not
    VmState.RESIZED: frozenset({VmState.ERROR}),
    VmState.RESCUED: frozenset({VmState.ERROR}),
    VmState.BUILDING: frozenset({VmState.ERROR}),
}

#: Where an administrator's os-resetState may lead: to ERROR, and back to what the server is by the rest of its row.
RESETS: dict[VmState, frozenset[VmState]] = {
    VmState.ACTIVE: frozenset({VmState.ACTIVE, VmState.ERROR}),
    VmState.STOPPED: frozenset({VmState.ACTIVE, VmState.ERROR}),
    VmState.PAUSED: frozenset({VmState.ACTIVE, VmState.ERROR}),
    VmState.SUSPENDED: frozenset({VmState.ACTIVE, VmState.ERROR}),
    VmState.RESIZED: frozenset({VmState.RESIZED, VmState.ERROR}),
    VmState.RESCUED: frozenset({VmState.RESCUED, VmState.ERROR}),
    VmState.SHELVED: frozenset({VmState.ERROR}),
    VmState.SHELVED_OFFLOADED: frozenset({VmState.ERROR}),
    VmState.BUILDING: frozenset({VmState.ERROR}),
    VmState.ERROR: frozenset({VmState.ACTIVE, VmState.RESIZED, VmState.RESCUED, VmState.ERROR}),
}


def allowed_moves() -> dict[VmState, frozenset[VmState]]:
    """Every move of vm_state that `transition()` lets through, from both tables; staying put is always allowed."""
    moves: dict[VmState, set[VmState]] = {state: {state} for state in VmState}
    for rule in ACTIONS.values():
        for start in rule.allowed:
            moves[start] |= {rule.leads_to or start, *rule.also_leads_to}
            if rule.on_failure:
                moves[start].add(rule.on_failure)
    for table in (OBSERVED, RESETS):
        for start, ends in table.items():
            moves[start] |= ends
    return {start: frozenset(ends) for start, ends in moves.items()}


MOVES = allowed_moves()


@cache
def server_status(vm_state: str, task_state: str | None) -> str:
    """The API's `status`, computed from the two (compute API reference, "Server status")."""
    if vm_state == VmState.ACTIVE and task_state == TaskState.REBOOTING:
        return "REBOOT"
    if vm_state == VmState.ACTIVE and task_state == TaskState.REBOOTING_HARD:
        return "HARD_REBOOT"
    if task_state in _RESIZING and vm_state in ACTIONS[Action.RESIZE].allowed:
        return "RESIZE"
    if vm_state == VmState.RESIZED and task_state == TaskState.RESIZE_REVERTING:
        return "REVERT_RESIZE"
    if task_state == TaskState.REBUILDING and vm_state in ACTIONS[Action.REBUILD].allowed:
        return "REBUILD"
    return _STATUS[VmState(vm_state)]


_RESIZING = frozenset(
    {TaskState.RESIZE_PREP, TaskState.RESIZE_MIGRATING, TaskState.RESIZE_MIGRATED, TaskState.RESIZE_FINISH}
)
_STATUS = {
    VmState.BUILDING: "BUILD",
    VmState.ACTIVE: "ACTIVE",
    VmState.STOPPED: "SHUTOFF",
    VmState.PAUSED: "PAUSED",
    VmState.SUSPENDED: "SUSPENDED",
    VmState.SHELVED: "SHELVED",
    VmState.SHELVED_OFFLOADED: "SHELVED_OFFLOADED",
    VmState.RESIZED: "VERIFY_RESIZE",
    VmState.RESCUED: "RESCUE",
    VmState.SOFT_DELETED: "SOFT_DELETED",
    VmState.ERROR: "ERROR",
    VmState.DELETED: "DELETED",
}


def render_picture() -> str:
    """The table as a Mermaid state diagram, for docs/states.md."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> building"]
    for action, rule in ACTIONS.items():
        for start in sorted(rule.allowed):
            ends = sorted({rule.leads_to or start, *rule.also_leads_to})
            lines += [f"    {start} --> {end}: {action}" for end in ends]
            if rule.on_failure not in (None, start):
                lines.append(f"    {start} --> {rule.on_failure}: {action} fails")
    for start, seen in OBSERVED.items():
        lines += [f"    {start} --> {end}: observed" for end in sorted(seen)]
    for start, corrected in RESETS.items():
        lines += [f"    {start} --> {end}: os-resetState" for end in sorted(corrected)]
    return "\n".join([*lines, "    deleted --> [*]", "```"])


if __name__ == "__main__":
    sys.stdout.write(
        "# States of a server\n\nDrawn from `common/states.py`: run `python -m common.states > docs/states.md` after a change.\n"
        "An arrow is a move of vm_state; its label the action that makes it, what a reconciler observed,\n"
        "or an administrator's os-resetState.\n\n"
        f"{render_picture()}\n"
    )
