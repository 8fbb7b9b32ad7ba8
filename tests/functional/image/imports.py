"""What tests of imports share: requests, the work that the API process's threads do, disks in foreign formats."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from api.image.operations import importer
from api.request import Services
from tests.fixtures.api import ApiClient
from tests.functional.image.helpers import BYTES, DATA, V2, register

MIB = 1024 * 1024
FOREIGN = {
    "vmdk": ("vmdk", "subformat=streamOptimized"), "vmdk-sparse": ("vmdk", "subformat=monolithicSparse"),
    "vdi": ("vdi", ""), "vhd": ("vpc", ""), "vhd-fixed": ("vpc", "subformat=fixed"), "vhdx": ("vhdx", ""),
}  # fmt: skip


def stage(client: ApiClient, image_id: str, as_: str = "demo", data: bytes = DATA) -> TestResponse:
    return client.put(f"{V2}/{image_id}/stage", as_, data=data, content_type=BYTES)


def start(client: ApiClient, image_id: str, body: Any, as_: str = "demo", **options: Any) -> TestResponse:
    return client.post(f"{V2}/{image_id}/import", as_, json=body, **options)


def work(services: Services, worker: str = "w1") -> int:
    """What the API process's threads do; how many imports there were."""
    done = 0
    while importer.work(services, worker):
        done += 1
    return done


def show(client: ApiClient, image_id: str) -> dict[str, Any]:
    return dict(client.get(f"{V2}/{image_id}").json)


def tasks(client: ApiClient, image_id: str) -> list[tuple[str, str]]:
    found = client.get(f"{V2}/{image_id}/tasks").json["tasks"]
    return [(task["status"], task["message"]) for task in found]


def imported(client: ApiClient, data: bytes, **attributes: Any) -> dict[str, Any]:
    """Staged, imported, worked on: the image as it is then."""
    image = register(client, **attributes)
    assert stage(client, image["id"], data=data).status_code == 204
    assert start(client, image["id"], {"method": {"name": "glance-direct"}}).status_code == 202
    assert work(client.services) == 1
    return show(client, image["id"])


def disk(folder: Path, size: int = 3 * MIB) -> Path:
    """A raw disk with a pattern here and there."""
    path = folder / "disk.raw"
    with path.open("wb") as file:
        file.truncate(size)
        for at in (0, MIB + 512, size - 4096):
            file.seek(at)
            file.write(b"\xaa\x55pattern %d" % at * 100)
    return path


def foreign(raw: Path, kind: str) -> Path:
    disk_format, options = FOREIGN[kind]
    target = raw.with_name(kind)
    more = ["-o", options] if options else []
    subprocess.run(
        ["qemu-img", "convert", "-q", "-f", "raw", "-O", disk_format, *more, str(raw), str(target)], check=True
    )
    return target


def same_disk(raw: Path, other: bytes, disk_format: str = "qcow2") -> bool:
    """Whether an image holds what the raw disk does."""
    path = raw.with_name("compared")
    path.write_bytes(other)
    words = ["qemu-img", "compare", "-q", "-f", "raw", "-F", disk_format, str(raw), str(path)]
    return subprocess.run(words, check=False).returncode == 0
