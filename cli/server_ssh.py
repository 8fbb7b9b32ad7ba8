"""`cumulet server ssh`: log in to a server, or run a command there; becomes the `ssh` of this machine."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from cliff.command import Command

from cli import find, ssh_answer
from cli.cloud import Cloud
from cli.errors import CommandError
from cli.server_list import one

DEFAULT_USER = "root"
WAIT_S = 180


class Ssh(Command):  # type: ignore[misc]
    """Log in to a server by ssh, when its SSH answers, which takes a while after a boot; what follows -- is run there."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="server (name or id)")
        parser.add_argument(
            "-l", "--login", metavar="<login-name>", help="user (default: the image's os_admin_user, root)"
        )
        parser.add_argument("-p", "--port", type=int, metavar="<port>", help="port")
        parser.add_argument("-i", "--identity", metavar="<keyfile>", help="private key (default: ssh's usual ones)")
        parser.add_argument("-o", "--option", action="append", default=[], metavar="<config-options>", help="ssh's -o")
        family = parser.add_mutually_exclusive_group()
        family.add_argument("-4", dest="version", action="store_const", const=4, help="by an IPv4 address")
        family.add_argument("-6", dest="version", action="store_const", const=6, help="by an IPv6 address")
        parser.add_argument("--address-type", metavar="<network>", help="by the address in this network")
        parser.add_argument(
            "--wait", type=float, default=WAIT_S, metavar="<seconds>",
            help=f"how long to wait until its SSH answers, 0 for not at all (default: {WAIT_S})",
        )  # fmt: skip
        parser.set_defaults(command=[])
        parser.usage = f"{prog_name} [options] <server> [-- command ...]"
        plain = parser.parse_args

        def parse(words: list[str]) -> argparse.Namespace:
            """What follows -- is not ours to read; argparse would look for options of ours in it."""
            at = words.index("--") if "--" in words else len(words)
            parsed: argparse.Namespace = plain(words[:at])
            parsed.command = words[at + 1 :]
            return parsed

        parser.parse_args = parse  # type: ignore[method-assign, assignment]
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud: Cloud = self.app.cloud()
        server = cloud.get(f"/servers/{one(cloud, parsed_args.server)['id']}", "compute")["server"]
        words = command_line(parsed_args, server, parsed_args.login or _user(cloud, server))
        sys.stdout.flush()
        at = ssh_answer.target(words) if parsed_args.wait else None
        if at is not None:
            ssh_answer.wait(at, server["name"], parsed_args.wait, sys.stderr)
        try:
            os.execvp("ssh", words)  # noqa: S606, S607 - a fixed program by arguments; no shell is involved
        except OSError as err:
            raise CommandError(f"ssh can't be started: {err.strerror}; install an OpenSSH client.") from err


def command_line(parsed_args: argparse.Namespace, server: dict[str, Any], user: str) -> list[str]:
    """ssh's arguments. Raises CommandError for a server that has no such address."""
    words = ["ssh"]
    if parsed_args.identity:
        words += ["-i", os.path.expanduser(parsed_args.identity), "-o", "IdentitiesOnly=yes"]
    if parsed_args.port:
        words += ["-p", str(parsed_args.port)]
    for option in parsed_args.option:
        words += ["-o", option]
    address = _address(server, parsed_args.address_type, parsed_args.version)
    return [*words, "-l", user, "--", address, *parsed_args.command]


def _address(server: dict[str, Any], network: str | None, version: int | None) -> str:
    if server["status"] != "ACTIVE":
        raise CommandError(
            f"Server {server['name']} is {server['status']}: it must be ACTIVE; "
            + (
                f"`cumulet server start {server['name']}`"
                if server["status"] == "SHUTOFF"
                else "see `cumulet server why`"
            )
            + "."
        )
    networks: dict[str, list[dict[str, Any]]] = server["addresses"]
    if network is not None and network not in networks:
        raise CommandError(
            f"Server {server['name']} is in no network {network!r}; it is in {', '.join(networks) or 'none'}."
        )
    found = [
        entry for name, entries in networks.items() for entry in entries
        if network in (None, name) and version in (None, entry["version"])
    ]  # fmt: skip
    if not found:
        raise CommandError(f"Server {server['name']} has no such address; see `cumulet server show {server['name']}`.")
    # Those that lead here from outside come first, then IPv4.
    best = min(found, key=lambda entry: (entry.get("OS-EXT-IPS:type") != "floating", entry["version"]))
    return str(best["addr"])


def _user(cloud: Cloud, server: dict[str, Any]) -> str:
    """As the image says; one that is gone says nothing."""
    image_id = (server["image"] or {}).get("id")
    image = find.by_id(cloud, find.IMAGE, image_id) if image_id else None
    return str((image or {}).get("os_admin_user") or DEFAULT_USER)
