"""Images, members and their lists as Glance v2 shows them. Links are relative to the service, as Glance's are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from api.image.operations.images import ShownImage
from common.db.images import ImageStatus
from common.db.models import ImageMember, ImageTask


def image_body(shown: ShownImage) -> dict[str, Any]:
    """Properties lie beside the attributes. An upload that was refused tells why until the next one."""
    image = shown.image
    body: dict[str, Any] = {
        **image.properties,
        "id": image.id,
        "name": image.name,
        "status": image.status,
        "visibility": image.visibility,
        "owner": image.owner,
        "protected": image.protected,
        "os_hidden": image.os_hidden,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "checksum": image.checksum,
        "os_hash_algo": image.os_hash_algo,
        "os_hash_value": image.os_hash_value,
        "tags": list(shown.tags),
        "created_at": _time(image.created_at),
        "updated_at": _time(image.updated_at),
        "self": f"/v2/images/{image.id}",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
    }
    if image.status in (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED):
        body["stores"] = image.stores
    if image.importing_to is not None:
        body["os_glance_importing_to_stores"] = image.importing_to
        body["os_glance_failed_import"] = image.failed_import or ""
    if image.import_task_id is not None:
        body["os_glance_import_task"] = image.import_task_id
    if image.failure:
        body["os_glance_upload_failure"] = image.failure
    return body


def list_body(shown: Sequence[ShownImage], limit: int, query: Mapping[str, list[str]]) -> dict[str, Any]:
    """`next` is there when there may be more."""
    kept = [(name, value) for name, values in query.items() if name != "marker" for value in values]
    body: dict[str, Any] = {
        "images": [image_body(item) for item in shown],
        "first": "/v2/images" + (f"?{urlencode(kept)}" if kept else ""),
        "schema": "/v2/schemas/images",
    }
    if shown and len(shown) == limit:
        body["next"] = f"/v2/images?{urlencode([*kept, ('marker', shown[-1].image.id)])}"
    return body


def member_body(member: ImageMember) -> dict[str, Any]:
    return {
        "image_id": member.image_id,
        "member_id": member.member,
        "status": member.status,
        "created_at": _time(member.created_at),
        "updated_at": _time(member.updated_at),
        "schema": "/v2/schemas/member",
    }


def task_body(task: ImageTask) -> dict[str, Any]:
    return {
        "id": task.id,
        "image_id": task.image_id,
        "type": "api_image_import",
        "status": task.status,
        "owner": task.owner,
        "user_id": task.user_id,
        "request_id": task.request_id,
        "input": {"image_id": task.image_id, "import_req": task.request},
        "result": {"image_id": task.image_id} if task.status == "success" else None,
        "message": task.message,
        "created_at": _time(task.created_at),
        "updated_at": _time(task.updated_at),
        "expires_at": None,
    }


def task_page(tasks: Sequence[ImageTask], limit: int, query: Mapping[str, list[str]]) -> dict[str, Any]:
    """Without input and result, as Glance lists them."""
    kept = [(name, value) for name, values in query.items() if name != "marker" for value in values]
    left_out = ("input", "result", "message")
    shown = [{key: value for key, value in full_task(task).items() if key not in left_out} for task in tasks]
    body: dict[str, Any] = {
        "tasks": shown,
        "first": "/v2/tasks" + (f"?{urlencode(kept)}" if kept else ""),
        "schema": "/v2/schemas/tasks",
    }
    if tasks and len(tasks) == limit:
        body["next"] = f"/v2/tasks?{urlencode([*kept, ('marker', tasks[-1].id)])}"
    return body


def full_task(task: ImageTask) -> dict[str, Any]:
    return {**task_body(task), "self": f"/v2/tasks/{task.id}", "schema": "/v2/schemas/task"}


def members_body(members: Sequence[ImageMember]) -> dict[str, Any]:
    return {"members": [member_body(member) for member in members], "schema": "/v2/schemas/members"}


def _time(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
