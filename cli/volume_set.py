"""`cumulet volume set` and `unset`: what may be changed of a volume that exists."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command

from cli import find, options, resource, wait
from cli.cloud import Cloud, part
from cli.volume import STATES, use_of


class SetVolume(Command):  # type: ignore[misc]
    """Change a volume's name, description, size (only to more), properties, and how it may be used."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.VOLUME)
        parser.add_argument("--name", metavar="<name>", help="new name")
        parser.add_argument("--size", type=options.count, metavar="<size>", help="new size in GiB")
        parser.add_argument("--description", metavar="<description>", help="description")
        parser.add_argument("--no-property", action="store_true", help="remove all properties first")
        options.properties(parser)
        parser.add_argument(
            "--image-property", action=options.KeyValue, dest="image_properties", metavar="<key=value>",
            help="property of the image that it was made of (may be repeated)",
        )  # fmt: skip
        parser.add_argument("--state", choices=STATES, metavar="<state>", help="status by word only (administrators)")
        attached = parser.add_mutually_exclusive_group()
        attached.add_argument("--attached", action="store_true", help="attached by word only (administrators)")
        attached.add_argument("--detached", action="store_true", help="detached by word only (administrators)")
        parser.add_argument("--type", metavar="<volume-type>", help="new volume type (name or id)")
        parser.add_argument(
            "--migration-policy", choices=("never", "on-demand"), metavar="<migration-policy>",
            help="with --type: whether it may move to another back end (never)",
        )  # fmt: skip
        options.yes_no(parser, "--bootable", "--non-bootable", "servers may boot from it")
        options.yes_no(parser, "--read-only", "--read-write", "servers may only read it")
        parser.add_argument("--wait", action="store_true", help="with --size: until it is larger")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        volume = find.one(cloud, find.VOLUME, parsed_args.thing)
        at = f"/volumes/{volume['id']}"
        for name, value in _actions(cloud, parsed_args):
            cloud.send("POST", f"{at}/action", {name: value}, service_type="block-storage")
        for key in volume.get("metadata", ()) if parsed_args.no_property else ():
            cloud.send("DELETE", f"{at}/metadata/{part(key)}", service_type="block-storage")
        if parsed_args.properties:
            cloud.send("POST", f"{at}/metadata", {"metadata": parsed_args.properties}, service_type="block-storage")
        wanted = options.given(name=parsed_args.name, description=parsed_args.description)
        if wanted:
            cloud.send("PUT", at, {"volume": wanted}, service_type="block-storage")
        if parsed_args.wait and parsed_args.size is not None:
            wait.for_operation(cloud, self.app.stderr, f"volume {parsed_args.thing}", volume["id"])


class UnsetVolume(Command):  # type: ignore[misc]
    """Remove properties of a volume."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.VOLUME)
        parser.add_argument("--property", action="append", default=[], metavar="<key>", help="property to remove")
        parser.add_argument(
            "--image-property", action="append", default=[], metavar="<key>", help="of the image that it was made of"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        at = resource.path_of(cloud, find.VOLUME, parsed_args.thing)
        for key in parsed_args.property:
            cloud.send("DELETE", f"{at}/metadata/{part(key)}", service_type="block-storage")
        for key in parsed_args.image_property:
            body = {"os-unset_image_metadata": {"key": key}}
            cloud.send("POST", f"{at}/action", body, service_type="block-storage")


def _actions(cloud: Cloud, parsed_args: argparse.Namespace) -> list[tuple[str, dict[str, Any]]]:
    asked: list[tuple[str, dict[str, Any]]] = []
    if parsed_args.size is not None:
        asked.append(("os-extend", {"new_size": parsed_args.size}))
    if parsed_args.image_properties:
        asked.append(("os-set_image_metadata", {"metadata": parsed_args.image_properties}))
    if parsed_args.state:
        asked.append(("os-reset_status", {"status": parsed_args.state}))
    if parsed_args.attached or parsed_args.detached:
        asked.append(("os-reset_status", {"attach_status": "attached" if parsed_args.attached else "detached"}))
    if parsed_args.type:
        policy = parsed_args.migration_policy or "never"
        wanted = find.one(cloud, find.VOLUME_TYPE, parsed_args.type)["id"]
        asked.append(("os-retype", {"new_type": wanted, "migration_policy": policy}))
    return asked + use_of(parsed_args)
