"""POST /servers: one transaction takes quota, writes instances, ports and operations; nothing else can be left over."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.compute.operations import server_boot_volumes, server_disks, server_networks, server_references
from api.compute.operations.quota_defaults import defaults
from api.compute.operations.server_disks import Disks, WantedDisks
from api.compute.operations.server_networks import NetworkChoice, Nic, Plugged
from api.request import Services
from common import admin_password
from common.config import Config
from common.context import RequestContext
from common.db import instances, network_quota, quotas, server_groups, user_quotas
from common.db.models import Flavor, Image
from common.errors import Forbidden, QuotaExceeded
from common.ids import new_id
from common.killpoints import reach
from common.secret import Secret


@dataclass(frozen=True, kw_only=True)
class NewServer:
    """A create request, read but not yet resolved. groups: names or ids. user_data is base64."""

    name: str
    flavor_id: str
    disks: WantedDisks
    networks: Sequence[Nic] | NetworkChoice | None = None
    groups: Sequence[str] = ()
    key_name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    description: str | None = None
    user_data: str | None = None
    config_drive: bool = False
    files: Sequence[Mapping[str, str]] = ()  # injected: {"path", "contents"}
    disk_config: str = "MANUAL"
    access_ip_v4: str = ""
    access_ip_v6: str = ""
    zone: str | None = None
    requested_node: str | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)
    hostname: str | None = None  # None: made from the name
    admin_password: Secret  # for the config drive, if there is one
    min_count: int = 1
    max_count: int = 1


@dataclass(frozen=True)
class Created:
    instance_ids: tuple[str, ...]
    reservation_id: str


@dataclass(frozen=True)
class _References:
    """What the request's names stand for."""

    flavor: Flavor
    image_id: str | None
    image: dict[str, Any]  # what the servers keep of it
    disks: Disks
    public_key: str | None
    group_ids: tuple[str, ...] | None
    nics: tuple[Nic, ...]


def create(services: Services, context: RequestContext, new: NewServer) -> Created:
    """Accept the servers: rows, ports, quota and operations are there, or an error and nothing.

    Raises InvalidRequest, Forbidden, QuotaExceeded, Conflict, NoAddressLeft.
    """
    if context.project_id is None:
        raise Forbidden("A token for a project is needed to create a server.")
    project_id = context.project_id
    server_networks.check_count(new.networks, new.max_count)
    limits = network_quota.defaults(services.config.quota) | defaults(services.config.quota)

    def work(session: Session) -> tuple[Created, list[str]]:
        now = services.clock.now()
        check_metadata(session, project_id, context.user_id, new.metadata, limits)
        references = _resolve(session, context, new, now)
        group = server_references.server_group(session, new.hints, context)
        count = _take_quota(session, project_id, context.user_id, references, new, limits)
        reservation_id = f"r-{secrets.token_hex(4)}"
        rows = [
            _row(new, references, context, reservation_id=reservation_id, index=index, count=count, now=now)
            for index in range(count)
        ]
        own, begun = _with_volumes(session, services, context, new, references.disks, rows, now)
        operation_ids = [*instances.create(session, rows, context, now, _params(new, services.config), own), *begun]
        if group is not None:
            allowed = user_quotas.effective_limits(session, project_id, context.user_id, limits)
            server_groups.join(session, group, [row["id"] for row in rows], allowed["server_group_members"])
        for row in rows:
            server = Plugged(row["id"], project_id, row["hostname"])
            server_networks.plug(
                session, server, references.nics, references.group_ids, config=services.config, now=now
            )
        created = Created(tuple(row["id"] for row in rows), reservation_id)
        reach("api", "server_create", "before_commit")
        return created, operation_ids

    try:
        created, operation_ids = services.db.run(work)
    except server_networks.NoNetworkYet:  # a request that is wrong in itself has been refused before
        server_networks.allocate(services, project_id)
        created, operation_ids = services.db.run(work)
    reach("api", "server_create", "after_commit")
    for operation_id in operation_ids:
        services.bus.hint(operation_id)
    return created


def _resolve(session: Session, context: RequestContext, new: NewServer, now: datetime) -> _References:
    image_id = new.disks.image_id or None
    wanted, source = server_references.flavor_and_image(session, new.flavor_id, image_id, context)
    disks = server_disks.arrange(new.disks, server_disks.of_image(source.properties) if source else (), new.max_count)
    image = _image(session, context, wanted, source, disks)
    server_references.check_local_disks(wanted, disks.ephemeral_gib, disks.swap_mib)
    server_references.check_zone(session, new.zone)
    server_references.check_node(session, new.requested_node)
    server_boot_volumes.check_places(session, context, disks, new.zone)
    return _References(
        flavor=wanted,
        image_id=image_id,
        image=image,
        disks=disks,
        public_key=server_references.public_key(session, new.key_name, context),
        group_ids=server_references.group_ids(session, new.groups, context.project_id or "", now),
        nics=server_networks.resolve(session, new.networks, context),
    )


def _image(
    session: Session, context: RequestContext, flavor: Flavor, source: Image | None, disks: Disks
) -> dict[str, Any]:
    """What the servers keep of what they are booted from. Raises InvalidRequest."""
    if disks.root is not None:
        return server_boot_volumes.image_copy(session, context, disks.root, source, flavor)
    assert source is not None  # arrange() has seen to it
    bootable = server_references.bootable(source)
    server_references.check_fits(flavor, bootable)
    return server_references.image_copy(bootable)


def _with_volumes(
    session: Session, services: Services, context: RequestContext, new: NewServer, disks: Disks,
    rows: Sequence[Mapping[str, Any]], now: datetime,
) -> tuple[dict[str, dict[str, Any]], list[str]]:  # fmt: skip
    """What each server's operation is to know of its volumes, and the operations that make them."""
    own: dict[str, dict[str, Any]] = {}
    begun: list[str] = []
    for row in rows if disks.volumes else ():
        made = server_boot_volumes.add(
            session, services, context, disks, row, new.zone, multiattach=new.disks.multiattach, now=now
        )
        own[row["id"]] = {
            "volumes": True, "made_volumes": list(made.volume_ids), "apart_volumes": list(made.apart),
        }  # fmt: skip
        begun += made.operation_ids
    return own, begun


def check_metadata(
    session: Session, project_id: str, user_id: str, metadata: Mapping[str, str], limits: Mapping[str, int]
) -> None:
    """Raises QuotaExceeded for more items than the user may give a server of the project."""
    if not metadata:
        return
    limit = user_quotas.effective_limits(session, project_id, user_id, limits)["metadata_items"]
    check_metadata_count(len(metadata), limit)


def check_metadata_count(count: int, limit: int) -> None:
    """Raises QuotaExceeded; a negative limit is none."""
    if 0 <= limit < count:
        raise QuotaExceeded(f"Maximum number of metadata items exceeds {limit}", resource="metadata_items")


def _take_quota(
    session: Session, project_id: str, user_id: str, references: _References, new: NewServer, limits: Mapping[str, int]
) -> int:
    """How many servers are made: all that were asked for, or as many as fit when min_count allows fewer.

    Their new ports are counted with them.
    """
    flavor, new_ports = references.flavor, sum(1 for nic in references.nics if not nic.port_id)
    each = {"instances": 1, "cores": flavor.vcpus, "ram": flavor.memory_mib}
    each |= {"port": new_ports} if new_ports else {}
    count = new.max_count
    if new.min_count < new.max_count:
        rooms = _rooms(each, quotas.effective_limits(session, project_id, limits), quotas.usage(session, project_id))
        if own := user_quotas.limits(session, project_id, user_id):
            rooms += _rooms(each, own, user_quotas.usage(session, project_id, user_id))
        count = max(new.min_count, min([new.max_count, *rooms]))
    amounts = {key: amount * count for key, amount in each.items()}
    user_quotas.take(session, project_id, user_id, amounts, limits)
    return count


def _rooms(each: Mapping[str, int], allowed: Mapping[str, int], used: Mapping[str, int]) -> list[int]:
    """How many servers each limit has room for."""
    limited = [key for key in each if each[key] and allowed.get(key, -1) >= 0]
    return [(allowed[key] - used.get(key, 0)) // each[key] for key in limited]


def _row(
    new: NewServer,
    references: _References,
    context: RequestContext,
    *,
    reservation_id: str,
    index: int,
    count: int,
    now: datetime,
) -> dict[str, Any]:
    """The server's columns, but for what says that it is being built."""
    instance_id = new_id()
    name = new.name if count == 1 else f"{new.name}-{index + 1}"
    return {
        "id": instance_id, "project_id": context.project_id, "user_id": context.user_id, "name": name,
        "description": new.description, "hostname": _hostname(new, name, index, count) or f"server-{instance_id}",
        "flavor_id": references.flavor.id, "flavor": server_references.flavor_copy(references.flavor),
        "image_id": references.image_id, "image": references.image,
        "key_name": new.key_name, "public_key": references.public_key, "user_data": new.user_data,
        "config_drive": new.config_drive, "injected_files": list(new.files), "properties": dict(new.metadata),
        "tags": list(new.tags),
        "availability_zone": new.zone, "scheduler_hints": dict(new.hints), "disk_config": new.disk_config,
        "access_ip_v4": new.access_ip_v4, "access_ip_v6": new.access_ip_v6, "reservation_id": reservation_id,
        "local_disks": _local_disks(references.disks), "launch_index": index, "created_at": now, "updated_at": now,
    }  # fmt: skip


def _local_disks(disks: Disks) -> dict[str, Any] | None:
    if not disks.ephemeral_gib and disks.swap_mib is None:
        return None
    return {"ephemeral_gib": list(disks.ephemeral_gib), "swap_mib": disks.swap_mib}


def _hostname(new: NewServer, name: str, index: int, count: int) -> str:
    if new.hostname is None:
        return hostname(name)
    return new.hostname if count == 1 else f"{new.hostname}-{index + 1}"


def hostname(name: str) -> str:
    """The name as one label of RFC 1123: lower case letters, digits and hyphens, at most 63; "" if nothing is left."""
    text = re.sub(r"[\s_.]+", "-", name.lower())
    return re.sub(r"[^a-z0-9-]", "", text)[:63].strip("-")


def _params(new: NewServer, config: Config) -> dict[str, Any]:
    return {
        **(admin_password.sealed(new.admin_password, config) if new.config_drive else {}),
        "requested_node": new.requested_node,
        "availability_zone": new.zone,
        "scheduler_hints": dict(new.hints),
    }
