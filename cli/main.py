"""Entry point of the `cumulet` command: the daily commands of `openstack`, and what it has no word for."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

from cliff.app import App
from cliff.commandmanager import CommandManager

from cli import cloud, secrets_hidden
from cli.commands import OPENSTACK
from cli.errors import CloudRefusedError, CommandError
from cli.settings import SettingsError

if TYPE_CHECKING:
    from cli.cloud import Cloud

VERSION = "0.1.0"
#: the table of contents: words of the command -> where its class is, imported when it is used
COMMANDS = {
    "audit resources": "cli.audit:AuditResources",
    "bus dead-letters": "cli.bus:ListDeadLetters",
    "bus definitions": "cli.bus:Definitions",
    "bus list": "cli.bus:ListQueues",
    "check": "cli.check:RunChecks",
    "complete": "cli.complete:Complete",
    "db migrate": "cli.db:Migrate",
    "network trace": "cli.network_trace:Trace",
    "node enrol": "cli.enrol:Enrol",
    "node forget": "cli.node_forget:ForgetNode",
    "node list": "cli.node:ListNodes",
    "node show": "cli.node:ShowNode",
    "node token create": "cli.node_token:CreateNodeToken",
    "operation list": "cli.operation:ListOperations",
    "operation show": "cli.operation:ShowOperation",
    "schedule dry-run": "cli.schedule:DryRun",
    "server why": "cli.server:Why",
    "top": "cli.top:Top",
    "volume why": "cli.volume_why:Why",
    **OPENSTACK,
}
_KNOWN_ERRORS = (CloudRefusedError, CommandError, SettingsError)
_QUIET = ("alembic", "keystoneauth", "kombu", "openstack", "stevedore", "common", "urllib3")


class CumuletApp(App):  # type: ignore[misc]
    """Parses global options, finds the command, and holds the cloud that commands talk to."""

    NAME = "cumulet"
    LOG = logging.getLogger(NAME)

    def __init__(self) -> None:
        manager = CommandManager()
        for name, target in COMMANDS.items():
            manager.commands[name] = EntryPoint(name=name, value=target, group="cumulet")
        super().__init__("Use and operate a Cumulet cloud.", VERSION, manager, deferred_help=True)
        self._cloud: Cloud | None = None

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: dict[str, Any] | None = None
    ) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().build_option_parser(description, version, argparse_kwargs)
        cloud.add_options(parser)
        return parser

    def configure_logging(self) -> None:
        """Libraries speak only when something is wrong; --debug lets them, without secrets."""
        if self.options.debug:
            self.options.verbose_level = 2
        super().configure_logging()
        for handler in logging.getLogger("").handlers:
            handler.addFilter(secrets_hidden.hide)
        for name in _QUIET:
            quiet = not self.options.debug or name == "stevedore"
            logging.getLogger(name).setLevel(logging.WARNING if quiet else logging.DEBUG)

    def print_help_if_requested(self) -> None:
        """cliff's own help builds every command and looks through all installed packages: too slow to answer --help."""
        if not (self.deferred_help and self.options.deferred_help):
            return
        self.parser.print_help(self.stdout)
        self.stdout.write(render_contents(COMMANDS))
        raise SystemExit(0)

    def interact(self) -> None:
        """Without a command there is nothing to do; there is no shell of our own."""
        self.parser.error("name a command; `cumulet --help` lists them")

    def clean_up(self, _cmd: object, _result: int, err: BaseException | None) -> None:
        """Whoever meets a defect gets told that it is one, beside the few words of the exception."""
        if isinstance(err, Exception) and not isinstance(err, _KNOWN_ERRORS):
            from common.errors import CloudError

            if not isinstance(err, CloudError | OSError):
                self.LOG.error("%s: this is a defect in cumulet; --debug shows where", type(err).__name__)

    def cloud(self) -> Cloud:
        """The cloud that the options, variables and clouds.yaml name; logs in with its first request."""
        if self._cloud is None:
            self._cloud = cloud.Cloud(self.options)
        return self._cloud


def render_contents(commands: Mapping[str, str]) -> str:
    """Every command, a line per noun, without importing any of them."""
    nouns: dict[str, list[str]] = {}
    for name in sorted(commands):
        noun, _, verb = name.rpartition(" ")
        for word in (" add", " remove", " contains"):  # `router add subnet`: the noun is the router
            if word in noun:
                noun, _, what = name.partition(word)
                verb = f"{word.strip()}{what}"
        nouns.setdefault(noun or verb, []).append(verb if noun else "")
    lines = [
        f"  {noun:<28}  {', '.join(verb for verb in verbs if verb)}".rstrip() for noun, verbs in sorted(nouns.items())
    ]
    return "\nCommands (`cumulet NOUN VERB --help` says more; most are those of openstack):\n" + "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    return int(CumuletApp().run(sys.argv[1:] if arguments is None else arguments))


if __name__ == "__main__":
    sys.exit(main())
