"""`cumulet server resize`, `server migrate` and what ends them, `server migration list`."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command
from cliff.lister import Lister

from cli import find, options, wait
from cli.cloud import Cloud
from cli.server_list import one

_COLUMNS = {
    "Id": "id", "UUID": "uuid", "Source Node": "source_node", "Dest Node": "dest_node", "Status": "status",
    "Server UUID": "instance_uuid", "Type": "migration_type", "Created At": "created_at", "Updated At": "updated_at",
}  # fmt: skip


class ResizeServer(Command):  # type: ignore[misc]
    """Give a server another flavor, or end that: --confirm keeps it, --revert goes back to the old one."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--flavor", metavar="<flavor>", help="its new flavor (name or id)")
        what.add_argument("--confirm", action="store_true", help="keep the new flavor")
        what.add_argument("--revert", action="store_true", help="go back to the old flavor")
        parser.add_argument("--wait", action="store_true", help="until it is done")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        if parsed_args.flavor:
            flavor = find.one(cloud, find.FLAVOR, parsed_args.flavor)
            action: dict[str, Any] = {"resize": {"flavorRef": flavor["id"]}}
        else:
            action = {"confirmResize" if parsed_args.confirm else "revertResize": None}
        _act(cloud, self.app.stderr, parsed_args, action)


class MigrateServer(Command):  # type: ignore[misc]
    """Move a server, switched off meanwhile, to another node (administrators); to be confirmed as a resize."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument("--host", metavar="<hostname>", help="which node")
        parser.add_argument("--wait", action="store_true", help="until it is done")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        wanted = {"host": parsed_args.host} if parsed_args.host else None
        _act(self.app.cloud(), self.app.stderr, parsed_args, {"migrate": wanted})


class ConfirmResize(Command):  # type: ignore[misc]
    """Keep what a resize or migration has led to."""

    action = "confirmResize"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument("--wait", action="store_true", help="until it is done")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        _act(self.app.cloud(), self.app.stderr, parsed_args, {self.action: None})


class RevertResize(ConfirmResize):
    """Go back to what a server was before its resize or migration."""

    action = "revertResize"


class ListMigrations(Lister):  # type: ignore[misc]
    """List resizes and migrations of servers (administrators)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--server", metavar="<server>", help="only of this server (name or id)")
        parser.add_argument("--host", metavar="<host>", help="only to or from this node")
        parser.add_argument("--status", metavar="<status>", help="only in this status")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[list[str], list[list[Any]]]:
        cloud: Cloud = self.app.cloud()
        server_id = one(cloud, parsed_args.server, all_projects=True)["id"] if parsed_args.server else None
        asked = options.given(instance_uuid=server_id, host=parsed_args.host, status=parsed_args.status)
        found = cloud.pages("/os-migrations", "migrations", "compute", **asked)
        return list(_COLUMNS), [[row[key] for key in _COLUMNS.values()] for row in found]


def _act(cloud: Cloud, out: Any, parsed_args: argparse.Namespace, action: dict[str, Any]) -> None:
    server_id = one(cloud, parsed_args.server)["id"]
    cloud.send("POST", f"/servers/{server_id}/action", action, service_type="compute")
    if parsed_args.wait:
        wait.for_operation(cloud, out, f"server {parsed_args.server}", server_id)
