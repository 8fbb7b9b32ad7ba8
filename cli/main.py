"""Entry point of the `cumulet` command: what OpenStack's own client has no word for."""

from __future__ import annotations

import argparse
import logging
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

from cliff.app import App
from cliff.commandmanager import CommandManager

from cli import cloud

if TYPE_CHECKING:
    from cli.cloud import Cloud

VERSION = "0.1.0"
#: the table of contents: words of the command -> where its class is, imported when it is used
COMMANDS = {
    "audit resources": "cli.audit:AuditResources",
    "bus dead-letters": "cli.bus:ListDeadLetters",
    "bus list": "cli.bus:ListQueues",
    "check": "cli.check:RunChecks",
    "db migrate": "cli.db:Migrate",
    "node enrol": "cli.enrol:Enrol",
    "node forget": "cli.node_forget:ForgetNode",
    "node list": "cli.node:ListNodes",
    "node show": "cli.node:ShowNode",
    "node token create": "cli.node_token:CreateNodeToken",
    "operation list": "cli.operation:ListOperations",
    "operation show": "cli.operation:ShowOperation",
    "server why": "cli.server:Why",
}


class CumuletApp(App):  # type: ignore[misc]
    """Parses global options, finds the command, and holds the cloud that commands talk to."""

    NAME = "cumulet"
    LOG = logging.getLogger(NAME)

    def __init__(self) -> None:
        manager = CommandManager()
        for name, target in COMMANDS.items():
            manager.commands[name] = EntryPoint(name=name, value=target, group="cumulet")
        super().__init__("Operate a Cumulet cloud.", VERSION, manager, deferred_help=True)

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: dict[str, Any] | None = None
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().build_option_parser(description, version, argparse_kwargs)
        cloud.add_options(parser)
        return parser

    def configure_logging(self) -> None:
        """Libraries speak only when something is wrong; --debug lets them."""
        super().configure_logging()
        if not self.options.debug:
            for name in ("alembic", "keystoneauth", "kombu", "openstack", "stevedore", "common"):
                logging.getLogger(name).setLevel(logging.WARNING)

    def print_help_if_requested(self) -> None:
        """cliff's own help builds every command and looks through all installed packages: too slow to answer --help."""
        if not (self.deferred_help and self.options.deferred_help):
            return
        self.parser.print_help(self.stdout)
        self.stdout.write("\nCommands:\n")
        for name, command in sorted(self.command_manager):
            if name in COMMANDS:
                self.stdout.write(f"  {name:<17} {(command.load().__doc__ or '').splitlines()[0]}\n")
        raise SystemExit(0)

    def interact(self) -> None:
        """Without a command there is nothing to do; there is no shell of our own."""
        self.parser.error("name a command; `cumulet --help` lists them")

    def cloud(self) -> Cloud:
        """The cloud that the options, variables and clouds.yaml name; logs in with its first request."""
        return cloud.Cloud(self.options)


def main(arguments: list[str] | None = None) -> int:
    return int(CumuletApp().run(sys.argv[1:] if arguments is None else arguments))


if __name__ == "__main__":
    sys.exit(main())
