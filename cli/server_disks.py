"""The disks of `cumulet server create`: volumes to boot from and to attach, empty disks and swap."""

from __future__ import annotations

import argparse
from typing import Any

from cli import find, options
from cli.cloud import Cloud
from cli.errors import CommandError

#: words of --block-device -> the API's, and how they are read
_WORDS: dict[str, Any] = {
    "uuid": str, "source_type": str, "destination_type": str, "disk_bus": str, "device_type": str, "device_name": str,
    "volume_size": options.count, "guest_format": str, "boot_index": int, "delete_on_termination": None, "tag": str,
    "volume_type": str,
}  # fmt: skip
_SOURCES = ("volume", "image", "snapshot", "blank")


def add_boot_options(parser: argparse.ArgumentParser, group: Any) -> None:
    """group: of --image, which the others stand instead of."""
    group.add_argument("--volume", metavar="<volume>", help="boot from this volume (name or id)")
    group.add_argument("--snapshot", metavar="<snapshot>", help="boot from a new volume of this snapshot (name or id)")
    parser.add_argument(
        "--boot-from-volume",
        type=options.count,
        metavar="<volume-size>",
        help="put the image into a new volume of so many GiB",
    )
    parser.add_argument(
        "--block-device", action="append", type=_device, default=[], metavar="<block-device>",
        help="a disk as uuid=…,source_type=volume|image|snapshot|blank,… (may be repeated)",
    )  # fmt: skip
    parser.add_argument("--swap", type=options.count, metavar="<swap>", help="a swap disk of so many MiB")
    parser.add_argument(
        "--ephemeral", action="append", type=options.pairs, default=[], metavar="<size=size[,format=format]>",
        help="an empty disk of so many GiB (may be repeated)",
    )  # fmt: skip


def boots_elsewhere(parsed_args: argparse.Namespace) -> bool:
    """Whether the server needs no image of its own: a volume has its system."""
    return bool(
        parsed_args.volume
        or parsed_args.snapshot
        or any(one.get("boot_index") == 0 for one in parsed_args.block_device)
    )


def devices(cloud: Cloud, parsed_args: argparse.Namespace, image_id: str | None) -> list[dict[str, Any]]:
    """For block_device_mapping_v2; [] where the flavor's disk of the image is all. Raises CommandError."""
    found: list[dict[str, Any]] = []
    if parsed_args.volume:
        volume_id = find.id_of(cloud, find.VOLUME, parsed_args.volume)
        found.append(_root(volume_id, "volume"))
    elif parsed_args.snapshot:
        found.append(_root(find.id_of(cloud, find.SNAPSHOT, parsed_args.snapshot), "snapshot"))
    elif parsed_args.boot_from_volume is not None:
        if image_id is None:
            raise CommandError("--boot-from-volume needs an image: give --image.")
        found.append({**_root(image_id, "image"), "volume_size": parsed_args.boot_from_volume})
    others = [*_named(cloud, parsed_args.block_device), *_empty(parsed_args)]
    if others and not found and image_id is not None and not boots_elsewhere(parsed_args):
        found.append({**_root(image_id, "image"), "destination_type": "local", "delete_on_termination": True})
    return found + others


def _root(uuid: str | None, source: str) -> dict[str, Any]:
    return {"uuid": uuid, "source_type": source, "destination_type": "volume", "boot_index": 0}


def _named(cloud: Cloud, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds = {"volume": find.VOLUME, "image": find.IMAGE, "snapshot": find.SNAPSHOT}
    found = []
    for one in given:
        source = one.get("source_type", "volume" if "uuid" in one else "blank")
        destination = one.get("destination_type", "volume" if source in ("volume", "snapshot", "image") else "local")
        more = {"uuid": find.id_of(cloud, kinds[source], one["uuid"])} if source in kinds else {}
        found.append({"boot_index": -1, **one, "source_type": source, "destination_type": destination, **more})
    return found


def _empty(parsed_args: argparse.Namespace) -> list[dict[str, Any]]:
    local = {"source_type": "blank", "destination_type": "local", "boot_index": -1, "delete_on_termination": True}
    found = []
    for one in parsed_args.ephemeral:
        if "size" not in one or not set(one) <= {"size", "format"}:
            raise CommandError("--ephemeral takes size=<GiB>[,format=<format>].")
        named = options.given(guest_format=one.get("format"))
        found.append({**local, "volume_size": options.number(one["size"], "--ephemeral"), **named})
    if parsed_args.swap is not None:
        found.append({**local, "guest_format": "swap", "volume_size": parsed_args.swap})
    return found


def _device(text: str) -> dict[str, Any]:
    """For argparse."""
    found: dict[str, Any] = {}
    for key, value in options.pairs(text).items():
        if key not in _WORDS:
            raise argparse.ArgumentTypeError(f"{key!r} is none of {', '.join(_WORDS)}")
        if key == "delete_on_termination":
            if value.lower() not in ("true", "false"):
                raise argparse.ArgumentTypeError("delete_on_termination is true or false")
            found[key] = value.lower() == "true"
        else:
            found[key] = _WORDS[key](value)
    source = found.get("source_type", "volume")
    if source not in _SOURCES:
        raise argparse.ArgumentTypeError(f"source_type is one of {', '.join(_SOURCES)}, not {source!r}")
    if source != "blank" and "uuid" not in found:
        raise argparse.ArgumentTypeError("uuid=… names the volume, image or snapshot; without it, source_type=blank")
    return found
