"""`cumulet router add …` and `router remove …`: subnets, ports and routes of a router."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from cliff.command import Command

from cli import find, options, resource
from cli.cloud import Cloud
from cli.find import Kind
from cli.subnet import route


class AddSubnet(Command):  # type: ignore[misc]
    """Give a router an interface in a subnet, with the subnet's gateway address."""

    call: ClassVar[str] = "add_router_interface"
    key: ClassVar[str] = "subnet_id"
    kind: ClassVar[Kind] = find.SUBNET

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.ROUTER)
        parser.add_argument("other", metavar=f"<{self.kind.noun}>", help=f"{self.kind.noun} (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        path = f"{resource.path_of(cloud, find.ROUTER, parsed_args.thing)}/{self.call}"
        wanted = {self.key: find.id_of(cloud, self.kind, parsed_args.other)}
        cloud.send("PUT", path, wanted, service_type="network")


class RemoveSubnet(AddSubnet):
    """Take a router's interface out of a subnet."""

    call = "remove_router_interface"


class AddPort(AddSubnet):
    """Make a port an interface of a router."""

    key, kind = "port_id", find.PORT


class RemovePort(AddPort):
    """Take an interface from a router, by its port, which is deleted."""

    call = "remove_router_interface"


class AddRoute(Command):  # type: ignore[misc]
    """Add routes to a router, beside whoever else does."""

    call: ClassVar[str] = "add_extraroutes"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        resource.positional(parser, find.ROUTER)
        parser.add_argument(
            "--route", action="append", type=options.pairs, default=[], help="a route (may be repeated)",
            metavar="destination=<subnet>,gateway=<ip-address>",
        )  # fmt: skip
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        path = f"{resource.path_of(cloud, find.ROUTER, parsed_args.thing)}/{self.call}"
        routes: list[Any] = [route(one) for one in parsed_args.route]
        if routes:
            cloud.send("PUT", path, {"router": {"routes": routes}}, service_type="network")


class RemoveRoute(AddRoute):
    """Remove routes of a router."""

    call = "remove_extraroutes"
