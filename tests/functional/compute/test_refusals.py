"""Every action in every state that the state table does not allow it in is refused with 409 and Nova's words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import volume_attachments
from common.db.models import Instance, Node, Port, Volume
from common.ids import new_id
from common.states import ACTIONS, IMMEDIATE, Action, OperationClass, TaskState, VmState
from common.volume_states import AttachStatus, VolumeStatus
from tests.functional.compute.conftest import URL, Cloud, add_flavor, version

#: no client asks for these by an action: other routes, or the cloud itself
_OTHERWISE = frozenset(
    {
        Action.CREATE, Action.DELETE, Action.SOFT_DELETE, Action.RESTORE_DOMAIN, Action.HOLD_STOPPED,
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


#: (method, path below the server, body)
_DEVICES: dict[Action, tuple[str, str, Any]] = {
    Action.ATTACH_INTERFACE: ("POST", "os-interface", None),
    Action.DETACH_INTERFACE: ("DELETE", "os-interface/{port}", None),
    Action.ATTACH_VOLUME: ("POST", "os-volume_attachments", None),
    Action.DETACH_VOLUME: ("DELETE", "os-volume_attachments/{attached}", None),
}


@dataclass(frozen=True)
class Asked:
    """shown: as the refusal calls it. method, path: of a device's request; an action's are always the same."""

    shown: str
    body: Any
    allowed: frozenset[VmState]
    replaces: frozenset[TaskState] = frozenset()
    method: str = "POST"
    path: str = "action"
    name: str = ""


def every() -> Iterator[Asked]:
    for action, rule in ACTIONS.items():
        if action in _OTHERWISE:
            continue
        if rule.operation_class == OperationClass.DEVICE:
            method, path, body = _DEVICES[action]
            yield Asked(rule.shown_as, body, rule.allowed, method=method, path=path, name=action.value)
        else:
            body = _BODIES.get(action, {action.value: None})
            yield Asked(rule.shown_as, body, rule.allowed, rule.replaces, name=next(iter(body)))
    for name, allowed in IMMEDIATE.items():
        yield Asked(name, {name: _IMMEDIATE_BODIES.get(name)}, allowed, name=name)


def put_into(cloud: Cloud, server_id: str, vm_state: VmState, task: TaskState | None) -> None:
    """As nothing but a test writes it; its node lives on, however slow this is."""
    with cloud.services.db.write() as session:
        session.execute(sa.update(Node).values(last_heartbeat_at=cloud.services.clock.now()))
        session.execute(sa.update(Instance).where(Instance.id == server_id).values(vm_state=vm_state, task_state=task))


def refusal(cloud: Cloud, server: Furnished, asked: Asked) -> tuple[int, str]:
    filled_in: dict[str, Any] = {
        Action.REBUILD: {"rebuild": {"imageRef": cloud.image_id}},
        Action.ATTACH_VOLUME: {"volumeAttachment": {"volumeId": server.free}},
        Action.ATTACH_INTERFACE: {"interfaceAttachment": {"net_id": cloud.network_id}},
    }
    body = filled_in.get(asked.name, asked.body)
    path = asked.path.format(port=server.port, attached=server.attached)
    reply = cloud.api.request(
        asked.method, f"{URL}/servers/{server.id}/{path}", "admin", headers=version("2.90"), json=body
    )
    return reply.status_code, str((reply.get_json(silent=True) or {}).get("conflictingRequest", {}).get("message"))


@dataclass(frozen=True)
class Furnished:
    """A server with a card and a volume; free: another volume."""

    id: str
    port: str
    attached: str
    free: str


def _volume(session: Session, cloud: Cloud, status: VolumeStatus) -> str:
    volume_id, now = new_id(), cloud.services.clock.now()
    session.add(
        Volume(
            id=volume_id, project_id=cloud.api.project_id("demo"), user_id=cloud.api.user_id("demo"), size_gib=1,
            status=status, node_id=cloud.node_id, node_name="node1", created_at=now, updated_at=now,
        )
    )  # fmt: skip
    session.flush()
    return volume_id


@pytest.fixture
def server(cloud: Cloud) -> Furnished:
    server_id, now = cloud.active(), cloud.services.clock.now()
    with cloud.services.db.write() as session:
        add_flavor(session, now, id="bigger", name="bigger", memory_mib=256)
        session.get_one(Node, cloud.node_id).inventory = {"shared_volumes": True}  # so that it may migrate with one
        port = session.scalars(sa.select(Port.id).where(Port.device_id == server_id)).one()
        attached, free = (_volume(session, cloud, status) for status in (VolumeStatus.IN_USE, VolumeStatus.AVAILABLE))
        row = {
            "id": new_id(), "volume_id": attached, "project_id": cloud.api.project_id("demo"), "instance_id": server_id,
            "status": AttachStatus.ATTACHED, "device": "vdb", "boot_index": None, "node_name": "node1",
        }  # fmt: skip
        volume_attachments.add(session, row, now)
    return Furnished(server_id, port, attached, free)


def test_in_every_vm_state_that_is_not_allowed(cloud: Cloud, server: Furnished) -> None:
    tried = 0
    for vm_state in VmState:
        if vm_state == VmState.DELETED:
            continue
        put_into(cloud, server.id, vm_state, None)
        for asked in every():
            if vm_state not in asked.allowed:
                words = f"Cannot '{asked.shown}' instance {server.id} while it is in vm_state {vm_state}"
                assert refusal(cloud, server, asked) == (409, words), asked
                tried += 1
    assert tried > 180, "the table has shrunk"


@pytest.mark.parametrize("asked", list(every()), ids=lambda asked: asked.name)
def test_during_every_task(cloud: Cloud, server: Furnished, asked: Asked) -> None:
    """In the first state that allows it, so that it is the task that is refused."""
    vm_state = sorted(asked.allowed)[0]
    for task in TaskState:
        if task in asked.replaces:
            continue
        put_into(cloud, server.id, vm_state, task)
        words = f"Cannot '{asked.shown}' instance {server.id} while it is in task_state {task}"
        assert refusal(cloud, server, asked) == (409, words), task


def test_a_deleted_server_is_unknown(cloud: Cloud, server: Furnished) -> None:
    with cloud.services.db.write() as session:
        session.execute(sa.update(Instance).values(vm_state=VmState.DELETED, deleted=True))
    assert {refusal(cloud, server, asked)[0] for asked in every()} == {404}
