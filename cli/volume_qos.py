"""`cumulet volume qos …`: bounds of what volumes may do, given to volume types (administrators)."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options, resource
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Dict, Field, List, same, show, table

_CREATED = (*same("consumer", "id", "name"), Field("properties", "specs", Dict))
_SHOW = (*_CREATED, Field("associations", "types", List))
_LIST = (
    Field("ID", "id"), Field("Name", "name"), Field("Consumer", "consumer"), Field("Associations", "types", List),
    Field("Properties", "specs", Dict),
)  # fmt: skip


class ListQos(Lister):  # type: ignore[misc]
    """List QoS specs (administrators)."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        return table(_LIST, [_with_types(cloud, one) for one in cloud.get("/qos-specs", "block-storage")["qos_specs"]])


class ShowQos(resource.ShowThing):
    """Show one QoS spec (administrators)."""

    kind = find.QOS_SPEC
    columns = _SHOW

    def ready(self, cloud: Cloud, thing: dict[str, Any]) -> dict[str, Any]:
        return _with_types(cloud, thing)


class CreateQos(ShowOne):  # type: ignore[misc]
    """Create a QoS spec (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="name")
        parser.add_argument(
            "--consumer",
            choices=("front-end", "back-end", "both"),
            default="both",
            metavar="<consumer>",
            help="who keeps it",
        )
        options.properties(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        wanted = {"name": parsed_args.name, "consumer": parsed_args.consumer, **(parsed_args.properties or {})}
        made = self.app.cloud().send("POST", "/qos-specs", {"qos_specs": wanted}, service_type="block-storage")
        return show(_CREATED, made["qos_specs"])


class DeleteQos(Command):  # type: ignore[misc]
    """Delete QoS specs (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "qos-spec")
        parser.add_argument("--force", action="store_true", help="also if types have them")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        force = "true" if parsed_args.force else None

        def delete(name: str) -> None:
            cloud.send(
                "DELETE", resource.path_of(cloud, find.QOS_SPEC, name), service_type="block-storage", force=force
            )

        options.each(parsed_args.names, "QoS specs could not be deleted", delete)


class SetQos(Command):  # type: ignore[misc]
    """Set properties of a QoS spec (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.QOS_SPEC)
        parser.add_argument("--no-property", action="store_true", help="remove all properties first")
        options.properties(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        spec = find.one(cloud, find.QOS_SPEC, parsed_args.thing)
        if parsed_args.no_property and spec["specs"]:
            _remove(cloud, spec["id"], list(spec["specs"]))
        if parsed_args.properties:
            resource.change(cloud, find.QOS_SPEC, spec, parsed_args.properties)


class UnsetQos(Command):  # type: ignore[misc]
    """Remove properties of a QoS spec (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.QOS_SPEC)
        parser.add_argument("--property", action="append", default=[], metavar="<key>", help="property to remove")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        if parsed_args.property:
            _remove(cloud, find.one(cloud, find.QOS_SPEC, parsed_args.thing)["id"], parsed_args.property)


class AssociateQos(Command):  # type: ignore[misc]
    """Give a QoS spec to a volume type (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.QOS_SPEC)
        parser.add_argument("volume_type", metavar="<volume-type>", help="volume type (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        type_id = find.id_of(cloud, find.VOLUME_TYPE, parsed_args.volume_type)
        at = resource.path_of(cloud, find.QOS_SPEC, parsed_args.thing)
        cloud.send("GET", f"{at}/associate", service_type="block-storage", vol_type_id=type_id)


class DisassociateQos(Command):  # type: ignore[misc]
    """Take a QoS spec from a volume type, or from all (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.QOS_SPEC)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--volume-type", metavar="<volume-type>", help="from this volume type (name or id)")
        which.add_argument("--all", action="store_true", help="from every volume type")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        at = resource.path_of(cloud, find.QOS_SPEC, parsed_args.thing)
        if parsed_args.all:
            cloud.send("GET", f"{at}/disassociate_all", service_type="block-storage")
            return
        if not parsed_args.volume_type:
            raise CommandError("Say from which: --volume-type or --all.")
        type_id = find.id_of(cloud, find.VOLUME_TYPE, parsed_args.volume_type)
        cloud.send("GET", f"{at}/disassociate", service_type="block-storage", vol_type_id=type_id)


def _remove(cloud: Cloud, spec_id: str, keys: list[str]) -> None:
    cloud.send("PUT", f"/qos-specs/{spec_id}/delete_keys", {"keys": keys}, service_type="block-storage")


def _with_types(cloud: Cloud, spec: dict[str, Any]) -> dict[str, Any]:
    found = cloud.get(f"/qos-specs/{spec['id']}/associations", "block-storage")["qos_associations"]
    return {**spec, "types": [one["name"] for one in found]}
