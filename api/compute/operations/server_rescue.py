"""Rescuing servers: which disk they are booted from instead of their own, decided when it is asked for."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from api.compute.operations import server_references
from api.compute.operations.server_actions import begun, check_node
from api.compute.operations.servers import check_not_locked
from api.request import Services
from common import admin_password
from common.context import RequestContext
from common.db import instances
from common.db.models import Instance
from common.errors import InvalidRequest
from common.secret import Secret
from common.states import Action

_KINDS = ("disk", "cdrom")
_BUSES = ("virtio", "scsi", "sata", "ide", "usb")


def rescue(
    services: Services, context: RequestContext, server_id: str, image_id: str | None, password: Secret, *,
    on_volumes: bool,
) -> None:  # fmt: skip
    """Begin it. image_id None: the image that the server was made from. on_volumes: also one that boots from a volume.

    password: for the config drive of the rescue, if the server has one.
    Raises NotFound, InvalidRequest (image), Conflict, StateConflict.
    """

    def work(session: Session) -> tuple[str, None]:
        now = services.clock.now()
        instance = instances.get_visible(session, server_id, context)
        check_not_locked(instance, context)
        check_node(session, instance, Action.RESCUE, now)
        if instance.image.get("volume_backed") and not on_volumes:
            raise InvalidRequest(
                f"Instance {instance.id} cannot be rescued: Cannot rescue a volume-backed instance (before microversion"
                " 2.87)"
            )
        params = {"rescue": _disk(session, context, instance, image_id)}
        if instance.config_drive:
            params |= admin_password.sealed(password, services.config)
        return instances.begin(session, instance, Action.RESCUE, context, now, params).id, None

    begun(services, Action.RESCUE, work)


def unrescue(services: Services, context: RequestContext, server_id: str) -> None:
    """Raises NotFound, Conflict, StateConflict."""

    def work(session: Session) -> tuple[str, None]:
        now = services.clock.now()
        instance = instances.get_visible(session, server_id, context)
        check_not_locked(instance, context)
        check_node(session, instance, Action.UNRESCUE, now)
        params = {"rescue": instance.rescue}
        return instances.begin(session, instance, Action.UNRESCUE, context, now, params).id, None

    begun(services, Action.UNRESCUE, work)


def _disk(session: Session, context: RequestContext, instance: Instance, image_id: str | None) -> dict[str, Any]:
    """What Instance.rescue is to say. An image that names a device for it leaves the other disks where they are.

    That is what Nova calls stable device rescue: hw_rescue_device and hw_rescue_bus of the rescue image.
    """
    if image_id is None:
        if not instance.image.get("id"):
            raise InvalidRequest(
                f"Instance {instance.id} cannot be rescued: it boots from a volume that was made of no image; name one in"
                " rescue_image_ref"
            )
        return _of(dict(instance.image))
    return _of(server_references.image_copy(server_references.image(session, image_id, context)))


def _of(image: dict[str, Any]) -> dict[str, Any]:
    properties = image.get("properties", {})
    kind, bus = properties.get("hw_rescue_device"), properties.get("hw_rescue_bus")
    stable = kind is not None or bus is not None
    kind, bus = str(kind or "disk"), str(bus or "")
    if kind not in _KINDS:
        raise InvalidRequest(
            f"Unsupported rescue device {kind[:64]!r} (hw_rescue_device): {', '.join(_KINDS)} are known."
        )
    if bus and bus not in _BUSES:
        raise InvalidRequest(f"Unsupported rescue bus {bus[:64]!r} (hw_rescue_bus): {', '.join(_BUSES)} are known.")
    if kind == "cdrom" and bus in ("", "virtio"):
        bus = "sata" if not bus else _no_such_drive()
    return {"image": image, "kind": kind, "bus": bus, "first": not stable}


def _no_such_drive() -> str:
    raise InvalidRequest("A cdrom can't be on the bus virtio: change hw_rescue_bus of the rescue image.")
