"""`cumulet aggregate …`: groups of nodes that flavors and zones are bound to (administrators)."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from cli import find, options, resource
from cli.cloud import Cloud
from cli.fields import Dict, Field, List, same, show, table


def _properties(group: Any) -> dict[str, Any]:
    """The zone is told beside them."""
    return {key: value for key, value in (group.get("metadata") or {}).items() if key != "availability_zone"}


_LIST = (
    Field("ID", "id"), Field("UUID", "uuid"), Field("Name", "name"), Field("Availability Zone", "availability_zone"),
)  # fmt: skip
_LONG = (*_LIST, Field("Properties", _properties, Dict), Field("Hosts", "hosts", List))
_SHOW = (
    *same("availability_zone", "created_at", "deleted_at", "id", "name", "updated_at", "uuid"),
    Field("hosts", "hosts", List), Field("is_deleted", "deleted"), Field("properties", _properties, Dict),
)  # fmt: skip


class ListAggregates(Lister):  # type: ignore[misc]
    """List aggregates."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--long", action="store_true", help="more columns")
        parser.add_argument("--availability-zone", metavar="<availability-zone>", help="of this zone")
        parser.add_argument("--host", metavar="<host>", help="with this node")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        zone, host = parsed_args.availability_zone, parsed_args.host
        found = [
            group
            for group in self.app.cloud().pages("/os-aggregates", "aggregates", "compute")
            if (zone is None or group["availability_zone"] == zone) and (host is None or host in group["hosts"])
        ]
        return table(_LONG if parsed_args.long else _LIST, found)


class ShowAggregate(resource.ShowThing):
    """Show one aggregate."""

    kind = find.AGGREGATE
    columns = _SHOW


class CreateAggregate(ShowOne):  # type: ignore[misc]
    """Create an aggregate."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="name")
        parser.add_argument("--zone", metavar="<availability-zone>", help="availability zone that its nodes are")
        options.properties(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        wanted = {"name": parsed_args.name} | options.given(availability_zone=parsed_args.zone)
        made = cloud.send("POST", "/os-aggregates", {"aggregate": wanted}, service_type="compute")["aggregate"]
        if parsed_args.properties:
            made = _act(cloud, made, "set_metadata", {"metadata": parsed_args.properties})
        return show(_SHOW, {"hosts": [], "metadata": {}, **made})


class SetAggregate(Command):  # type: ignore[misc]
    """Change an aggregate's name, zone or properties."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.AGGREGATE)
        parser.add_argument("--name", metavar="<name>", help="new name")
        parser.add_argument("--zone", metavar="<availability-zone>", help="availability zone that its nodes are")
        options.properties(parser)
        parser.add_argument("--no-property", action="store_true", help="remove all properties first")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        group = find.one(cloud, find.AGGREGATE, parsed_args.thing)
        resource.change(
            cloud, find.AGGREGATE, group, options.given(name=parsed_args.name, availability_zone=parsed_args.zone)
        )
        gone = dict.fromkeys(_properties(group)) if parsed_args.no_property else {}
        wanted = gone | (parsed_args.properties or {})
        if wanted:
            _act(cloud, group, "set_metadata", {"metadata": wanted})


class UnsetAggregate(Command):  # type: ignore[misc]
    """Remove properties of an aggregate."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.AGGREGATE)
        parser.add_argument("--property", action="append", default=[], metavar="<key>", help="property to remove")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        if parsed_args.property:
            group = find.one(cloud, find.AGGREGATE, parsed_args.thing)
            _act(cloud, group, "set_metadata", {"metadata": dict.fromkeys(parsed_args.property)})


class DeleteAggregates(resource.DeleteThings):
    """Delete aggregates that no node is in."""

    kind = find.AGGREGATE


class AddHost(ShowOne):  # type: ignore[misc]
    """Put a node into an aggregate."""

    action: ClassVar[str] = "add_host"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.AGGREGATE)
        parser.add_argument("host", metavar="<host>", help="name of the node")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        cloud: Cloud = self.app.cloud()
        group = find.one(cloud, find.AGGREGATE, parsed_args.thing)
        return show(_SHOW, _act(cloud, group, self.action, {"host": parsed_args.host}))


class RemoveHost(AddHost):
    """Take a node out of an aggregate."""

    action = "remove_host"


def _act(cloud: Cloud, group: dict[str, Any], action: str, value: dict[str, Any]) -> dict[str, Any]:
    path = f"/os-aggregates/{group['id']}/action"
    return dict(cloud.send("POST", path, {action: value}, service_type="compute")["aggregate"])
