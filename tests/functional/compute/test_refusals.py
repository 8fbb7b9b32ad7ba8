"""Every action in every state that the state table does not allow it in is refused with 409 and Nova's words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from common.db.models import Instance, Node
from common.states import ACTIONS, IMMEDIATE, Action, OperationClass, TaskState, VmState
from tests.functional.compute.conftest import URL, Cloud, add_flavor, version

#: no client asks for these by an action: other routes, or the cloud itself
_OTHERWISE = frozenset(
    {
        Action.CREATE, Action.DELETE, Action.SOFT_DELETE, Action.RESTORE_DOMAIN, Action.HOLD_STOPPED,
        Action.ATTACH_INTERFACE, Action.DETACH_INTERFACE, Action.ATTACH_VOLUME, Action.DETACH_VOLUME,
    }
)  # fmt: skip
_BODIES: dict[Action, dict[str, Any]] = {
    Action.START: {"os-start": None},
    Action.STOP: {"os-stop": None},
    Action.REBOOT: {"reboot": {"type": "SOFT"}},
    Action.REBOOT_HARD: {"reboot": {"type": "HARD"}},
    Action.REBUILD: {"rebuild": {"imageRef": "IMAGE"}},
    Action.CREATE_IMAGE: {"createImage": {"name": "snap"}},
    Action.CREATE_BACKUP: {"createBackup": {"name": "snap", "backup_type": "daily", "rotation": 1}},
    Action.RESIZE: {"resize": {"flavorRef": "bigger"}},
}
_IMMEDIATE_BODIES: dict[str, Any] = {
    "changePassword": {"adminPass": "x"},
    "os-migrateLive": {"host": None, "block_migration": "auto"},
    "evacuate": {},
}


@dataclass(frozen=True)
class Asked:
    """shown: as the refusal calls it."""

    shown: str
    body: dict[str, Any]
    allowed: frozenset[VmState]
    replaces: frozenset[TaskState] = frozenset()


def every() -> Iterator[Asked]:
    for action, rule in ACTIONS.items():
        if action not in _OTHERWISE and rule.operation_class == OperationClass.EXCLUSIVE:
            body = _BODIES.get(action, {action.value: None})
            yield Asked(rule.shown_as, body, rule.allowed, rule.replaces)
    for name, allowed in IMMEDIATE.items():
        yield Asked(name, {name: _IMMEDIATE_BODIES.get(name)}, allowed)


def put_into(cloud: Cloud, server_id: str, vm_state: VmState, task: TaskState | None) -> None:
    """As nothing but a test writes it; its node lives on, however slow this is."""
    with cloud.services.db.write() as session:
        session.execute(sa.update(Node).values(last_heartbeat_at=cloud.services.clock.now()))
        session.execute(sa.update(Instance).where(Instance.id == server_id).values(vm_state=vm_state, task_state=task))


def refusal(cloud: Cloud, server_id: str, asked: Asked) -> tuple[int, str]:
    body = asked.body if "rebuild" not in asked.body else {"rebuild": {"imageRef": cloud.image_id}}
    reply = cloud.api.post(f"{URL}/servers/{server_id}/action", "admin", headers=version("2.90"), json=body)
    return reply.status_code, str((reply.get_json(silent=True) or {}).get("conflictingRequest", {}).get("message"))


@pytest.fixture
def server_id(cloud: Cloud) -> str:
    with cloud.services.db.write() as session:
        add_flavor(session, cloud.services.clock.now(), id="bigger", name="bigger", memory_mib=256)
    return cloud.active()


def test_in_every_vm_state_that_is_not_allowed(cloud: Cloud, server_id: str) -> None:
    tried = 0
    for vm_state in VmState:
        if vm_state == VmState.DELETED:
            continue
        put_into(cloud, server_id, vm_state, None)
        for asked in every():
            if vm_state not in asked.allowed:
                words = f"Cannot '{asked.shown}' instance {server_id} while it is in vm_state {vm_state}"
                assert refusal(cloud, server_id, asked) == (409, words), asked
                tried += 1
    assert tried > 150, "the table has shrunk"


@pytest.mark.parametrize("asked", list(every()), ids=lambda asked: next(iter(asked.body)))
def test_during_every_task(cloud: Cloud, server_id: str, asked: Asked) -> None:
    """In the first state that allows it, so that it is the task that is refused."""
    vm_state = sorted(asked.allowed)[0]
    for task in TaskState:
        if task in asked.replaces:
            continue
        put_into(cloud, server_id, vm_state, task)
        words = f"Cannot '{asked.shown}' instance {server_id} while it is in task_state {task}"
        assert refusal(cloud, server_id, asked) == (409, words), task


def test_a_deleted_server_is_unknown(cloud: Cloud, server_id: str) -> None:
    with cloud.services.db.write() as session:
        session.execute(sa.update(Instance).values(vm_state=VmState.DELETED, deleted=True))
    assert {refusal(cloud, server_id, asked)[0] for asked in every()} == {404}
