"""`cumulet image create --volume`: an image with the data of a volume, which the block storage service makes."""

from __future__ import annotations

import argparse
from typing import Any

from cli import find, options, wait
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Field, same, show

_SHOW = (
    *same("container_format", "disk_format", "display_description", "id", "image_id", "image_name", "protected", "size"),
    *same("status", "updated_at", "visibility"), Field("volume_type", lambda answer: (answer["volume_type"] or {}).get("name")),
)  # fmt: skip


def create(app: Any, parsed_args: argparse.Namespace, described: dict[str, Any]) -> Any:
    """described: the image's attributes as its API has them. What is shown is the block storage service's answer."""
    if parsed_args.file or parsed_args.use_import:
        raise CommandError("--volume brings the data: it goes with neither --file nor --import.")
    cloud: Cloud = app.cloud()
    volume_id = find.id_of(cloud, find.VOLUME, parsed_args.volume)
    asked = {"image_name": parsed_args.name, "disk_format": parsed_args.disk_format, "force": parsed_args.force}
    asked |= {"container_format": parsed_args.container_format}
    asked |= options.given(visibility=described.get("visibility"), protected=described.get("protected"))
    made = cloud.send(
        "POST", f"/volumes/{volume_id}/action", {"os-volume_upload_image": asked}, service_type="block-storage"
    )["os-volume_upload_image"]
    if parsed_args.wait:
        wait.for_operation(cloud, app.stderr, f"volume {parsed_args.volume}", str(volume_id))
    return show(_SHOW, made)
