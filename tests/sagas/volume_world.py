"""The sagas' world with volumes in it: how each saga of the block storage service is started, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from common.db import (
    device_operations,
    images,
    instances,
    nodes,
    quotas,
    volume_attachments,
    volume_backups,
    volume_exports,
    volume_moves,
    volume_quota,
    volume_snapshots,
    volume_types,
    volumes,
)
from common.db.models import Volume, VolumeBackup, VolumeExport, VolumeSnapshot
from common.errors import NotFound
from common.ids import new_id
from common.states import Action
from common.volume_capabilities import NBD
from common.volume_states import AttachStatus, BackupStatus, SnapshotStatus, VolumeAction, VolumeStatus
from tests.sagas.world import PROJECT, USER, World

LIMITS = {"volumes": 10, "snapshots": 10, "gigabytes": 100, "backups": 10, "backup_gigabytes": 100}


class VolumeWorld(World):
    """Volumes as the API leaves them before their first action: quota taken, status `creating`."""

    def new_volume(self, type_id: str | None = None, **params: Any) -> tuple[str, str]:
        """(id, operation id) of a volume of 2 GiB that is to be made."""
        with self.db.write() as session:
            taken = volume_quota.with_type({"volumes": 1, "gigabytes": 2}, type_id)
            quotas.take(session, PROJECT, taken, dict.fromkeys(taken, -1) | LIMITS)
            row = {"id": new_id(), "project_id": PROJECT, "user_id": USER, "size_gib": 2, "volume_type_id": type_id}
            operation_id = volumes.create(session, row, self.context(), self.clock.now(), params)
            return row["id"], operation_id  # type: ignore[return-value]

    def placed_volume(self) -> str:
        volume_id, _ = self.new_volume()
        self.run()
        assert self.volume(volume_id).status == VolumeStatus.AVAILABLE
        return volume_id

    def served_volume(self) -> str:
        """One that its node serves to whichever node has the server."""
        volume_id = self.placed_volume()
        with self.db.write() as session:
            volumes.get(session, volume_id).backend = NBD
        return volume_id

    def exports(self) -> list[tuple[str, str]]:
        """(export, the node it is for), as the nodes have them; the database knows the same ones."""
        found = sorted(pair for node in self.nodes.values() for pair in node.exports.items())
        with self.db.read() as session:
            assert sorted((row.id, row.client_name) for row in session.scalars(sa.select(VolumeExport))) == found
        return found

    def new_snapshot(self, volume_id: str) -> tuple[str, str]:
        with self.db.write() as session:
            quotas.take(session, PROJECT, {"snapshots": 1, "gigabytes": 2}, LIMITS)
            row = {"id": new_id(), "volume_id": volume_id, "project_id": PROJECT, "user_id": USER, "size_gib": 2}
            operation_id = volume_snapshots.create(session, row, self.context(), self.clock.now())
            return row["id"], operation_id  # type: ignore[return-value]

    def placed_snapshot(self, volume_id: str) -> str:
        snapshot_id, _ = self.new_snapshot(volume_id)
        self.run()
        assert self.snapshot(snapshot_id).status == SnapshotStatus.AVAILABLE
        return snapshot_id

    def new_backup(self, volume_id: str, kind: str = "backup_create") -> tuple[str, str]:
        """What the API writes before a backup is made, or looked for."""
        with self.db.write() as session:
            quotas.take(session, PROJECT, {"backups": 1, "backup_gigabytes": 2}, LIMITS)
            backup_id, before = new_id(), None
            if kind == "backup_create":
                volumes.take(session, volumes.get(session, volume_id), VolumeAction.BACK_UP, self.clock.now())
                before = VolumeStatus.AVAILABLE
            row = {
                "id": backup_id, "volume_id": volume_id, "project_id": PROJECT, "user_id": USER, "size_gib": 2,
                "location": backup_id, "service": "directory", "status_before": before,
            }  # fmt: skip
            return backup_id, volume_backups.create(session, row, self.context(), self.clock.now(), kind)

    def placed_backup(self, volume_id: str) -> str:
        backup_id, _ = self.new_backup(volume_id)
        self.run()
        assert self.backup(backup_id).status == BackupStatus.AVAILABLE
        return backup_id

    def backup(self, backup_id: str) -> VolumeBackup:
        with self.db.read() as session:
            return volume_backups.get(session, backup_id, deleted=True)

    def backups_stored(self) -> int:
        assert not any(node.copies for node in self.nodes.values()), "a copy for a backup was left"
        return sum(len(node.backups) for node in self.nodes.values())

    def begin_on(self, volume_id: str, action: VolumeAction, **params: Any) -> str:
        with self.db.write() as session:
            volume = volumes.get(session, volume_id)
            return volumes.begin(session, volume, action, self.context(), self.clock.now(), params).id

    def new_attachment(self, instance_id: str, volume_id: str) -> str:
        """What the API writes before a volume is attached; the attachment's id."""
        with self.db.write() as session:
            assert volumes.set_status(
                session, volume_id, (VolumeStatus.AVAILABLE,), VolumeStatus.ATTACHING, self.clock.now()
            )
            row = {
                "id": new_id(), "volume_id": volume_id, "project_id": PROJECT, "instance_id": instance_id,
                "status": AttachStatus.ATTACHING, "device": "vdb", "node_name": "n1",
            }  # fmt: skip
            return volume_attachments.add(session, row, self.clock.now()).id

    def begin_device(self, instance_id: str, volume_id: str, attachment_id: str, action: Action) -> str:
        with self.db.write() as session:
            if action == Action.DETACH_VOLUME:
                attached = (AttachStatus.ATTACHED,)
                volume_attachments.move(session, attachment_id, attached, AttachStatus.DETACHING, self.clock.now())
                volumes.settle(session, volume_id, self.clock.now())
            instance = instances.get(session, instance_id)
            params = {"attachment_id": attachment_id, "device": "vdb"}
            return device_operations.begin(
                session, instance, action, volume_id, self.context(), self.clock.now(), params
            )

    def plugged(self, volume_id: str) -> bool:
        return any(each.get(volume_id, (0, False))[1] for node in self.nodes.values() for each in node.devices.values())

    def volume(self, volume_id: str) -> Volume:
        with self.db.read() as session:
            return volumes.get(session, volume_id, deleted=True)

    def snapshot(self, snapshot_id: str) -> VolumeSnapshot:
        with self.db.read() as session:
            return volume_snapshots.get(session, snapshot_id, deleted=True)

    def image_is_there(self, image_id: str) -> bool:
        with self.db.read() as session:
            try:
                return bool(images.get(session, image_id))
            except NotFound:
                return False

    def files(self) -> tuple[int, int]:
        """How many volumes and snapshots the nodes have."""
        nodes = self.nodes.values()
        return sum(len(node.volumes) + len(node.taken_over) for node in nodes), sum(
            len(node.snapshots) for node in nodes
        )

    def claimed_gib(self) -> int:
        with self.db.read() as session:
            return sum(node.used_disk_gib for node, _ in nodes.with_services(session))


@dataclass(frozen=True)
class Started:
    """One saga, begun: its operation, its volume, and other things it is about."""

    operation_id: str
    volume_id: str
    snapshot_id: str = ""
    image_id: str = ""
    backup_id: str = ""


@dataclass(frozen=True)
class Case:
    """start: prepare with the untouched sagas, then begin. after_*: (volumes, snapshots, GiB) on the nodes.

    to and failed_to: the status of the volume, or of the snapshot or backup where the saga is about one; "": it is gone.
    backups: how many the nodes' stores have, then and after a failure.
    """

    prepare: Callable[[VolumeWorld], dict[str, str]]
    begin: Callable[[VolumeWorld, dict[str, str]], Started]
    to: str
    failed_to: str
    after: tuple[int, int, int]
    after_failure: tuple[int, int, int]
    about_snapshot: bool = False
    backups: tuple[int, int] = (0, 0)


def _nothing(_world: VolumeWorld) -> dict[str, str]:
    return {}


def _volume(world: VolumeWorld) -> dict[str, str]:
    return {"volume": world.placed_volume()}


def _volume_and_snapshot(world: VolumeWorld) -> dict[str, str]:
    volume_id = world.placed_volume()
    return {"volume": volume_id, "snapshot": world.placed_snapshot(volume_id)}


def _create(world: VolumeWorld, _made: dict[str, str]) -> Started:
    volume_id, operation_id = world.new_volume()
    return Started(operation_id, volume_id)


def _clone(world: VolumeWorld, made: dict[str, str]) -> Started:
    volume_id, operation_id = world.new_volume(source_volume_id=made["volume"])
    return Started(operation_id, volume_id)


def _delete(world: VolumeWorld, made: dict[str, str]) -> Started:
    return Started(world.begin_on(made["volume"], VolumeAction.DELETE, cascade=True), made["volume"])


def _extend(world: VolumeWorld, made: dict[str, str]) -> Started:
    with world.db.write() as session:
        quotas.take(session, PROJECT, {"gigabytes": 3}, LIMITS)
    return Started(world.begin_on(made["volume"], VolumeAction.EXTEND, size_gib=5), made["volume"])


def _revert(world: VolumeWorld, made: dict[str, str]) -> Started:
    operation_id = world.begin_on(made["volume"], VolumeAction.REVERT, snapshot_id=made["snapshot"])
    return Started(operation_id, made["volume"])


def _retype(world: VolumeWorld, made: dict[str, str], protocol: str = "nbd") -> Started:
    """The type asks for another back end, so that the volume has to be copied, or converted where it is."""
    taken = volume_quota.of_volume(2, [])
    with world.db.write() as session:
        wanted = {"name": "t", "extra_specs": {"storage_protocol": protocol}}
        kind = volume_types.create(session, wanted, world.clock.now())
        quotas.count(session, PROJECT, volume_quota.only_of_type(taken, kind.id))
        type_id = kind.id
    begun = world.begin_on(made["volume"], VolumeAction.RETYPE, type_id=type_id, on_demand=True, taken=taken)
    return Started(begun, made["volume"])


def _retype_into_pool(world: VolumeWorld, made: dict[str, str]) -> Started:
    """Where it takes none of a node's disk."""
    return _retype(world, made, "ceph")


def _migrate(world: VolumeWorld, made: dict[str, str]) -> Started:
    (node,) = {"n1", "n2"} - {str(world.volume(made["volume"]).node_name)}
    return Started(world.begin_on(made["volume"], VolumeAction.MIGRATE, host=node), made["volume"])


def _remove_copy(world: VolumeWorld, made: dict[str, str]) -> Started:
    """As after a migration to the other node."""
    with world.db.write() as session:
        volume = volumes.get(session, made["volume"])
        was = volume_moves.place_of(volume)
        assert was is not None
        (name,) = {"n1", "n2"} - {was.node_name}
        other = nodes.by_name(session, name)
        assert other is not None
        now, amounts = world.clock.now(), nodes.Amounts(vcpus=0, memory_mib=0, disk_gib=2)
        assert nodes.claim(
            session, consumer_id=volume.id, node_id=other.id, amounts=amounts, project_id=PROJECT, user_id=USER, now=now,
            purpose=volume_moves.PURPOSE,
        )  # fmt: skip
        there = replace(was, node_id=other.id, node_name=name)
        volume_moves.switch(session, volume, there, now)
        world.nodes[name].volumes.add(volume.id)
        operation = volume_moves.begin_removal(session, volume, was, world.context(), now)
        assert operation is not None
        return Started(operation.id, volume.id)


def _upload(world: VolumeWorld, made: dict[str, str]) -> Started:
    with world.db.write() as session:
        image_id = world._image(session)
    operation_id = world.begin_on(made["volume"], VolumeAction.UPLOAD, image_id=image_id, image_format="qcow2")
    return Started(operation_id, made["volume"], image_id=image_id)


def _snapshot(world: VolumeWorld, made: dict[str, str]) -> Started:
    snapshot_id, operation_id = world.new_snapshot(made["volume"])
    return Started(operation_id, made["volume"], snapshot_id)


def _snapshot_delete(world: VolumeWorld, made: dict[str, str]) -> Started:
    with world.db.write() as session:
        snapshot = volume_snapshots.get(session, made["snapshot"])
        operation = volume_snapshots.begin_delete(session, snapshot, world.context(), world.clock.now())
        return Started(operation.id, made["volume"], made["snapshot"])


def _volume_and_backup(world: VolumeWorld) -> dict[str, str]:
    volume_id = world.placed_volume()
    return {"volume": volume_id, "backup": world.placed_backup(volume_id)}


def _back_up(world: VolumeWorld, made: dict[str, str]) -> Started:
    backup_id, operation_id = world.new_backup(made["volume"])
    return Started(operation_id, made["volume"], backup_id=backup_id)


def _import(world: VolumeWorld, made: dict[str, str]) -> Started:
    backup_id, operation_id = world.new_backup(made["volume"], "backup_import")
    return Started(operation_id, made["volume"], backup_id=backup_id)


def _backup_delete(world: VolumeWorld, made: dict[str, str]) -> Started:
    with world.db.write() as session:
        backup = volume_backups.get(session, made["backup"])
        operation = volume_backups.begin_delete(session, backup, world.context(), world.clock.now())
        return Started(operation.id, made["volume"], backup_id=made["backup"])


def _restore(world: VolumeWorld, made: dict[str, str]) -> Started:
    with world.db.write() as session:
        available = (BackupStatus.AVAILABLE,)
        volume_backups.set_status(session, made["backup"], available, BackupStatus.RESTORING, world.clock.now())
    operation_id = world.begin_on(made["volume"], VolumeAction.RESTORE, backup_id=made["backup"])
    return Started(operation_id, made["volume"])


def _server_and_volume(world: VolumeWorld) -> dict[str, str]:
    made = {"volume": world.served_volume(), "server": world.placed_instance()}
    return made | {"attachment": world.new_attachment(made["server"], made["volume"])}


def _attached(world: VolumeWorld) -> dict[str, str]:
    made = _server_and_volume(world)
    world.begin_device(made["server"], made["volume"], made["attachment"], Action.ATTACH_VOLUME)
    world.run()
    assert world.volume(made["volume"]).status == VolumeStatus.IN_USE
    return made


def _attach(world: VolumeWorld, made: dict[str, str]) -> Started:
    begin = world.begin_device
    return Started(begin(made["server"], made["volume"], made["attachment"], Action.ATTACH_VOLUME), made["volume"])


def _over(world: VolumeWorld) -> dict[str, str]:
    """Attached, and then the server went without a word to the volume's node."""
    made = _attached(world)
    with world.db.write() as session:
        volume_attachments.end(session, made["attachment"], world.clock.now())
        volumes.settle(session, made["volume"], world.clock.now())
    for node in world.nodes.values():
        node.devices.clear()
    return made


def _withdraw(world: VolumeWorld, made: dict[str, str]) -> Started:
    with world.db.write() as session:
        export = volume_exports.of_attachment(session, made["attachment"])
        assert export is not None
        operation = volume_exports.begin_withdrawal(session, export, world.context(), world.clock.now())
        return Started(operation.id, made["volume"])


def _detach(world: VolumeWorld, made: dict[str, str]) -> Started:
    begin = world.begin_device
    return Started(begin(made["server"], made["volume"], made["attachment"], Action.DETACH_VOLUME), made["volume"])


def _served(world: VolumeWorld) -> dict[str, str]:
    """A volume that is served, and the type of such ones."""
    with world.db.write() as session:
        wanted = {"name": "t", "extra_specs": {"volume_backend_name": NBD}}
        type_id = volume_types.create(session, wanted, world.clock.now()).id
    return {"volume": world.served_volume(), "type": type_id}


def _with_volumes(world: VolumeWorld, made: dict[str, str]) -> Started:
    """A new server that boots from a volume that is there, and has another that is made for it."""
    instance_id = world.new_instance(image_id=None, image={"volume_backed": True, "properties": {}})
    second_id, _ = world.new_volume(made.get("type"), for_instance=instance_id, apart="type" in made)
    with world.db.write() as session:
        now = world.clock.now()
        assert volumes.set_status(session, made["volume"], (VolumeStatus.AVAILABLE,), VolumeStatus.RESERVED, now)
        for number, volume_id in enumerate((made["volume"], second_id)):
            row = {
                "id": new_id(), "volume_id": volume_id, "project_id": PROJECT, "instance_id": instance_id,
                "status": AttachStatus.RESERVED, "device": f"vd{'ab'[number]}", "boot_index": None if number else 0,
                "node_name": "",
            }  # fmt: skip
            volume_attachments.add(session, row, now)
    apart = [second_id] if "type" in made else []
    operation_id = world.begin(
        instance_id, Action.CREATE, volumes=True, made_volumes=[second_id], apart_volumes=apart
    )  # fmt: skip
    return Started(operation_id, made["volume"])


WITH_VOLUMES, WITH_SERVED = "server_create with volumes", "server_create with served volumes"


#: How each saga is started. One that is not here, nor in test_every_saga, fails test_every_saga_is_in_the_harness.
def _migrate_server(world: VolumeWorld, made: dict[str, str]) -> Started:
    """To the other node, with the volume that is served to it."""
    return Started(world.begin(made["server"], Action.MIGRATE), made["volume"])


MIGRATED = "server_resize with a served volume"
STARTED_BY: dict[str, Case] = {
    MIGRATED: Case(_attached, _migrate_server, "in-use", "in-use", (1, 0, 4), (1, 0, 3)),
    WITH_VOLUMES: Case(_volume, _with_volumes, "in-use", "available", (2, 0, 4), (1, 0, 2)),
    WITH_SERVED: Case(_served, _with_volumes, "in-use", "available", (2, 0, 4), (1, 0, 2)),
    "backup_create": Case(_volume, _back_up, "available", "error", (1, 0, 2), (1, 0, 2), backups=(1, 0)),
    "backup_delete": Case(
        _volume_and_backup, _backup_delete, "", "error_deleting", (1, 0, 2), (1, 0, 2), backups=(0, 1)
    ),
    "backup_import": Case(_volume, _import, "available", "error", (1, 0, 2), (1, 0, 2)),
    "backup_restore": Case(
        _volume_and_backup, _restore, "available", "error_restoring", (1, 0, 2), (1, 0, 2), backups=(1, 1)
    ),
    "export_withdraw": Case(_over, _withdraw, "available", "available", (1, 0, 3), (1, 0, 3)),
    "server_attach_volume": Case(_server_and_volume, _attach, "in-use", "available", (1, 0, 3), (1, 0, 3)),
    "server_detach_volume": Case(_attached, _detach, "available", "in-use", (1, 0, 3), (1, 0, 3)),
    "volume_create": Case(_volume, _clone, "available", "error", (2, 0, 4), (1, 0, 2)),
    "volume_delete": Case(_volume_and_snapshot, _delete, "", "error_deleting", (0, 0, 0), (1, 0, 2)),
    "volume_extend": Case(_volume, _extend, "available", "error_extending", (1, 0, 5), (1, 0, 2)),
    "volume_revert": Case(_volume_and_snapshot, _revert, "available", "error", (1, 1, 4), (1, 1, 4)),
    "volume_migrate": Case(_volume, _migrate, "available", "available", (1, 0, 2), (1, 0, 2)),
    "volume_retype": Case(_volume, _retype, "available", "available", (1, 0, 2), (1, 0, 2)),
    "volume_retype into a pool": Case(_volume, _retype_into_pool, "available", "available", (1, 0, 0), (1, 0, 2)),
    "volume_remove_copy": Case(_volume, _remove_copy, "available", "available", (1, 0, 2), (1, 0, 2)),
    "volume_upload": Case(_volume, _upload, "available", "available", (1, 0, 2), (1, 0, 2)),
    "snapshot_create": Case(_volume, _snapshot, "available", "error", (1, 1, 4), (1, 0, 2), about_snapshot=True),
    "snapshot_delete": Case(
        _volume_and_snapshot, _snapshot_delete, "", "error_deleting", (1, 0, 2), (1, 1, 4), about_snapshot=True
    ),
}
