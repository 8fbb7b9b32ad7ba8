"""What is done with servers that exist: power, deletion, names, properties, tags, groups, locks, the console log."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from cliff.command import Command

from cli import options, wait
from cli.cloud import Cloud, part
from cli.server_list import one
from cli.server_rescue import set_password


class DeleteServers(Command):  # type: ignore[misc]
    """Delete servers."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _servers(parser)
        parser.add_argument("--force", action="store_true", help="whatever is being done with them")
        parser.add_argument("--wait", action="store_true", help="until they are gone")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        asked: dict[str, str] = {}

        def delete(name: str) -> None:
            server_id = one(cloud, name, all_projects=parsed_args.all_projects)["id"]
            if parsed_args.force:
                _act(cloud, server_id, "forceDelete")
            else:
                cloud.send("DELETE", f"/servers/{server_id}", service_type="compute")
            asked[server_id] = name

        try:
            options.each(parsed_args.names, "servers could not be deleted", delete)
        finally:
            for server_id, name in asked.items() if parsed_args.wait else ():
                wait.until_gone(cloud, self.app.stderr, f"server {name}", server_id)


class StartServers(Command):  # type: ignore[misc]
    """Switch servers on."""

    verb, action = "started", "os-start"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _servers(parser)
        parser.add_argument("--wait", action="store_true", help="until it is done")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()

        def act(name: str) -> None:
            server_id = one(cloud, name, all_projects=parsed_args.all_projects)["id"]
            _act(cloud, server_id, self.action)
            if parsed_args.wait:
                wait.for_operation(cloud, self.app.stderr, f"server {name}", server_id)

        options.each(parsed_args.names, f"servers could not be {self.verb}", act)


class StopServers(StartServers):
    """Switch servers off, as by their power button."""

    verb, action = "stopped", "os-stop"


class PauseServers(Command):  # type: ignore[misc]
    """Hold servers, with what they have in memory."""

    verb, action = "paused", "pause"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "server")
        parser.add_argument("--wait", action="store_true", help="until it is done")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()

        def act(name: str) -> None:
            server_id = one(cloud, name)["id"]
            _act(cloud, server_id, self.action)
            if parsed_args.wait:
                wait.for_operation(cloud, self.app.stderr, f"server {name}", server_id)

        options.each(parsed_args.names, f"servers could not be {self.verb}", act)


class UnpauseServers(PauseServers):
    """Let paused servers go on."""

    verb, action = "unpaused", "unpause"


class SuspendServers(PauseServers):
    """Write what servers have in memory to the disk, and switch them off."""

    verb, action = "suspended", "suspend"


class ResumeServers(PauseServers):
    """Let suspended servers go on where they were."""

    verb, action = "resumed", "resume"


class RebootServer(Command):  # type: ignore[misc]
    """Restart a server."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        kind = parser.add_mutually_exclusive_group()
        kind.add_argument(
            "--hard", dest="kind", action="store_const", const="HARD", default="SOFT", help="by its power switch"
        )
        kind.add_argument(
            "--soft", dest="kind", action="store_const", const="SOFT", help="by its operating system (default)"
        )
        parser.add_argument("--wait", action="store_true", help="until it is done")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        server_id = one(cloud, parsed_args.server)["id"]
        _act(cloud, server_id, "reboot", {"type": parsed_args.kind})
        if parsed_args.wait:
            wait.for_operation(cloud, self.app.stderr, f"server {parsed_args.server}", server_id)


class SetServer(Command):  # type: ignore[misc]
    """Change a server's name, description, properties, tags or (administrators) state."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument("--name", metavar="<new-name>", help="new name")
        options.properties(parser)
        parser.add_argument(
            "--state", choices=("active", "error"), metavar="<state>", help="active or error (administrators)"
        )
        parser.add_argument(
            "--password", metavar="<password>", help="new password of its administrator; empty: it is asked for"
        )
        parser.add_argument("--hostname", metavar="<hostname>", help="new host name")
        parser.add_argument("--auto-approve", action="store_true", help="without effect: --state never asks")
        parser.add_argument("--description", metavar="<description>", help="description")
        parser.add_argument(
            "--tag", action="append", dest="tags", default=[], metavar="<tag>", help="tag (may be repeated)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        at = f"/servers/{one(cloud, parsed_args.server)['id']}"
        wanted = options.given(
            name=parsed_args.name, description=parsed_args.description, hostname=parsed_args.hostname
        )
        if wanted:
            cloud.send("PUT", at, {"server": wanted}, service_type="compute")
        if parsed_args.properties:
            cloud.send("POST", f"{at}/metadata", {"metadata": parsed_args.properties}, service_type="compute")
        if parsed_args.state:
            cloud.send("POST", f"{at}/action", {"os-resetState": {"state": parsed_args.state}}, service_type="compute")
        if parsed_args.password is not None:
            set_password(cloud, at, parsed_args.password)
        for tag in parsed_args.tags:
            cloud.send("PUT", f"{at}/tags/{part(tag)}", service_type="compute")


class UnsetServer(Command):  # type: ignore[misc]
    """Remove a server's properties, tags or description."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--property", action="append", default=[], metavar="<key>", help="property (may be repeated)"
        )
        which.add_argument("--all-properties", action="store_true", help="all properties")
        parser.add_argument("--description", action="store_true", help="the description")
        tags = parser.add_mutually_exclusive_group()
        tags.add_argument(
            "--tag", action="append", dest="tags", default=[], metavar="<tag>", help="tag (may be repeated)"
        )
        tags.add_argument("--all-tags", action="store_true", help="all tags")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        at = f"/servers/{one(cloud, parsed_args.server)['id']}"
        for key in parsed_args.property:
            cloud.send("DELETE", f"{at}/metadata/{part(key)}", service_type="compute")
        if parsed_args.all_properties:
            cloud.send("PUT", f"{at}/metadata", {"metadata": {}}, service_type="compute")
        if parsed_args.description:
            cloud.send("PUT", at, {"server": {"description": None}}, service_type="compute")
        for tag in parsed_args.tags:
            cloud.send("DELETE", f"{at}/tags/{part(tag)}", service_type="compute")
        if parsed_args.all_tags:
            cloud.send("DELETE", f"{at}/tags", service_type="compute")


class AddGroups(Command):  # type: ignore[misc]
    """Put a server into security groups."""

    action = "addSecurityGroup"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument("groups", nargs="+", metavar="<security-group>", help="security group (name or id)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        server_id = one(cloud, parsed_args.server)["id"]
        act: Callable[[str], object] = lambda name: _act(cloud, server_id, self.action, {"name": name})  # noqa: E731
        options.each(parsed_args.groups, "security groups could not be changed", act)


class RemoveGroups(AddGroups):
    """Take a server out of security groups."""

    action = "removeSecurityGroup"


class LockServers(Command):  # type: ignore[misc]
    """Let nobody change servers until they are unlocked."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "server")
        parser.add_argument("--reason", metavar="<reason>", help="why")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        value = {"locked_reason": parsed_args.reason} if parsed_args.reason else None

        def lock(name: str) -> None:
            _act(cloud, one(cloud, name)["id"], "lock", value)

        options.each(parsed_args.names, "servers could not be locked", lock)


class UnlockServers(Command):  # type: ignore[misc]
    """Let servers be changed again."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        options.names(parser, "server")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()

        def unlock(name: str) -> None:
            _act(cloud, one(cloud, name)["id"], "unlock")

        options.each(parsed_args.names, "servers could not be unlocked", unlock)


class ShowConsoleLog(Command):  # type: ignore[misc]
    """Print what a server has written to its console."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument(
            "--lines", type=options.count, metavar="<num-lines>", help="the last so many lines (default: all)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        value = {} if parsed_args.lines is None else {"length": parsed_args.lines}
        answer = _act(cloud, one(cloud, parsed_args.server)["id"], "os-getConsoleOutput", value)
        text = answer["output"]
        self.app.stdout.write(text if text.endswith("\n") or not text else text + "\n")


def _servers(parser: argparse.ArgumentParser) -> None:
    options.names(parser, "server")
    parser.add_argument("--all-projects", action="store_true", help="by name in any project (administrators)")


def _act(cloud: Cloud, server_id: str, action: str, value: Any = None) -> dict[str, Any]:
    return cloud.send("POST", f"/servers/{server_id}/action", {action: value}, service_type="compute")
