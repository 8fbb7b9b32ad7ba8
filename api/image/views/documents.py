"""Documents that describe the service itself: its versions, its stores, and the schemas of what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.image.operations.stores import ShownStore
from api.image.schemas.images import CONTAINER_FORMATS
from common.db.image_members import MemberStatus
from common.db.images import ImageStatus, Visibility
from common.image_inspector import FORMATS

NEWEST_MINOR = 16


def versions_body(service_url: str) -> dict[str, Any]:
    """service_url: scheme, host and the service's prefix."""
    return {
        "versions": [
            {
                "id": f"v2.{minor}",
                "status": "CURRENT" if minor == NEWEST_MINOR else "SUPPORTED",
                "links": [{"rel": "self", "href": f"{service_url}/v2/"}],
            }
            for minor in range(NEWEST_MINOR, -1, -1)
        ]
    }


def import_methods_body(methods: Sequence[str]) -> dict[str, Any]:
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": list(methods)}}


def stores_body(stores: Sequence[ShownStore], *, detail: bool) -> dict[str, Any]:
    """With what only administrators see where `detail` is wanted."""
    shown = []
    for number, store in enumerate(stores):
        body: dict[str, Any] = {"id": store.id, "description": "A folder that the API hosts share"}
        if number == 0:
            body["default"] = "true"
        if detail:
            properties = {"data_dir": store.folder, "chunk_size": store.chunk_bytes, "thin_provisioning": True}
            body |= {"type": "file", "weight": 0, "properties": properties}
        shown.append(body)
    return {"stores": shown}


def _text(description: str, *, longest: int = 255, nullable: bool = False, read_only: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": description, "type": "string", "maxLength": longest}
    if nullable:
        schema["type"] = ["null", "string"]
    return {**schema, "readOnly": True} if read_only else schema


def _number(description: str, *, nullable: bool = False, read_only: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": description, "type": ["null", "integer"] if nullable else "integer"}
    return {**schema, "readOnly": True} if read_only else schema


def _choice(description: str, values: list[str | None]) -> dict[str, Any]:
    return {"description": description, "type": ["null", "string"] if None in values else "string", "enum": values}


_IMAGE_PROPERTIES: dict[str, Any] = {
    "id": _text("An identifier for the image", longest=36),
    "name": _text("Descriptive name for the image", nullable=True),
    "status": {**_choice("Status of the image", [*ImageStatus]), "readOnly": True},
    "visibility": _choice("Scope of image accessibility", [*Visibility]),
    "protected": {"description": "If true, image will not be deletable.", "type": "boolean"},
    "os_hidden": {"description": "If true, image will not appear in default image list response.", "type": "boolean"},
    "checksum": _text("md5 hash of image contents.", longest=32, nullable=True, read_only=True),
    "os_hash_algo": _text("Algorithm to calculate the os_hash_value", longest=64, nullable=True, read_only=True),
    "os_hash_value": _text("Hexdigest of the image contents", longest=128, nullable=True, read_only=True),
    "owner": _text("Owner of the image", nullable=True),
    "size": _number("Size of image file in bytes", nullable=True, read_only=True),
    "virtual_size": _number("Virtual size of image in bytes", nullable=True, read_only=True),
    "container_format": _choice("Format of the container", [None, *CONTAINER_FORMATS]),
    "disk_format": _choice("Format of the disk", [None, *FORMATS]),
    "created_at": _text("Date and time of image registration", read_only=True),
    "updated_at": _text("Date and time of the last image modification", read_only=True),
    "tags": {"description": "List of strings related to the image", "type": "array", "items": _text("A tag")},
    "min_ram": _number("Amount of ram (in MB) required to boot image."),
    "min_disk": _number("Amount of disk space (in GB) required to boot image."),
    "self": _text("An image self url", read_only=True),
    "file": _text("An image file url", read_only=True),
    "schema": _text("An image schema url", read_only=True),
}
_MEMBER_PROPERTIES: dict[str, Any] = {
    "member_id": _text("An identifier for the image member (tenantId)"),
    "image_id": _text("An identifier for the image", longest=36),
    "status": _choice("The status of this image member", [*MemberStatus]),
    "created_at": _text("Date and time of image member creation", read_only=True),
    "updated_at": _text("Date and time of last modification of image member", read_only=True),
    "schema": _text("A schema url", read_only=True),
}
_IMAGE: dict[str, Any] = {
    "name": "image",
    "properties": _IMAGE_PROPERTIES,
    "additionalProperties": {"type": "string"},
    "links": [
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}
_MEMBER: dict[str, Any] = {"name": "member", "properties": _MEMBER_PROPERTIES}


def _list_of(name: str, item: dict[str, Any]) -> dict[str, Any]:
    links = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}] if name == "images" else []
    properties: dict[str, Any] = {name: {"type": "array", "items": item}, "schema": {"type": "string"}}
    if name == "images":
        properties |= {"first": {"type": "string"}, "next": {"type": "string"}}
    return {"name": name, "properties": properties, "links": [*links, {"rel": "describedby", "href": "{schema}"}]}


_TASK: dict[str, Any] = {
    "name": "task",
    "properties": {
        "id": _text("An identifier for the task", longest=36),
        "type": _choice("The type of task represented by this content", ["api_image_import"]),
        "status": _choice("The current status of this task", ["pending", "processing", "success", "failure"]),
        "input": {"description": "The parameters required by task, JSON blob", "type": ["null", "object"]},
        "result": {"description": "The result of current task, JSON blob", "type": ["null", "object"]},
        "owner": _text("An identifier for the owner of this task", nullable=True),
        "message": _text("Human-readable informative message", longest=2000),
        "image_id": _text("Image associated with the task", longest=36),
        "request_id": _text("Human-readable informative request-id"),
        "user_id": _text("User associated with the task"),
        "expires_at": _text("Datetime when this resource would be subject to removal", nullable=True),
        "created_at": _text("Datetime when this resource was created"),
        "updated_at": _text("Datetime when this resource was updated"),
        "self": _text("A self url", read_only=True),
        "schema": _text("A schema url", read_only=True),
    },
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "image": _IMAGE,
    "images": _list_of("images", _IMAGE),
    "member": _MEMBER,
    "members": _list_of("members", _MEMBER),
    "task": _TASK,
    "tasks": _list_of("tasks", _TASK),
}
