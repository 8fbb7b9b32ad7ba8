"""What the compute API reads about servers: lists with their filters, groups and hosts, in a few statements.

State is written by common/db/instances.py only; here are also the plain edits of a row (name, metadata, tags, lock).
"""

from __future__ import annotations

from collections import defaultdict, namedtuple
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.context import RequestContext
from common.db import flavors, images, paging
from common.db.filters import among
from common.db.models import (
    Flavor,
    Image,
    Instance,
    IpAllocation,
    Node,
    Port,
    PortSecurityGroup,
    SecurityGroup,
    Service,
    VolumeAttachment,
)
from common.db.patterns import matches
from common.db.ports import InstanceAddress
from common.errors import NotFound
from common.states import TaskState, VmState, server_status

SORT_COLUMNS: dict[str, InstrumentedAttribute[Any]] = {
    "access_ip_v4": Instance.access_ip_v4,
    "access_ip_v6": Instance.access_ip_v6,
    "auto_disk_config": Instance.disk_config,
    "availability_zone": Instance.availability_zone,
    "config_drive": Instance.config_drive,
    "created_at": Instance.created_at,
    "display_description": Instance.description,
    "display_name": Instance.name,
    "host": Instance.node_name,
    "hostname": Instance.hostname,
    "image_ref": Instance.image_id,
    "instance_type_id": Instance.flavor_id,
    "key_name": Instance.key_name,
    "launch_index": Instance.launch_index,
    "launched_at": Instance.launched_at,
    "locked": Instance.locked,
    "node": Instance.node_name,
    "power_state": Instance.power_state,
    "progress": Instance.progress,
    "project_id": Instance.project_id,
    "task_state": Instance.task_state,
    "terminated_at": Instance.terminated_at,
    "updated_at": Instance.updated_at,
    "user_id": Instance.user_id,
    "uuid": Instance.id,
    "vm_state": Instance.vm_state,
}


@dataclass(frozen=True, kw_only=True)
class ServerFilter:
    """None: not asked for. Texts in `patterns` are simple expressions (common/db/patterns.py), by column."""

    project_id: str | None = None
    deleted: bool | None = False  # None: both
    equals: tuple[tuple[str, Any], ...] = ()  # (key of EQUALS, value)
    patterns: tuple[tuple[str, str], ...] = ()  # (key of PATTERNS, expression)
    times: tuple[tuple[str, datetime, datetime], ...] = ()  # (key of TIMES, from, up to and without)
    soft_deleted: bool | None = None  # with those that can be restored; None: with deleted ones, but not with others
    statuses: tuple[str, ...] | None = None
    address_v4: str | None = None
    address_v6: str | None = None
    changes_since: datetime | None = None
    changes_before: datetime | None = None
    tags: tuple[str, ...] = ()
    tags_any: tuple[str, ...] = ()
    not_tags: tuple[str, ...] = ()
    not_tags_any: tuple[str, ...] = ()


def _root_device() -> sa.ColumnElement[str]:
    """As views show it: a disk of its own is the first one."""
    first = (VolumeAttachment.boot_index == 0, VolumeAttachment.deleted.is_(False))
    mine = sa.select(sa.func.min(VolumeAttachment.device)).where(VolumeAttachment.instance_id == Instance.id, *first)
    found = mine.correlate(Instance).scalar_subquery()
    return sa.literal("/dev/") + sa.func.coalesce(found, "vda")


EQUALS: dict[str, sa.ColumnElement[Any] | InstrumentedAttribute[Any]] = {
    "auto_disk_config": Instance.disk_config,
    "availability_zone": Instance.availability_zone,
    "config_drive": Instance.config_drive,
    "flavor": Instance.flavor_id,
    "host": Instance.node_name,
    "image": Instance.image_id,
    "kernel_id": sa.literal(""),  # nobody's image has a kernel of its own
    "key_name": Instance.key_name,
    "launch_index": Instance.launch_index,
    "locked": Instance.locked,
    "locked_by": Instance.locked_by,
    "node": Instance.node_name,
    "power_state": Instance.power_state,
    "progress": Instance.progress,
    "ramdisk_id": sa.literal(""),
    "reservation_id": Instance.reservation_id,
    "root_device_name": _root_device(),
    "task_state": Instance.task_state,
    "user_id": Instance.user_id,
    "uuid": Instance.id,
    "vm_state": Instance.vm_state,
}
PATTERNS: dict[str, InstrumentedAttribute[Any]] = {
    "access_ip_v4": Instance.access_ip_v4,
    "access_ip_v6": Instance.access_ip_v6,
    "description": Instance.description,
    "hostname": Instance.hostname,
    "name": Instance.name,
}
TIMES: dict[str, InstrumentedAttribute[Any]] = {
    "created_at": Instance.created_at,
    "launched_at": Instance.launched_at,
    "terminated_at": Instance.terminated_at,
}

#: what lists show; no user data, keys and files: nobody wants a thousand of them
_LISTED = (
    "id", "project_id", "user_id", "name", "description", "hostname", "vm_state", "task_state", "power_state", "node_id",
    "node_name", "flavor", "image_id", "key_name", "config_drive", "properties", "tags", "availability_zone", "disk_config",
    "access_ip_v4", "access_ip_v6", "locked", "locked_reason", "progress", "reservation_id", "launch_index", "fault",
    "created_at", "updated_at", "launched_at", "terminated_at",
)  # fmt: skip
_WHOLE = (*_LISTED, "scheduler_hints", "image")  # shown since 2.98


def list_page(session: Session, wanted: ServerFilter, page: paging.Page, *, whole: bool = False) -> Sequence[Instance]:
    """One page, newest first unless asked otherwise: rows that can be read as instances, but for what is not in lists.

    Raises InvalidRequest for an unknown marker or sort key, or a pattern that isn't understood.
    """
    columns, record, as_json = _listed(_WHOLE if whole else _LISTED)
    query = sa.select(*columns).where(*_conditions(session, wanted))
    rows = paging.fetch_rows(
        session, query, page, columns=SORT_COLUMNS, default=(("created_at", True),), key=Instance.id
    )
    decode = lru_cache(maxsize=len(rows))(msgspec.json.decode)
    found = []
    for row in rows:
        values = list(row)
        for number in as_json:
            values[number] = values[number] and decode(values[number])
        found.append(record(*values))
    return cast("Sequence[Instance]", found)


@cache
def _listed(names: tuple[str, ...]) -> tuple[Sequence[sa.ColumnElement[Any]], Callable[..., Any], list[int]]:
    """The columns to read, what a row becomes, and which columns are JSON.

    That is read as text and decoded here: the many servers of a list have few flavors, images and tags between them.
    """
    table = cast(sa.Table, Instance.__table__).columns
    as_json = [number for number, name in enumerate(names) if isinstance(table[name].type, sa.JSON)]
    columns = [sa.cast(table[name], sa.Text) if n in as_json else table[name] for n, name in enumerate(names)]
    return columns, namedtuple("ListedServer", names), as_json


def _conditions(session: Session, wanted: ServerFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.project_id is not None:
        found.append(Instance.project_id == wanted.project_id)
    soft_deleted = Instance.vm_state == VmState.SOFT_DELETED
    if wanted.deleted:
        with_those = wanted.soft_deleted is not False
        found.append(sa.or_(Instance.deleted.is_(True), soft_deleted) if with_those else Instance.deleted.is_(True))
    elif wanted.deleted is False:
        found.append(Instance.deleted.is_(False))
        if not wanted.soft_deleted and not _asks_for_deleted(wanted):
            found.append(sa.not_(soft_deleted))
    found += [EQUALS[key] == value for key, value in wanted.equals]
    found += [matches(PATTERNS[key], value) for key, value in wanted.patterns]
    found += [sa.and_(TIMES[key] >= begin, TIMES[key] < end) for key, begin, end in wanted.times]
    if wanted.statuses is not None:
        found.append(_has_status(wanted.statuses))
    found += [_has_address(text, 4) for text in (wanted.address_v4,) if text]
    found += [_has_address(text, 6) for text in (wanted.address_v6,) if text]
    if wanted.changes_since is not None:
        found.append(Instance.updated_at >= wanted.changes_since)
    if wanted.changes_before is not None:
        found.append(Instance.updated_at <= wanted.changes_before)
    return found + _tag_conditions(session, wanted)


def _asks_for_deleted(wanted: ServerFilter) -> bool:
    """By what it is to be, or by its id: lists show servers that can be restored to nobody else."""
    by_status = server_status(VmState.SOFT_DELETED, None) in (wanted.statuses or ())
    return by_status or any(key in ("vm_state", "uuid") for key, _ in wanted.equals)


def _tag_conditions(session: Session, wanted: ServerFilter) -> list[sa.ColumnElement[bool]]:
    found = [_has_tag(session, tag) for tag in wanted.tags]
    if wanted.tags_any:
        found.append(sa.or_(*(_has_tag(session, tag) for tag in wanted.tags_any)))
    if wanted.not_tags:
        found.append(sa.not_(sa.and_(*(_has_tag(session, tag) for tag in wanted.not_tags))))
    found += [sa.not_(_has_tag(session, tag)) for tag in wanted.not_tags_any]
    return found


def _has_tag(session: Session, tag: str) -> sa.ColumnElement[bool]:
    elements = sa.func.json_each if session.get_bind().dialect.name == "sqlite" else sa.func.json_array_elements_text
    values = elements(Instance.tags).table_valued("value")
    return sa.exists(sa.select(1).select_from(values).where(values.c.value == tag).correlate(Instance))


@cache
def _states_of(status: str) -> tuple[tuple[str, str | None], ...]:
    """The (vm_state, task_state) pairs that are shown as `status`."""
    tasks: list[str | None] = [None, *TaskState]
    return tuple((vm, task) for vm in VmState for task in tasks if server_status(vm, task) == status)


def _has_status(statuses: Sequence[str]) -> sa.ColumnElement[bool]:
    pairs = {pair for status in statuses for pair in _states_of(status)}
    branches: list[sa.ColumnElement[bool]] = []
    for vm_state in VmState:
        tasks = {task for vm, task in pairs if vm == vm_state}
        if not tasks:
            continue
        named = sorted(task for task in tasks if task is not None)
        task_is = sa.or_(Instance.task_state.in_(named), Instance.task_state.is_(None) if None in tasks else sa.false())
        everything = len(tasks) == len(TaskState) + 1
        branches.append(sa.and_(Instance.vm_state == vm_state, sa.true() if everything else task_is))
    return sa.or_(sa.false(), *branches)


def _has_address(text: str, ip_version: int) -> sa.ColumnElement[bool]:
    kind = IpAllocation.ip_address.like("%:%") if ip_version == 6 else IpAllocation.ip_address.not_like("%:%")
    return sa.exists(
        sa.select(1)
        .select_from(Port)
        .join(IpAllocation, IpAllocation.port_id == Port.id)
        .where(
            Port.device_id == Instance.id,
            Port.device_owner.like("compute:%"),
            kind,
            matches(IpAllocation.ip_address, text),
        )
        .correlate(Instance)
    )


_FLAVOR_AND_IMAGE = sa.select(Flavor, Image).select_from(Flavor).outerjoin(Image, images.VISIBLE).where(flavors.VISIBLE)


def flavor_and_image(
    session: Session, flavor_id: str, image_id: str, context: RequestContext
) -> tuple[Flavor | None, Image | None]:
    """What a server is to be made of, each if the caller may use it; no image without the flavor. One statement."""
    wanted = {"flavor_id": flavor_id, "image_id": image_id.lower(), **flavors.caller(context), **images.caller(context)}
    row = session.execute(_FLAVOR_AND_IMAGE, wanted).one_or_none()
    return (None, None) if row is None else (row[0], row[1])


def security_group_names(session: Session, plugged: Mapping[str, Sequence[InstanceAddress]]) -> dict[str, list[str]]:
    """Names of the groups on the ports of these instances, by instance; one entry per group, by name."""
    owners = {address.port_id: instance_id for instance_id, found in plugged.items() for address in found}
    if not owners:
        return {}
    # from the ports' ids, which the caller has: looking for the ports again would take longer than the groups
    rows = session.connection().execute(
        sa.select(PortSecurityGroup.port_id, SecurityGroup.id, SecurityGroup.name)
        .join(SecurityGroup, SecurityGroup.id == PortSecurityGroup.security_group_id)
        .where(among(session, PortSecurityGroup.port_id, list(owners)))
        .order_by(SecurityGroup.name, SecurityGroup.id)
    )
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for port_id, group_id, name in rows.all():
        found[owners[port_id]][group_id] = name
    return {instance_id: list(groups.values()) for instance_id, groups in found.items()}


def security_groups(session: Session, instance_ids: Sequence[str]) -> list[SecurityGroup]:
    """The groups on any port of these instances, by name."""
    on_ports = (
        sa.select(PortSecurityGroup.security_group_id)
        .join(Port, Port.id == PortSecurityGroup.port_id)
        .where(Port.device_id.in_(instance_ids), Port.device_owner.like("compute:%"))
    )
    query = sa.select(SecurityGroup).where(SecurityGroup.id.in_(on_ports))
    return list(session.scalars(query.order_by(SecurityGroup.name, SecurityGroup.id)))


@dataclass(frozen=True)
class Host:
    """The service of the node that an instance is on."""

    availability_zone: str
    disabled: bool
    forced_down: bool
    last_seen_at: datetime | None


def hosts(session: Session, node_ids: Sequence[str]) -> dict[str, Host]:
    rows = session.execute(
        sa.select(Node.id, Service.availability_zone, Service.disabled, Service.forced_down, Service.last_seen_at)
        .join(Service, Service.number == Node.service_number)
        .where(Node.id.in_(node_ids))
    )
    return {node_id: Host(zone, disabled, down, seen) for node_id, zone, disabled, down, seen in rows}


def get_for_update(session: Session, instance_id: str, context: RequestContext) -> Instance:
    """The living instance, its row locked, if the caller may see it. Raises NotFound."""
    found = session.get(Instance, instance_id, with_for_update=True, populate_existing=True)
    if found is None or found.deleted or not context.owns(found.project_id):
        raise NotFound(f"Instance {instance_id} could not be found.")
    return found


def living(session: Session, instance_ids: Collection[str]) -> dict[str, Instance]:
    """Those of these instances that are not deleted, by id."""
    query = sa.select(Instance).where(Instance.id.in_(sorted(instance_ids)), Instance.deleted.is_(False))
    return {row.id: row for row in session.scalars(query)}
