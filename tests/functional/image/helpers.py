"""What image tests share: registering images, uploading bytes, small disks of each kind."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fixtures.api import ApiClient
from tests.unit.image_headers import qcow2

V2 = "/image/v2/images"
BYTES = "application/octet-stream"
PATCH = "application/openstack-images-v2.1-json-patch"
DATA = b"a small disk\n" * 5000


def register(client: ApiClient, as_: str = "demo", **attributes: Any) -> dict[str, Any]:
    body = {"name": "disk", "disk_format": "raw", "container_format": "bare", **attributes}
    reply = client.post(V2, as_, json=body)
    assert reply.status_code == 201, reply.text
    return dict(reply.json or {})


def uploaded(client: ApiClient, as_: str = "demo", data: bytes = DATA, **attributes: Any) -> dict[str, Any]:
    image = register(client, as_, **attributes)
    reply = client.put(f"{V2}/{image['id']}/file", as_, data=data, content_type=BYTES)
    assert reply.status_code == 204, reply.text
    return dict(client.get(f"{V2}/{image['id']}", as_).json or {})


def patch(client: ApiClient, image_id: str, *changes: dict[str, Any], as_: str = "demo") -> Any:
    return client.patch(f"{V2}/{image_id}", as_, json=list(changes), headers={"Content-Type": PATCH})


def replace(name: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": f"/{name}", "value": value}


def stored_files(client: ApiClient) -> list[Path]:
    return [path for path in Path(client.services.config.image.store_dir).rglob("*") if path.is_file()]


class Interrupted(io.RawIOBase):
    """A body of `size` bytes during which something happens once `at` bytes have been read."""

    def __init__(self, size: int, at: int, action: Callable[[], None]) -> None:
        self._left = size
        self._at = size - at
        self._action: Callable[[], None] | None = action

    def readable(self) -> bool:
        return True

    def read(self, length: int = -1) -> bytes:
        if self._action is not None and self._left <= self._at:
            action, self._action = self._action, None
            action()
        count = min(4096, self._left) if length < 0 else min(4096, self._left, length)
        self._left -= count
        return b"x" * count

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def put_stream(client: ApiClient, image_id: str, stream: Any, length: int | None, as_: str = "demo") -> Any:
    """Upload what a stream gives; without a length as a chunked body, which the server ends."""
    overrides: dict[str, Any] = {"wsgi.input": stream}
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    overrides |= chunked if length is None else {"CONTENT_LENGTH": str(length)}
    return client.put(f"{V2}/{image_id}/file", as_, content_type=BYTES, environ_overrides=overrides)


__all__ = [
    "BYTES", "DATA", "PATCH", "V2", "Interrupted", "patch", "put_stream", "qcow2", "register", "replace",
    "stored_files", "uploaded",
]  # fmt: skip
