"""`cumulet image …`: what servers boot from."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import select
import sys
from typing import IO, Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud, part
from cli.errors import CloudRefusedError, CommandError
from cli.fields import Dict, Field, List, table
from common.deadlines import CLI_IMAGE_S

_PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
_CHUNK = 1024 * 1024
_FORMATS = ("ami", "ari", "aki", "vhd", "vmdk", "raw", "qcow2", "vhdx", "vdi", "iso", "ploop")
_ATTRIBUTES = (
    "checksum", "container_format", "created_at", "disk_format", "file", "id", "min_disk", "min_ram", "name", "owner",
    "protected", "schema", "size", "status", "updated_at", "virtual_size", "visibility",
)  # fmt: skip
_LIST = (Field("ID", "id"), Field("Name", "name"), Field("Status", "status"))
_LONG = (
    Field("ID", "id"), Field("Name", "name"), Field("Disk Format", "disk_format"),
    Field("Container Format", "container_format"), Field("Size", "size"), Field("Checksum", "checksum"),
    Field("Status", "status"), Field("Visibility", "visibility"), Field("Protected", "protected"),
    Field("Project", "owner"), Field("Hash Algorithm", "os_hash_algo"), Field("Hash Value", "os_hash_value"),
    Field("Tags", "tags", List),
)  # fmt: skip


class ListImages(Lister):  # type: ignore[misc]
    """List images."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        which = parser.add_mutually_exclusive_group()
        for name in ("public", "private", "community", "shared", "all"):
            which.add_argument(
                f"--{name}", dest="visibility", action="store_const", const=name, help=f"the {name} ones"
            )
        options.properties(parser, "with this property (may be repeated)")
        parser.add_argument("--name", metavar="<name>", help="of this name")
        parser.add_argument("--status", metavar="<status>", help="in this status, such as active")
        parser.add_argument(
            "--member-status", metavar="<member-status>", help="shared with you: accepted, pending, all …"
        )
        options.project(parser)
        parser.add_argument("--tag", action="append", metavar="<tag>", help="with this tag (may be repeated)")
        parser.add_argument("--hidden", action="store_true", default=None, help="the hidden ones")
        parser.add_argument("--long", action="store_true", help="more columns")
        parser.add_argument("--sort", default="name:asc", metavar="<key>[:<direction>]", help="order (name:asc)")
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        found = cloud.pages(
            "/images", "images", "image", visibility=parsed_args.visibility, name=parsed_args.name,
            status=parsed_args.status, member_status=parsed_args.member_status, tag=parsed_args.tag,
            os_hidden=parsed_args.hidden, sort=parsed_args.sort, **(parsed_args.properties or {}),
            owner=find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
            **options.page(parsed_args),
        )  # fmt: skip
        return table(_LONG if parsed_args.long else _LIST, found)


class ShowImage(ShowOne):  # type: ignore[misc]
    """Show one image with its properties."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--human-readable", action="store_true", help="the size in K, M or G")
        parser.add_argument("image", metavar="<image>", help="image (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        image = find.one(self.app.cloud(), find.IMAGE, parsed_args.image)
        if parsed_args.human_readable:
            image["size"] = _readable(image.get("size") or 0)
        return shown(image)


class CreateImage(ShowOne):  # type: ignore[misc]
    """Make an image and upload its data, from --file or what is piped in."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<image-name>", help="name")
        parser.add_argument("--id", metavar="<id>", help="id; made up where none is given")
        parser.add_argument("--container-format", default="bare", metavar="<container-format>", help="bare")
        parser.add_argument(
            "--disk-format", default="raw", choices=_FORMATS, metavar="<disk-format>", help="qcow2, raw (default)"
        )
        parser.add_argument("--file", metavar="<file>", help="file to upload")
        parser.add_argument("--progress", action="store_true", help="tell how far the upload is")
        parser.add_argument(
            "--import", dest="use_import", action="store_true", help="stage and import it, so that it is converted"
        )
        changeable(parser)
        options.project(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        file = source(parsed_args.file)
        described = wanted(parsed_args) | options.given(
            id=parsed_args.id, tags=parsed_args.tags, disk_format=parsed_args.disk_format,
            container_format=parsed_args.container_format,
            owner=find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain),
        )  # fmt: skip
        made = cloud.send("POST", "/images", described, service_type="image")
        if file is not None:
            with file:
                data = counted(file, self.app.stderr if parsed_args.progress else None)
                upload(cloud, made["id"], data, to="stage" if parsed_args.use_import else "file")
            if parsed_args.use_import:
                body = {"method": {"name": "glance-direct"}}
                cloud.send("POST", f"/images/{part(made['id'])}/import", body, service_type="image")
        return shown(cloud.get(f"/images/{part(made['id'])}", "image"))


class SaveImage(Command):  # type: ignore[misc]
    """Download an image's data, to --file or standard output; checked by its hash."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--file", metavar="<filename>", help="where to write it")
        parser.add_argument("image", metavar="<image>", help="image (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        image = find.one(cloud, find.IMAGE, parsed_args.image)
        if parsed_args.file is None and sys.stdout.isatty():
            raise CommandError("This would fill the terminal: name a file with --file, or pipe the output on.")
        path = f"/images/{part(image['id'])}/file"
        octets = {"Accept": "application/octet-stream"}
        with cloud.raw("GET", path, service_type="image", headers=octets, stream=True) as response:
            try:
                with open(parsed_args.file, "wb") if parsed_args.file else os.fdopen(os.dup(1), "wb") as out:
                    seen = _copy(response, out)
            except OSError as err:
                raise CommandError(f"The image can't be written: {err}.") from err
        if image.get("os_hash_algo") == "sha512" and image.get("os_hash_value") != seen:
            raise CommandError(f"What came is not image {image['id']}: its hash is another one. Download it again.")


class SetImage(Command):  # type: ignore[misc]
    """Change an image, its properties and tags."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="image (name or id)")
        parser.add_argument("--name", metavar="<name>", help="new name")
        parser.add_argument("--container-format", metavar="<container-format>", help="while it has no data")
        parser.add_argument("--disk-format", choices=_FORMATS, metavar="<disk-format>", help="while it has no data")
        changeable(parser)
        for name in ("architecture", "kernel-id", "os-distro", "os-version", "ramdisk-id"):
            parser.add_argument(f"--{name}", metavar=f"<{name}>", help=f"property {name.replace('-', '_')}")
        state = parser.add_mutually_exclusive_group()
        state.add_argument(
            "--deactivate", dest="action", action="store_const", const="deactivate", help="nobody may use it"
        )
        state.add_argument("--activate", dest="action", action="store_const", const="reactivate", help="use it again")
        options.project(parser, "project whose membership is changed (default: yours)")
        answer = parser.add_mutually_exclusive_group()
        for name, status in (("accept", "accepted"), ("reject", "rejected"), ("pending", "pending")):
            answer.add_argument(
                f"--{name}", dest="membership", action="store_const", const=status, help="of an image shared with you"
            )
        options.yes_no(parser, "--hidden", "--unhidden", "left out of lists")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        image = _one(cloud, parsed_args)
        at = f"/images/{part(image['id'])}"
        if parsed_args.membership:
            member = find.identity_id(cloud, find.PROJECT, parsed_args.project, parsed_args.project_domain)
            body = {"status": parsed_args.membership}
            cloud.send("PUT", f"{at}/members/{member or cloud.project_id}", body, service_type="image")
        if parsed_args.action:
            cloud.send("POST", f"{at}/actions/{parsed_args.action}", service_type="image")
        known = (
            "architecture",
            "kernel_id",
            "os_distro",
            "os_version",
            "ramdisk_id",
            "container_format",
            "disk_format",
        )
        changed = wanted(parsed_args) | options.given(
            os_hidden=parsed_args.hidden, **{name: getattr(parsed_args, name) for name in known}
        )
        changes = [_replace(image, name, value) for name, value in changed.items()]
        if parsed_args.tags:
            changes.append(_replace(image, "tags", sorted({*image["tags"], *parsed_args.tags})))
        _patch(cloud, image["id"], changes)


class UnsetImage(Command):  # type: ignore[misc]
    """Remove properties and tags of an image."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="image (name or id)")
        parser.add_argument(
            "--tag", action="append", default=[], metavar="<tag>", help="tag to remove (may be repeated)"
        )
        parser.add_argument(
            "--property", action="append", default=[], metavar="<property-key>", help="property to remove"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        image = find.one(cloud, find.IMAGE, parsed_args.image)
        missing = [name for name in parsed_args.property if name not in image]
        if missing:
            raise CommandError(f"Image {parsed_args.image} has no property {', '.join(missing)}.")
        for tag in parsed_args.tag:
            cloud.send("DELETE", f"/images/{part(image['id'])}/tags/{part(tag)}", service_type="image")
        _patch(cloud, image["id"], [{"op": "remove", "path": f"/{_pointer(name)}"} for name in parsed_args.property])


class DeleteImages(Command):  # type: ignore[misc]
    """Delete images; servers made from them live on."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "image")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()

        def delete(name: str) -> None:
            cloud.send("DELETE", f"/images/{part(find.one(cloud, find.IMAGE, name)['id'])}", service_type="image")

        options.each(parsed_args.names, "images could not be deleted", delete)


class Counted:
    """A file that tells how much of it was read."""

    def __init__(self, source: IO[bytes], out: Any) -> None:
        self._source, self._out, self._done = source, out, 0
        try:
            self._size = os.fstat(source.fileno()).st_size
        except OSError:
            self._size = 0

    def __iter__(self) -> Any:
        while data := self._source.read(_CHUNK):
            self._done += len(data)
            if self._out is not None:
                of = f" of {_readable(self._size)} ({self._done * 100 // self._size} %)" if self._size else ""
                self._out.write(f"\r{_readable(self._done)}{of} uploaded")
            yield data
        if self._out is not None:
            self._out.write("\n")


def counted(file: IO[bytes], out: Any) -> Counted:
    """`out`: where to tell how much was read; None: nowhere."""
    return Counted(file, out)


def upload(cloud: Cloud, image_id: str, data: Counted, *, to: str = "file", keep: bool = False) -> None:
    """to: file or stage. An image whose upload failed is removed, unless `keep`: nobody could use it.

    Raises CloudRefusedError.
    """
    octets = {"Content-Type": "application/octet-stream"}
    path = f"/images/{part(image_id)}"
    try:
        cloud.raw("PUT", f"{path}/{to}", service_type="image", data=data, headers=octets, timeout=CLI_IMAGE_S)
    except CloudRefusedError:
        if not keep:
            cloud.send("DELETE", path, service_type="image")
        raise


def source(name: str | None) -> IO[bytes] | None:
    """The data; what is piped in counts, unless it is empty."""
    if name is not None:
        try:
            return open(os.path.expanduser(name), "rb")
        except OSError as err:
            raise CommandError(f"The image file {name} can't be read: {err.strerror}.") from err
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return None
    stream: Any = sys.stdin.buffer
    try:
        readable = select.select([stream], [], [], 0.2)[0]
    except (OSError, ValueError):
        return None
    return stream if readable and stream.peek(1) else None


def _copy(response: Any, out: IO[bytes]) -> str:
    digest = hashlib.sha512()
    for data in response.iter_content(_CHUNK):
        digest.update(data)
        out.write(data)
    return digest.hexdigest()


def changeable(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--min-disk", type=int, metavar="<disk-gb>", help="disk that a flavor needs, in GiB")
    parser.add_argument("--min-ram", type=int, metavar="<ram-mb>", help="memory that a flavor needs, in MiB")
    options.yes_no(parser, "--protected", "--unprotected", "can't be deleted")
    who = parser.add_mutually_exclusive_group()
    for name in ("public", "private", "community", "shared"):
        who.add_argument(f"--{name}", dest="visibility", action="store_const", const=name, help=f"make it {name}")
    options.properties(parser)
    parser.add_argument("--tag", action="append", dest="tags", metavar="<tag>", help="tag (may be repeated)")


def wanted(parsed_args: argparse.Namespace) -> dict[str, Any]:
    return options.given(
        name=parsed_args.name, min_disk=parsed_args.min_disk, min_ram=parsed_args.min_ram,
        protected=parsed_args.protected, visibility=parsed_args.visibility, **(parsed_args.properties or {}),
    )  # fmt: skip


def _one(cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
    """An image that was offered and not accepted yet is in no ordinary list."""
    narrowed = {"member_status": "all"} if parsed_args.membership else {}
    return find.one(cloud, find.IMAGE, parsed_args.image, **narrowed)


def _replace(image: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {"op": "replace" if name in image else "add", "path": f"/{_pointer(name)}", "value": value}


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _patch(cloud: Cloud, image_id: str, changes: list[dict[str, Any]]) -> None:
    if changes:
        cloud.raw("PATCH", f"/images/{part(image_id)}", service_type="image", data=json.dumps(changes), headers=_PATCH)


def shown(image: dict[str, Any]) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """As `openstack`: what has no value is left out, and what is no attribute is a property."""
    info: dict[str, Any] = {name: image[name] for name in _ATTRIBUTES if image.get(name) is not None}
    hidden = ("tags", "self", "links", *_ATTRIBUTES)
    rest = {name: value for name, value in image.items() if name not in hidden and value is not None}
    info |= {"tags": List(image.get("tags"))} | ({"properties": Dict(rest)} if rest else {})
    ordered = sorted(info)
    return tuple(ordered), tuple(info[name] for name in ordered)


def _readable(size: int) -> str:
    amount, units = float(size), iter("KMGT")
    unit = ""
    while amount >= 1000:
        amount, unit = amount / 1000, next(units)
    return f"{amount:.1f}{unit}".replace(".0", "")
