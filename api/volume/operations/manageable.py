"""Files that lie on nodes and may become volumes and snapshots: lists of them, and the taking in.

The node is asked while the client waits, outside any transaction; it looks again when it takes a file in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from api.request import Services
from api.volume.operations import type_of_volume
from api.volume.operations.begun import begun
from api.volume.operations.snapshots import create_in as create_snapshot
from api.volume.operations.volume_create import project_of, take_quota, zone_of
from api.volume.operations.volumes import VolumePage, check_files, of_rows
from common.context import RequestContext
from common.db import volume_quota, volume_services, volumes
from common.db.models import VolumeSnapshot, VolumeType
from common.db.volume_services import Managed
from common.errors import Conflict, InvalidRequest
from common.ids import new_id
from common.rpc import queries_v1
from common.rpc.queries_v1 import UnmanagedFile
from common.volume_capabilities import NBD, asks_for, of_node, unmet

_GIB = 1024**3
SOURCE_NAME = "source-name"
_FORMATS = (".qcow2", ".raw")


@dataclass(frozen=True, kw_only=True)
class NewFromFile:
    """host: NODE@BACKEND#POOL. name_of_file: with or without the format that it ends with."""

    host: str
    name_of_file: str
    name: str | None = None
    description: str | None = None
    volume_type: str | None = None
    availability_zone: str | None = None
    bootable: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One row of a list. managed_as: the id of the volume or snapshot that it is already. source: of a snapshot, its volume's."""

    name: str
    size_gib: int
    unsafe: str
    managed_as: str | None = None
    source: str | None = None


def list_all(services: Services, host: str, *, snapshots: bool) -> list[Entry]:
    """What is managed there, and what could be. Raises InvalidRequest, Conflict, NodeUnreachable."""
    with services.db.read() as session:
        node, backend = _host(session, host)
        managed = volume_services.managed_on(session, node, backend, snapshots=snapshots)
    known = [Entry(_name_of(each), each.size_gib, "already managed", each.id, _source_of(each)) for each in managed]
    return [*known, *(_entry(each) for each in _ask(services, node, snapshots=snapshots))]


def _name_of(row: Managed) -> str:
    return f"{row.id}.{row.disk_format}"


def _source_of(row: Managed) -> str | None:
    return f"{row.volume_id}.{row.volume_format}" if row.volume_id else None


def _entry(found: UnmanagedFile) -> Entry:
    return Entry(found.name, _size_gib(found), found.unsafe)


def _size_gib(found: UnmanagedFile) -> int:
    return max(-(-found.size_bytes // _GIB), 0 if found.unsafe else 1)


def _ask(services: Services, node: str, *, snapshots: bool) -> list[UnmanagedFile]:
    answer = services.bus.ask(node, queries_v1.UnmanagedFiles(snapshots=snapshots))
    if answer.error_code:
        raise Conflict(answer.message or f"The agent of node {node} answered {answer.error_code}.", node=node)
    return answer.files


def _host(session: Session, host: str) -> tuple[str, str]:
    """(node, back end). Raises InvalidRequest for one that is not there, or is closed."""
    wanted, _, _ = host.partition("#")
    for pool in volume_services.pools(session):
        if pool.enabled and wanted in (pool.node_name, volume_services.host_of(pool.node_name, pool.backend)):
            check_files(pool.backend)
            return pool.node_name, pool.backend
    raise InvalidRequest(f"Invalid host: Host '{host[:80]}' not found, or closed to volumes.")


def name_in(ref: Any) -> str:
    """What a reference names. Raises InvalidRequest."""
    name = ref.get(SOURCE_NAME) if isinstance(ref, Mapping) else None
    if not isinstance(name, str) or not name:
        raise InvalidRequest(
            "Invalid input received: Failed to manage existing volume: the reference must contain source-name, as the lists of"
            " what is manageable name it."
        )
    return name


def _found(services: Services, node: str, name: str, *, snapshots: bool) -> UnmanagedFile:
    names = (name, *(name + each for each in _FORMATS))
    found = [each for each in _ask(services, node, snapshots=snapshots) if each.name in names]
    if len(found) != 1:
        raise InvalidRequest(
            f"Invalid input received: Failed to manage existing volume due to invalid backend reference: node {node} has"
            f" {'several files' if found else 'no file'} {name[:80]}."
        )
    if found[0].unsafe:
        raise InvalidRequest(f"Invalid input received: {found[0].name} can't be managed: {found[0].unsafe}.")
    return found[0]


def manage_volume(services: Services, context: RequestContext, wanted: NewFromFile) -> VolumePage:
    """Begin to make a volume of a file. Raises InvalidRequest, Conflict, NodeUnreachable, QuotaExceeded (413)."""
    with services.db.read() as session:
        node, backend = _host(session, wanted.host)
    found = _found(services, node, wanted.name_of_file, snapshots=False)
    size_gib, project_id = _size_gib(found), project_of(context)

    def work(session: Session) -> tuple[str, VolumePage]:
        kind = type_of_volume.choose(session, context, wanted.volume_type, None)
        _check_type(kind, found, backend)
        amounts = volume_quota.with_type({"volumes": 1, "gigabytes": size_gib}, kind.id)
        take_quota(session, project_id, amounts, services, size_gib)
        row = {
            "id": new_id(), "project_id": project_id, "user_id": context.user_id, "name": wanted.name,
            "description": wanted.description, "size_gib": size_gib, "volume_type_id": kind.id,
            "availability_zone": zone_of(session, wanted.availability_zone), "bootable": wanted.bootable,
            "properties": dict(wanted.properties), "multiattach": asks_for(kind.extra_specs, "multiattach"),
        }  # fmt: skip
        others = [pool for pool in volume_services.pools(session) if pool.node_name == node and pool.backend != backend]
        params = {
            "existing": found.name, "node": node, "disk_format": found.disk_format,
            "closed": {volume_services.host_of(node, pool.backend): "not the one with the file" for pool in others},
        }  # fmt: skip
        operation_id = volumes.create(session, row, context, services.clock.now(), params)
        return operation_id, of_rows(session, [volumes.get(session, str(row["id"]))])

    return begun(services, "volume_create", work)


def _check_type(kind: VolumeType, found: UnmanagedFile, backend: str) -> None:
    if found.disk_format != "raw" and (backend == NBD or asks_for(kind.extra_specs, "multiattach")):
        raise InvalidRequest(
            f"Invalid volume type: {found.name} would have to be raw for type {kind.name} on back end {backend}."
        )
    lacks = unmet(kind.extra_specs, of_node(backend=backend, total_gib=0, reserved_gib=0, allocated_gib=0))
    if lacks is not None:
        raise InvalidRequest(f"Invalid volume type: back end {backend} is not for type {kind.name}: {lacks}.")


def manage_snapshot(
    services: Services, context: RequestContext, volume_id: str, name_of_file: str, *, name: str | None,
    description: str | None, properties: Mapping[str, str],
) -> VolumeSnapshot:  # fmt: skip
    """Begin to make a snapshot of a file beside the volume's.

    Raises NotFound, InvalidRequest, Conflict, NodeUnreachable, QuotaExceeded (413).
    """
    with services.db.read() as session:
        volume = volumes.get_visible(session, volume_id, context)
    if volume.node_name is None:
        raise InvalidRequest(f"Invalid volume: Volume {volume.id} is on no node: its creation failed.")
    check_files(volume.backend)
    found = _found(services, volume.node_name, name_of_file, snapshots=True)
    if found.size_bytes > volume.size_gib * _GIB:
        raise InvalidRequest(
            f"Invalid snapshot: {found.name} is larger than volume {volume.id}: {found.size_bytes} bytes."
        )

    def work(session: Session) -> tuple[str, VolumeSnapshot]:
        return create_snapshot(
            session, services, context, volume_id, name=name, description=description, properties=properties, forced=True,
            existing=found.name,
        )  # fmt: skip

    return begun(services, "snapshot_create", work)
