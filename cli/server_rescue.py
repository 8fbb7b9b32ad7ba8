"""`cumulet server rescue` and `unrescue`, `server restore`, `server dump create`."""

from __future__ import annotations

import argparse
import getpass
from typing import Any

from cliff.command import Command

from cli import find, options, wait
from cli.cloud import Cloud
from cli.server_list import one


class RescueServer(Command):  # type: ignore[misc]
    """Start a server from another disk, made of an image, so that its own can be mended."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument("--image", metavar="<image>", help="image (name or id; default: the one it was made from)")
        parser.add_argument("--password", metavar="<password>", help="password that the answer bears")
        parser.add_argument("--wait", action="store_true", help="until it runs")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        image_id = find.one(cloud, find.IMAGE, parsed_args.image)["id"] if parsed_args.image else None
        wanted = options.given(rescue_image_ref=image_id, adminPass=parsed_args.password)
        act(cloud, self.app.stderr, parsed_args, {"rescue": wanted or None})


class UnrescueServer(Command):  # type: ignore[misc]
    """Start a server from its own disk again."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument("--wait", action="store_true", help="until it runs")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        act(self.app.cloud(), self.app.stderr, parsed_args, {"unrescue": None})


class RestoreServers(Command):  # type: ignore[misc]
    """Bring deleted servers back, by id, where the cloud keeps them for a time."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server_ids", metavar="<server-id>", nargs="+", help="server (id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()

        def restore(server_id: str) -> None:
            cloud.send("POST", f"/servers/{server_id}/action", {"restore": None}, service_type="compute")

        options.each(parsed_args.server_ids, "servers could not be restored", restore)


class CreateDump(Command):  # type: ignore[misc]
    """Have servers' guests dump their memory, as they are set up to do at an NMI."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "server")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()

        def dump(name: str) -> None:
            at = f"/servers/{one(cloud, name)['id']}/action"
            cloud.send("POST", at, {"trigger_crash_dump": None}, service_type="compute")

        options.each(parsed_args.names, "servers could not be told to dump", dump)


def set_password(cloud: Cloud, at: str, password: str) -> None:
    """at: the server's path. An empty password is asked for."""
    text = password or getpass.getpass("New password of the server: ")
    cloud.send("POST", f"{at}/action", {"changePassword": {"adminPass": text}}, service_type="compute")


def act(cloud: Cloud, out: Any, parsed_args: argparse.Namespace, action: dict[str, Any]) -> None:
    server_id = one(cloud, parsed_args.server)["id"]
    cloud.send("POST", f"/servers/{server_id}/action", action, service_type="compute")
    if parsed_args.wait:
        wait.for_operation(cloud, out, f"server {parsed_args.server}", server_id)
