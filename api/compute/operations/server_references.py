"""What a create request refers to: flavor, image, key pair, zone, node and groups, each under the caller's rights.

A reference that can't be resolved is a 400 in Nova's words; a stranger's resource is as unknown as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from common.context import RequestContext
from common.db import flavors, images, keypairs, nodes, security_groups, server_groups, servers, services
from common.db.images import ImageStatus
from common.db.models import Flavor, Image, ServerGroup
from common.errors import Conflict, InvalidRequest, NotFound
from common.hardware import reading

BOOTABLE_FORMATS = ("qcow2", "raw", "iso")  # of an iso the guest gets a disk that begins with it
DEFAULT_ZONE = "nova"
_GIB = 1024**3


def flavor(session: Session, flavor_id: str, context: RequestContext) -> Flavor:
    """An enabled flavor that the caller may use. Raises InvalidRequest."""
    try:
        return _enabled(flavors.get_visible(session, flavor_id, context), flavor_id)
    except NotFound as err:
        raise InvalidRequest(err.message) from err


def flavor_and_image(
    session: Session, flavor_id: str, image_id: str | None, context: RequestContext
) -> tuple[Flavor, Image | None]:
    """As `flavor` and `active_image`, in one statement. Raises InvalidRequest."""
    found, source = servers.flavor_and_image(session, flavor_id, image_id or "", context)
    return _enabled(found, flavor_id), _active(source, image_id) if image_id else None


def _enabled(found: Flavor | None, flavor_id: str) -> Flavor:
    if found is None or found.disabled:
        raise InvalidRequest(f"Flavor {flavor_id} could not be found.")
    return found


def flavor_copy(row: Flavor) -> dict[str, Any]:
    """What a server keeps of its flavor, whatever becomes of it later; memory and swap in MiB, disks in GiB."""
    return {
        "id": row.id, "name": row.name, "vcpus": row.vcpus, "memory_mib": row.memory_mib, "root_gib": row.root_gib,
        "ephemeral_gib": row.ephemeral_gib, "swap_mib": row.swap_mib, "rxtx_factor": row.rxtx_factor,
        "is_public": row.is_public, "disabled": row.disabled, "description": row.description,
        "extra_specs": dict(row.extra_specs),
    }  # fmt: skip


def image(session: Session, image_id: str, context: RequestContext) -> Image:
    """An active image that the caller may use and a guest can boot from. Raises InvalidRequest."""
    return bootable(active_image(session, image_id, context))


def bootable(found: Image) -> Image:
    """The image, when a guest can boot from it. Raises InvalidRequest."""
    if not found.size:
        raise InvalidRequest(f"Image {found.id} is unacceptable: it has no bytes, so nothing can be booted from it.")
    if found.disk_format not in BOOTABLE_FORMATS:
        raise InvalidRequest(
            f"Image {found.id} is unacceptable: disk_format {found.disk_format} can't be booted, only "
            f"{', '.join(BOOTABLE_FORMATS)} can. An import (method glance-direct) converts it."
        )
    return found


def active_image(session: Session, image_id: str, context: RequestContext) -> Image:
    """An active image that the caller may use: it may describe volumes instead of having bytes. Raises InvalidRequest."""
    try:
        return _active(images.get_visible(session, image_id, context), image_id)
    except NotFound as err:
        raise InvalidRequest("Can not find requested image") from err


def _active(found: Image | None, image_id: str) -> Image:
    if found is None:
        raise InvalidRequest("Can not find requested image")
    if found.status != ImageStatus.ACTIVE:
        raise InvalidRequest(f"Image {image_id} is not active.")
    return found


def image_copy(row: Image) -> dict[str, Any]:
    """What a server keeps of its image."""
    return images.copy_for_server(row)


def check_fits(wanted: Flavor, source: Image) -> None:
    """Raises InvalidRequest when the image needs more memory or disk than the flavor has; root 0 is as the image.

    Also when they ask for hardware that can't be, or that they disagree about.
    """
    check_room(wanted.memory_mib, wanted.root_gib, source)
    reading.read(flavor_copy(wanted), image_copy(source))


def check_room(memory_mib: int, root_gib: int, source: Image) -> None:
    """As `check_fits`, for a server that has its flavor's amounts already."""
    if memory_mib < source.min_ram:
        raise InvalidRequest("Flavor's memory is too small for requested image.")
    if root_gib == 0:
        return
    has = root_gib * _GIB
    needs = max(source.size or 0, source.virtual_size or 0)
    if needs > has:
        raise InvalidRequest(
            f"Flavor's disk is too small for requested image. Flavor disk is {has} bytes, image is {needs} bytes."
        )
    if source.min_disk > root_gib:
        raise InvalidRequest(
            "Flavor's disk is smaller than the minimum size specified in image metadata. "
            f"Flavor disk is {has} bytes, minimum size is {source.min_disk * _GIB} bytes."
        )


def check_local_disks(wanted: Flavor, ephemeral_gib: Sequence[int], swap_mib: int | None) -> None:
    """Raises InvalidRequest for more ephemeral or swap disk than the flavor has."""
    if sum(ephemeral_gib) > wanted.ephemeral_gib:
        raise InvalidRequest(
            "Block Device Mapping is Invalid: Ephemeral disks requested are larger than the instance type allows. "
            f"Requested are {sum(ephemeral_gib)} GiB, the flavor has {wanted.ephemeral_gib}."
        )
    if (swap_mib or 0) > wanted.swap_mib:
        raise InvalidRequest(
            "Block Device Mapping is Invalid: Swap drive requested is larger than instance type allows. "
            f"Requested are {swap_mib} MiB, the flavor has {wanted.swap_mib}."
        )


def public_key(session: Session, key_name: str | None, context: RequestContext) -> str | None:
    """The text of the user's own key pair. Raises InvalidRequest."""
    if key_name is None:
        return None
    found = keypairs.find(session, context.user_id, key_name)
    if found is None:
        raise InvalidRequest("Invalid key_name provided.")
    return found.public_key if found.type == "ssh" else None  # a certificate is no line of authorized_keys


def check_zone(session: Session, zone: str | None) -> None:
    """Raises InvalidRequest for a zone without compute nodes."""
    if zone is not None and zone != DEFAULT_ZONE and zone not in services.zone_names(session):
        raise InvalidRequest("The requested availability zone is not available")


def check_node(session: Session, name: str | None) -> None:
    """Raises InvalidRequest for a node that this cloud doesn't have."""
    if name is None:
        return
    node = nodes.by_name(session, name)
    if node is None or not node.is_compute:
        raise InvalidRequest(f"Compute host {name} could not be found.")


def server_group(session: Session, hints: Mapping[str, Any], context: RequestContext) -> ServerGroup | None:
    """The group that the hints name, if any. Raises InvalidRequest."""
    if not hints.get("group"):
        return None
    try:
        return server_groups.get_visible(session, str(hints["group"]), context)
    except NotFound as err:
        raise InvalidRequest(err.message) from err


def group_ids(session: Session, wanted: Sequence[str], project_id: str, now: datetime) -> tuple[str, ...] | None:
    """Ids of the project's groups by name or id; None when none were named: the default group.

    Raises InvalidRequest for an unknown group, Conflict for a name that several groups bear.
    """
    if not wanted:
        return None
    found: Mapping[str, Sequence[str]] = security_groups.by_names(session, project_id, list(wanted))
    ids: list[str] = []
    for name in wanted:
        matches = found[name]
        if not matches and name == security_groups.DEFAULT_NAME:
            matches = [security_groups.ensure_default(session, project_id, now)]
        if not matches:
            raise InvalidRequest(f"Unable to find security_group with name or id '{name}'")
        if len(matches) > 1:
            raise Conflict(f"Multiple security_group matches found for name '{name}', use an ID to be more specific.")
        ids.append(matches[0])
    return tuple(dict.fromkeys(ids))
