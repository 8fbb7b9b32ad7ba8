"""Rebuilding a server: what it is to be from now on is written together with the operation that makes it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from api.compute.operations import server_references
from api.compute.operations.quota_defaults import defaults
from api.compute.operations.server_actions import begun, check_node
from api.compute.operations.server_create import check_metadata
from api.compute.operations.servers import ServerPage, check_not_locked, with_surroundings
from api.request import Services
from api.volume.operations.volume_create import image_properties
from common import admin_password
from common.context import RequestContext
from common.db import guest_passwords, instances, volume_attachments, volumes
from common.db.models import Instance
from common.errors import InvalidRequest
from common.hardware import reading
from common.secret import Secret
from common.states import Action

_GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class Rebuild:
    """changes: new values by column of the instance. key: (new name, or None for none); None: the key stays."""

    image_id: str
    admin_password: Secret  # for the config drive, if there is one
    changes: Mapping[str, Any] = field(default_factory=dict)
    key: tuple[str | None] | None = None
    keep_ephemeral: bool = False
    reimage: bool = False  # the volume that a server boots from gets the image's bytes


def rebuild(services: Services, context: RequestContext, server_id: str, wanted: Rebuild) -> ServerPage:
    """Begin it. Raises NotFound, InvalidRequest (image, key), Conflict, StateConflict, QuotaExceeded."""

    def work(session: Session) -> tuple[str, ServerPage]:
        now = services.clock.now()
        instance = instances.get_visible(session, server_id, context)
        check_not_locked(instance, context)
        check_node(session, instance, Action.REBUILD, now)
        changes = _resolve(session, services, context, instance, wanted)
        params: dict[str, Any] = {"keep_ephemeral": wanted.keep_ephemeral}
        if instance.config_drive:
            params |= admin_password.sealed(wanted.admin_password, services.config)
        if instance.image.get("volume_backed"):
            params |= _of_volume(session, context, instance, wanted)
        operation_id = instances.begin(session, instance, Action.REBUILD, context, now, params).id
        for column, value in changes.items():
            setattr(instance, column, value)
        guest_passwords.forget(session, instance.id)
        session.flush()
        return operation_id, with_surroundings(session, [instance])

    return begun(services, Action.REBUILD, work)


def _resolve(
    session: Session, services: Services, context: RequestContext, instance: Instance, wanted: Rebuild
) -> dict[str, Any]:
    image = server_references.image(session, wanted.image_id, context)
    flavor, on_volume = instance.flavor, bool(instance.image.get("volume_backed"))
    root_gib = 0 if on_volume else int(flavor.get("root_gib", 0))
    server_references.check_room(int(flavor["memory_mib"]), root_gib, image)
    _check_hardware(instance, server_references.image_copy(image))
    changes = dict(wanted.changes)
    if "properties" in changes:
        known = defaults(services.config.quota)
        check_metadata(session, instance.project_id, instance.user_id, changes["properties"], known)
    if changes.get("injected_files") and not instance.config_drive:
        _check_letters(session, instance)
        changes["config_drive"] = True
    if wanted.key is not None:
        (changes["key_name"],) = wanted.key
        changes["public_key"] = server_references.public_key(session, changes["key_name"], context)
    if on_volume:
        copy = server_references.image_copy(image) | {"volume_backed": True, "min_disk": 0}
        return {**changes, "progress": 0, **({"image": copy} if wanted.reimage else {})}
    return {**changes, "image_id": image.id, "image": server_references.image_copy(image), "progress": 0}


def _check_letters(session: Session, instance: Instance) -> None:
    """A config drive comes before volumes, whose names in the guest are given away. Raises InvalidRequest."""
    if any(row.boot_index != 0 for row in volume_attachments.of_instance(session, instance.id)):
        raise InvalidRequest(
            f"Files need a config drive, and server {instance.id} has none, but volumes: detach them first, or make a "
            "server with a config drive."
        )


def _of_volume(session: Session, context: RequestContext, instance: Instance, wanted: Rebuild) -> dict[str, Any]:
    """What the operation is to know of the volume that the server boots from. Raises InvalidRequest.

    Before microversion 2.93 a rebuild leaves the volume alone, and is for the image it was made from only.
    """
    root = next((row for row in volume_attachments.of_instance(session, instance.id) if row.boot_index == 0), None)
    if root is None:
        raise InvalidRequest(f"Server {instance.id} has lost the volume that it booted from.")
    volume = volumes.get_for_update(session, root.volume_id, context)
    if not wanted.reimage:
        if volume.image_properties.get("image_id") != wanted.image_id:
            raise InvalidRequest("Unable to rebuild with a different image for a volume-backed server.")
        return {}
    image = server_references.image(session, wanted.image_id, context)
    needs = max(image.size or 0, image.virtual_size or 0)
    if needs > volume.size_gib * _GIB or image.min_disk > volume.size_gib:
        raise InvalidRequest(f"Image {image.id} needs more room than volume {volume.id} has, {volume.size_gib} GiB.")
    volume.image_id, volume.bootable = image.id, True
    volume.image_properties = image_properties(image)
    return {"reimage": volume.id, "attachment_id": root.id, "image": server_references.image_copy(image)}


def _check_hardware(instance: Instance, image: Mapping[str, Any]) -> None:
    """The claim stays as it is, so what is asked of the node's NUMA cells must too. Raises InvalidRequest."""
    if reading.read(instance.flavor, instance.image).numa != reading.read(instance.flavor, image).numa:
        raise InvalidRequest(
            f"Image {image['id']} asks for other NUMA cells, CPUs or pages of its own than the server has: create a new "
            "server from it."
        )
