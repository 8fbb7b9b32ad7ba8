"""`cumulet server shelve` and `server unshelve`."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command

from cli import options, wait
from cli.cloud import Cloud
from cli.server_list import one


class ShelveServers(Command):  # type: ignore[misc]
    """Switch servers off and keep them as images, so that they need no place on a node."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "server")
        parser.add_argument(
            "--offload", action="store_true", help="take them from their nodes at once (administrators)"
        )
        parser.add_argument("--wait", action="store_true", help="until it is done")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()

        def shelve(name: str) -> None:
            server = one(cloud, name)
            if not _status(cloud, server["id"]).startswith("SHELVED"):
                _act(cloud, server["id"], "shelve")
                if parsed_args.wait or parsed_args.offload:
                    wait.for_operation(cloud, self.app.stderr, f"server {name}", server["id"])
            if parsed_args.offload and _status(cloud, server["id"]) == "SHELVED":
                _act(cloud, server["id"], "shelveOffload")
                if parsed_args.wait:
                    wait.for_operation(cloud, self.app.stderr, f"server {name}", server["id"])

        options.each(parsed_args.names, "servers could not be shelved", shelve)


class UnshelveServers(Command):  # type: ignore[misc]
    """Let shelved servers run again."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "server")
        parser.add_argument("--availability-zone", metavar="<zone>", help="where, for those that have left their node")
        parser.add_argument(
            "--no-availability-zone", action="store_true", help="bind them to no availability zone any more"
        )
        parser.add_argument("--host", metavar="<host>", help="on which node (administrators)")
        parser.add_argument("--wait", action="store_true", help="until they run")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        wanted = options.given(availability_zone=parsed_args.availability_zone, host=parsed_args.host)
        if parsed_args.no_availability_zone:
            wanted["availability_zone"] = None

        def unshelve(name: str) -> None:
            server_id = one(cloud, name)["id"]
            _act(cloud, server_id, "unshelve", wanted or None)
            if parsed_args.wait:
                wait.for_operation(cloud, self.app.stderr, f"server {name}", server_id)

        options.each(parsed_args.names, "servers could not be unshelved", unshelve)


def _act(cloud: Cloud, server_id: str, action: str, value: Any = None) -> None:
    cloud.send("POST", f"/servers/{server_id}/action", {action: value}, service_type="compute")


def _status(cloud: Cloud, server_id: str) -> str:
    return str(cloud.get(f"/servers/{server_id}", "compute")["server"]["status"])
