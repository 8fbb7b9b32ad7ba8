"""`cumulet network trunk …`: ports that carry several networks, each under a VLAN of its own."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister

from cli import find, options, resource
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.fields import Dicts, Field, List, same, table
from cli.resource import Option

_LIST = (
    Field("ID", "id"), Field("Name", "name"), Field("Parent Port", "port_id"), Field("Description", "description"),
)  # fmt: skip
_SHOW = (
    *same("created_at", "description", "id", "name", "port_id", "project_id", "revision_number", "status", "updated_at"),
    Field("is_admin_state_up", "admin_state_up"), Field("sub_ports", "sub_ports", Dicts), Field("tags", "tags", List),
)  # fmt: skip
_CHANGEABLE = (
    Option("--description", "description", "description"),
    Option("--enable", "admin_state_up", "admin state up", no="--disable"),
)


class ListTrunks(resource.ListThings):
    """List trunks."""

    kind = find.TRUNK
    columns = _LIST
    long_columns = (
        *_LIST, Field("Status", "status"), Field("State", lambda _trunk: ""), Field("Created At", "created_at"),
        Field("Updated At", "updated_at"),
    )  # fmt: skip
    of_project = paged = False


class ShowTrunk(resource.ShowThing):
    """Show one trunk."""

    kind = find.TRUNK
    columns = _SHOW


class CreateTrunk(resource.CreateThing):
    """Make a port the parent of a trunk."""

    kind = find.TRUNK
    columns = _SHOW
    body = (*_CHANGEABLE, Option("--parent-port", "port_id", "the port (name or id)", kind=find.PORT, required=True))

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _subport_option(super().get_parser(prog_name))

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {"sub_ports": _subports(cloud, parsed_args.subport)} if parsed_args.subport else {}


class SetTrunk(resource.SetThing):
    """Change a trunk; ports are added to those in it."""

    kind = find.TRUNK
    body = _CHANGEABLE

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _subport_option(super().get_parser(prog_name))

    def more(self, cloud: Cloud, parsed_args: argparse.Namespace, thing: dict[str, Any]) -> dict[str, Any]:
        if parsed_args.subport:
            _change_subports(cloud, thing, "add_subports", _subports(cloud, parsed_args.subport))
        return {}


class UnsetTrunk(Command):  # type: ignore[misc]
    """Take ports out of a trunk."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.TRUNK)
        parser.add_argument(
            "--subport", action="append", required=True, metavar="<subport>", help="port (name or id; may be repeated)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        trunk = find.one(cloud, find.TRUNK, parsed_args.thing)
        gone = [{"port_id": find.id_of(cloud, find.PORT, name)} for name in parsed_args.subport]
        _change_subports(cloud, trunk, "remove_subports", gone)


class DeleteTrunks(resource.DeleteThings):
    """Delete trunks."""

    kind = find.TRUNK


class ListSubports(Lister):  # type: ignore[misc]
    """List the ports in a trunk."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--trunk", required=True, metavar="<trunk>", help="trunk (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        trunk = find.one(self.app.cloud(), find.TRUNK, parsed_args.trunk)
        columns = (
            Field("Port", "port_id"), Field("Segmentation Type", "segmentation_type"),
            Field("Segmentation ID", "segmentation_id"),
        )  # fmt: skip
        return table(columns, trunk["sub_ports"])


def _subport_option(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument(
        "--subport", action="append", type=options.pairs, metavar="port=,segmentation-type=,segmentation-id=",
        help="a port in it (may be repeated)",
    )  # fmt: skip
    return parser


def _subports(cloud: Cloud, given: list[dict[str, str]]) -> list[dict[str, Any]]:
    found = []
    for one in given:
        if "port" not in one or not set(one) <= {"port", "segmentation-type", "segmentation-id"}:
            raise CommandError("--subport takes port=<port>,segmentation-type=vlan,segmentation-id=<number>.")
        number = one.get("segmentation-id")
        found.append(
            {"port_id": find.id_of(cloud, find.PORT, one["port"])}
            | options.given(
                segmentation_type=one.get("segmentation-type"),
                segmentation_id=None if number is None else options.number(number, "--subport"),
            )
        )
    return found


def _change_subports(cloud: Cloud, trunk: dict[str, Any], call: str, ports: list[dict[str, Any]]) -> None:
    cloud.send("PUT", f"/trunks/{trunk['id']}/{call}", {"sub_ports": ports}, service_type="network")
