"""`cumulet volume …`: disks that outlive the servers they are attached to."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options, wait
from cli.cloud import Cloud, part
from cli.errors import CommandError
from cli.fields import Dict, Field, List, show, table

_LIST = (Field("ID", "id"), Field("Name", "name"), Field("Status", "status"), Field("Size", "size"))
_TYPE = (Field("Type", "volume_type"), Field("Bootable", lambda volume: volume.get("bootable") == "true"))
_ATTACHED = (Field("Attached to", "attachments", List),)
_PROPERTIES = (Field("Properties", "metadata", Dict),)


class ListVolumes(Lister):  # type: ignore[misc]
    """List volumes."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--name", metavar="<name>", help="of this name")
        parser.add_argument("--status", metavar="<status>", help="in this status, such as available")
        parser.add_argument("--all-projects", action="store_true", help="of all projects (administrators)")
        parser.add_argument("--long", action="store_true", help="more columns")
        options.paging(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        found = self.app.cloud().pages(
            "/volumes/detail", "volumes", "block-storage", name=parsed_args.name, status=parsed_args.status,
            all_tenants="True" if parsed_args.all_projects else None, **options.page(parsed_args),
        )  # fmt: skip
        long = (*_LIST, *_TYPE, *_ATTACHED, *_PROPERTIES)
        return table(long if parsed_args.long else (*_LIST, *_ATTACHED), found)


class ShowVolume(ShowOne):  # type: ignore[misc]
    """Show one volume."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("volume", metavar="<volume>", help="volume (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        return shown(find.one(self.app.cloud(), find.VOLUME, parsed_args.volume))


class CreateVolume(ShowOne):  # type: ignore[misc]
    """Make a volume: empty, or of an image, a snapshot or another volume."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", nargs="?", metavar="<name>", help="name")
        parser.add_argument("--size", type=options.count, metavar="<size>", help="GiB; that of the source if left out")
        parser.add_argument("--type", metavar="<volume-type>", help="volume type (name or id)")
        of = parser.add_mutually_exclusive_group()
        of.add_argument("--image", metavar="<image>", help="with the data of this image (name or id)")
        of.add_argument("--snapshot", metavar="<snapshot>", help="with the data of this snapshot (name or id)")
        of.add_argument("--source", metavar="<volume>", help="with the data of this volume (name or id)")
        parser.add_argument("--description", metavar="<description>", help="description")
        options.properties(parser)
        parser.add_argument("--wait", action="store_true", help="until it is made")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        if parsed_args.size is None and not (parsed_args.snapshot or parsed_args.source):
            raise CommandError("Say how many GiB with --size; only --snapshot and --source bring a size along.")
        cloud: Cloud = self.app.cloud()
        wanted = options.given(
            name=parsed_args.name, size=parsed_args.size, volume_type=parsed_args.type,
            description=parsed_args.description, metadata=parsed_args.properties,
            imageRef=find.id_of(cloud, find.IMAGE, parsed_args.image),
            snapshot_id=find.id_of(cloud, find.SNAPSHOT, parsed_args.snapshot),
            source_volid=find.id_of(cloud, find.VOLUME, parsed_args.source),
        )  # fmt: skip
        made = cloud.send("POST", "/volumes", {"volume": wanted}, service_type="block-storage")["volume"]
        if parsed_args.wait:
            wait.for_operation(cloud, self.app.stderr, f"volume {made['id']}", made["id"])
        return shown(cloud.get(f"/volumes/{part(made['id'])}", "block-storage")["volume"])


class SetVolume(Command):  # type: ignore[misc]
    """Change a volume's name, description, size (only to more), properties, and how it may be used."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("volume", metavar="<volume>", help="volume (name or id)")
        parser.add_argument("--name", metavar="<name>", help="new name")
        parser.add_argument("--size", type=options.count, metavar="<size>", help="new size in GiB")
        parser.add_argument("--description", metavar="<description>", help="description")
        options.properties(parser)
        options.yes_no(parser, "--bootable", "--non-bootable", "servers may boot from it")
        options.yes_no(parser, "--read-only", "--read-write", "servers may only read it")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        at = f"/volumes/{part(find.one(cloud, find.VOLUME, parsed_args.volume)['id'])}"
        for name, value in (
            ("os-extend", parsed_args.size and {"new_size": parsed_args.size}),
            ("os-set_bootable", options.given(bootable=parsed_args.bootable)),
            ("os-update_readonly_flag", options.given(readonly=parsed_args.read_only)),
        ):
            if value:
                cloud.send("POST", f"{at}/action", {name: value}, service_type="block-storage")
        if parsed_args.properties:
            cloud.send("POST", f"{at}/metadata", {"metadata": parsed_args.properties}, service_type="block-storage")
        wanted = options.given(name=parsed_args.name, description=parsed_args.description)
        if wanted:
            cloud.send("PUT", at, {"volume": wanted}, service_type="block-storage")


class UnsetVolume(Command):  # type: ignore[misc]
    """Remove properties of a volume."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("volume", metavar="<volume>", help="volume (name or id)")
        parser.add_argument("--property", action="append", default=[], metavar="<key>", help="property to remove")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        at = f"/volumes/{part(find.one(cloud, find.VOLUME, parsed_args.volume)['id'])}"
        for key in parsed_args.property:
            cloud.send("DELETE", f"{at}/metadata/{part(key)}", service_type="block-storage")


class DeleteVolumes(Command):  # type: ignore[misc]
    """Delete volumes."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "volume")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()

        def delete(name: str) -> None:
            at = f"/volumes/{part(find.one(cloud, find.VOLUME, name)['id'])}"
            cloud.send("DELETE", at, service_type="block-storage")

        options.each(parsed_args.names, "volumes could not be deleted", delete)


def shown(volume: dict[str, Any]) -> Any:
    """A volume as `openstack` shows it."""
    renamed = {"metadata": "properties", "volume_type": "type"}
    fields = [
        Field(renamed.get(key, key), key, Dict if key == "metadata" else None) for key in volume if key != "links"
    ]
    return show(fields, volume)
