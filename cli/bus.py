"""`cumulet bus list` and `dead-letters` for administrators; `definitions` for whoever sets up the broker."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from cliff.command import Command
from cliff.lister import Lister

QUEUE_COLUMNS = ("Queue", "Kind", "Messages", "Unacknowledged", "Consumers", "State")
LETTER_COLUMNS = ("At", "Kind", "Instance", "Queue", "Reason", "User", "Bytes")


class ListQueues(Lister):  # type: ignore[misc]
    """List the queues of the message bus with what waits in them; dead letters are those of cumulet.dead."""

    def take_action(self, _parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        queues = self.app.cloud().get("/bus")["bus"]["queues"]
        keys = ("name", "kind", "messages", "unacknowledged", "consumers", "state")
        return QUEUE_COLUMNS, [tuple(queue[key] for key in keys) for queue in queues]


class ListDeadLetters(Lister):  # type: ignore[misc]
    """Show what failed repeatedly, without removing it: what it was, whom it concerned, why it is there."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most so many, the oldest first")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        letters = self.app.cloud().get("/bus/dead-letters", limit=parsed_args.limit)["dead_letters"]
        keys = ("at", "kind", "instance_id", "queue", "reason", "user", "size_bytes")
        return LETTER_COLUMNS, [tuple(letter[key] for key in keys) for letter in letters]


class Definitions(Command):  # type: ignore[misc]
    """Print RabbitMQ's definitions.json with a password (its hash) for the control plane's user; needs no login."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "--password-file", required=True, metavar="FILE", help="file that holds the password alone; - is the input"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        from common.rpc.credentials import password_hash
        from common.rpc.topology import definitions
        from common.secret import Secret

        name = parsed_args.password_file
        text = (sys.stdin.read() if name == "-" else Path(name).read_text()).strip()
        if not text:
            raise ValueError(f"{name} holds no password")
        made = definitions(password_hash(Secret(text)))
        self.app.stdout.write(json.dumps(made, indent=2) + "\n")
        return 0
