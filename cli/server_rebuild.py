"""`cumulet server rebuild`: new disks from an image, under the same name and addresses."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command

from cli import find, options, wait
from cli.cloud import Cloud
from cli.server_create import user_data
from cli.server_list import one


class RebuildServer(Command):  # type: ignore[misc]
    """Give a server new disks, made from its image or another one."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument("--image", metavar="<image>", help="image (name or id; default: the one it has)")
        parser.add_argument("--name", metavar="<name>", help="new name")
        parser.add_argument("--description", metavar="<description>", help="new description")
        options.properties(parser)
        ephemeral = parser.add_mutually_exclusive_group()
        ephemeral.add_argument("--preserve-ephemeral", action="store_true", help="keep the ephemeral disk as it is")
        ephemeral.add_argument(
            "--no-preserve-ephemeral", dest="preserve_ephemeral", action="store_false", help="make it anew (default)"
        )
        key = parser.add_mutually_exclusive_group()
        key.add_argument("--key-name", metavar="<key-name>", help="another key")
        key.add_argument("--no-key-name", action="store_true", help="no key")
        data = parser.add_mutually_exclusive_group()
        data.add_argument("--user-data", metavar="<user-data>", help="file with other user data")
        data.add_argument("--no-user-data", action="store_true", help="no user data")
        parser.add_argument("--wait", action="store_true", help="until it is done")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        server = one(cloud, parsed_args.server)
        image_id = (
            find.one(cloud, find.IMAGE, parsed_args.image)["id"] if parsed_args.image else _own_image(cloud, server)
        )
        wanted: dict[str, Any] = {"imageRef": image_id} | options.given(
            name=parsed_args.name, description=parsed_args.description, key_name=parsed_args.key_name
        )
        if parsed_args.properties:
            wanted["metadata"] = parsed_args.properties
        if parsed_args.preserve_ephemeral:
            wanted["preserve_ephemeral"] = True
        if parsed_args.no_key_name:
            wanted["key_name"] = None
        if parsed_args.user_data or parsed_args.no_user_data:
            wanted["user_data"] = user_data(parsed_args.user_data)
        at = f"/servers/{server['id']}/action"
        cloud.send("POST", at, {"rebuild": wanted}, service_type="compute")
        if parsed_args.wait:
            wait.for_operation(cloud, self.app.stderr, f"server {parsed_args.server}", server["id"])


def _own_image(cloud: Cloud, server: dict[str, Any]) -> str:
    found = cloud.get(f"/servers/{server['id']}", "compute")["server"]
    return str(found["image"]["id"])
