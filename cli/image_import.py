"""`cumulet image import …`: an image out of a file of any known kind in one go, or as `openstack` has it, step by step."""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options
from cli.cloud import Cloud, part
from cli.errors import CommandError
from cli.fields import Dict, Field, List, table
from cli.image import changeable, counted, shown, source, upload, wanted
from common.deadlines import CLI_IMAGE_S, CLI_POLL_S

_KINDS = {
    ".ova": ("vmdk", "ova"), ".vmdk": ("vmdk", "bare"), ".vdi": ("vdi", "bare"), ".vhd": ("vhd", "bare"),
    ".vhdx": ("vhdx", "bare"), ".qcow2": ("qcow2", "bare"), ".raw": ("raw", "bare"), ".img": ("raw", "bare"),
    ".iso": ("iso", "bare"),
}  # fmt: skip
_METHODS = ("glance-direct", "web-download", "glance-download", "copy-image")
_STORES = (Field("ID", "id"), Field("Description", "description"), Field("Default", "default"))
_TASKS = (Field("ID", "id"), Field("Type", "type"), Field("Status", "status"), Field("Owner", "owner"))


class ImportImage(ShowOne):  # type: ignore[misc]
    """Make an image of a file, converted to what servers boot from (.ova, .vmdk, .vdi, .vhd, .vhdx, .qcow2, .raw, .iso).

    With an image instead of a file: begin its import, as `openstack image import` does.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<file-or-image>", help="file to make an image of, or image (name or id)")
        parser.add_argument("--method", dest="import_method", default="glance-direct", choices=_METHODS,
                            metavar="<method>", help=f"how its data come: {', '.join(_METHODS)}")  # fmt: skip
        parser.add_argument("--uri", metavar="<uri>", help="where web-download finds the data")
        parser.add_argument("--remote-image", metavar="<image-id>", help="image that glance-download copies")
        parser.add_argument("--remote-region", metavar="<region>", help="region of that image")
        parser.add_argument("--remote-service-interface", metavar="<interface>", help="public, internal or admin")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--store", dest="stores", nargs="*", metavar="<store>", help="stores to put it into")
        where.add_argument("--all-stores", action="store_true", help="put it into every store")
        some = parser.add_mutually_exclusive_group()
        some.add_argument("--allow-failure", dest="allow_failure", action="store_true", default=True,
                          help="one store is enough")  # fmt: skip
        some.add_argument("--disallow-failure", dest="allow_failure", action="store_false", help="all stores or none")
        parser.add_argument(
            "--wait", action="store_true", help="until it is done; a file's import always is waited for"
        )
        parser.add_argument("--name", metavar="<image-name>", help="name; the file's where none is given")
        parser.add_argument("--disk-format", metavar="<disk-format>", help="of the file, where its name does not tell")
        parser.add_argument("--container-format", metavar="<container-format>", help="bare, or ova for an appliance")
        parser.add_argument("--progress", action="store_true", help="tell how far the upload is")
        changeable(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        if os.path.isfile(parsed_args.image) and parsed_args.import_method == "glance-direct":
            return shown(self._from_file(cloud, parsed_args))
        image = find.one(cloud, find.IMAGE, parsed_args.image)
        _begin(cloud, image["id"], parsed_args)
        if parsed_args.wait:
            _wait(cloud, image["id"])
        return shown(cloud.get(f"/images/{part(image['id'])}", "image"))

    def _from_file(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        """An image that could not be imported is removed: nobody could use it."""
        stem, suffix = os.path.splitext(os.path.basename(parsed_args.image))
        disk_format, container_format = _KINDS.get(suffix.lower(), (None, "bare"))
        if parsed_args.disk_format is None and disk_format is None:
            raise CommandError(f"What is in {parsed_args.image}? Say it by --disk-format, such as qcow2 or vmdk.")
        parsed_args.name = parsed_args.name or stem
        described = wanted(parsed_args) | options.given(
            tags=parsed_args.tags, disk_format=parsed_args.disk_format or disk_format,
            container_format=parsed_args.container_format or container_format,
        )  # fmt: skip
        file = source(parsed_args.image)
        assert file is not None
        with file:
            made = cloud.send("POST", "/images", described, service_type="image")
            data = counted(file, self.app.stderr if parsed_args.progress else None)
            upload(cloud, made["id"], data, to="stage")
        try:
            _begin(cloud, made["id"], parsed_args)
            _wait(cloud, made["id"])
        except CommandError:
            cloud.send("DELETE", f"/images/{part(made['id'])}", service_type="image")
            raise
        return cloud.get(f"/images/{part(made['id'])}", "image")


class StageImage(Command):  # type: ignore[misc]
    """Upload an image's data for `image import`."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--file", metavar="<file>", dest="filename", help="file to upload; else what is piped in")
        parser.add_argument("--progress", action="store_true", help="tell how far the upload is")
        parser.add_argument("image", metavar="<image>", help="image (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        image = find.one(cloud, find.IMAGE, parsed_args.image)
        file = source(parsed_args.filename)
        if file is None:
            raise CommandError("There is nothing to upload: name a file with --file, or pipe the data in.")
        with file:
            data = counted(file, self.app.stderr if parsed_args.progress else None)
            upload(cloud, image["id"], data, to="stage", keep=True)


class ShowImportInfo(ShowOne):  # type: ignore[misc]
    """How images may be imported here."""

    def take_action(self, _parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        methods = cloud.get("/info/import", "image")["import-methods"]["value"]
        return ("import-methods",), (List(methods),)


class ListStores(Lister):  # type: ignore[misc]
    """List the stores that images may lie in."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--detail", action="store_true", default=None, help="with what administrators see")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        path = "/info/stores/detail" if parsed_args.detail else "/info/stores"
        stores = [
            {**each, "default": each.get("default") == "true" or None} for each in cloud.get(path, "image")["stores"]
        ]
        more = (Field("Properties", "properties", Dict),) if parsed_args.detail else ()
        return table((*_STORES, *more), stores)


class ListTasks(Lister):  # type: ignore[misc]
    """List imports of all projects (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--sort-key", metavar="<key>", help="created_at, id, status or updated_at")
        parser.add_argument("--sort-dir", metavar="<direction>", help="asc or desc")
        options.paging(parser)
        parser.add_argument("--type", choices=["import"], metavar="<type>", help="of this type: import, as all are")
        parser.add_argument(
            "--status",
            choices=["pending", "processing", "success", "failure"],
            metavar="<status>",
            help="in this state",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        found = cloud.pages(
            "/tasks", "tasks", "image", status=parsed_args.status, sort_key=parsed_args.sort_key,
            sort_dir=parsed_args.sort_dir, **options.page(parsed_args),
        )  # fmt: skip
        return table(_TASKS, found)


class ShowTask(ShowOne):  # type: ignore[misc]
    """Show one import (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("task", metavar="<task-id>", help="task (id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        task = cloud.get(f"/tasks/{part(parsed_args.task)}", "image")
        names = (
            "created_at",
            "expires_at",
            "id",
            "input",
            "message",
            "owner_id",
            "result",
            "status",
            "type",
            "updated_at",
        )
        task["owner_id"] = task.get("owner")
        known = {**{name: task.get(name) for name in names}, "properties": Dict({"image_id": task["image_id"]})}
        ordered = sorted(known)
        return tuple(ordered), tuple(known[name] for name in ordered)


def _begin(cloud: Cloud, image_id: str, parsed_args: argparse.Namespace) -> None:
    method = parsed_args.import_method
    if (parsed_args.uri is not None) != (method == "web-download"):
        raise CommandError("--uri goes with --method web-download, and that needs it.")
    if method == "copy-image" and not (parsed_args.stores or parsed_args.all_stores):
        raise CommandError("--method copy-image needs --store or --all-stores.")
    asked = {"name": method} | options.given(
        uri=parsed_args.uri, glance_image_id=parsed_args.remote_image, glance_region=parsed_args.remote_region,
        glance_service_interface=parsed_args.remote_service_interface,
    )  # fmt: skip
    body: dict[str, Any] = {"method": asked}
    if parsed_args.stores:
        body["stores"] = parsed_args.stores
    if parsed_args.all_stores:
        body["all_stores"] = True
    if parsed_args.stores or parsed_args.all_stores:
        body["all_stores_must_succeed"] = not parsed_args.allow_failure
    cloud.send("POST", f"/images/{part(image_id)}/import", body, service_type="image")


def _wait(cloud: Cloud, image_id: str) -> None:
    """Until the newest import has ended. Raises CommandError with the reason when it failed, or takes too long."""
    end = time.monotonic() + CLI_IMAGE_S
    while True:
        task = cloud.get(f"/images/{part(image_id)}/tasks", "image")["tasks"][-1]
        if task["status"] == "success":
            return
        if task["status"] == "failure":
            raise CommandError(f"The image could not be imported: {task['message']}")
        if time.monotonic() > end:
            raise CommandError(f"The import of image {image_id} goes on for longer than {CLI_IMAGE_S:.0f} s.")
        time.sleep(CLI_POLL_S)
