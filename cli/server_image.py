"""`cumulet server image create` and `server backup create`: images made of servers."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command

from cli import options, wait
from cli.cloud import Cloud
from cli.server_list import one


class CreateServerImage(Command):  # type: ignore[misc]
    """Make an image of a server's disk, as it is now."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument("--name", metavar="<image-name>", help="name of the image (default: the server's)")
        options.properties(parser, "property of the image (may be repeated)")
        parser.add_argument("--wait", action="store_true", help="until the image can be used")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        server = one(self.app.cloud(), parsed_args.server)
        wanted = {"name": parsed_args.name or server["name"]} | options.given(metadata=parsed_args.properties or None)
        _ask(self.app, parsed_args, server, {"createImage": wanted})


class CreateServerBackup(Command):  # type: ignore[misc]
    """Make an image of a server's disk, and remove the oldest of its kind."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument("--name", metavar="<image-name>", help="name of the image (default: the server's)")
        parser.add_argument("--type", metavar="<backup-type>", default="", help="kind of backup, such as daily")
        parser.add_argument(
            "--rotate", metavar="<count>", type=options.count, default=1, help="how many of the kind stay (default: 1)"
        )
        parser.add_argument("--wait", action="store_true", help="until the image can be used")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        server = one(self.app.cloud(), parsed_args.server)
        wanted = {
            "name": parsed_args.name or server["name"], "backup_type": parsed_args.type, "rotation": parsed_args.rotate,
        }  # fmt: skip
        _ask(self.app, parsed_args, server, {"createBackup": wanted})


def _ask(app: Any, parsed_args: argparse.Namespace, server: dict[str, Any], body: dict[str, Any]) -> None:
    cloud: Cloud = app.cloud()
    answer = cloud.send("POST", f"/servers/{server['id']}/action", body, service_type="compute")
    if parsed_args.wait:
        wait.for_operation(cloud, app.stderr, f"server {parsed_args.server}", server["id"])
    if answer and "image_id" in answer:
        app.stdout.write(f"{answer['image_id']}\n")
