"""An image as nodes are told of it: what they fetch, from where, and what it must prove to be."""

from __future__ import annotations

from typing import Any

from common.config import Config
from common.rpc.command_base import ImageSpec


def image_spec(image: dict[str, Any], config: Config) -> ImageSpec:
    """`image`: what a server keeps of its image (common/db/images.py: copy_for_server)."""
    return ImageSpec(
        id=image["id"],
        sha512=image["sha512"],
        size_bytes=int(image["size_bytes"]),
        disk_format=image["disk_format"],
        virtual_size_bytes=int(image["virtual_size_bytes"]),
        url=image_url(image["id"], config),
    )


def image_url(image_id: str, config: Config) -> str:
    """Where nodes fetch an image's bytes from, and send a snapshot's to."""
    return f"{config.api.public_url.rstrip('/')}/cumulet/v1/nodes/images/{image_id}/file"
