"""`cumulet node enrol`: make a node known to this cloud. Works on the database, so only where the services run."""

from __future__ import annotations

import argparse
import re
from typing import Any

from cliff.command import Command


class Enrol(Command):  # type: ignore[misc]
    """Make a node known, with the secret by which it fetches images; heartbeats of others are refused."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("node", metavar="NODE", help="name of the node, as its agent's configuration says")
        parser.add_argument(
            "--secret-sha256", required=True, type=_hash, metavar="HEX", help="SHA-256 of the node's secret file"
        )
        parser.add_argument("--address", default="", help="address of the node for tunnels")
        parser.add_argument("--gateway", action="store_true", help="networks with NAT reach the outside by this node")
        parser.add_argument(
            "--no-compute", action="store_true", help="no server is placed on it: its agent has the driver none"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        from common import config as configuration
        from common.clock import SystemClock
        from common.db import nodes
        from common.db.session import Database
        from common.ids import new_id

        config = configuration.load()
        clock = SystemClock()
        db = Database(config.database, clock)
        try:
            node = db.run(
                lambda session: nodes.enrol(
                    session,
                    node_id=new_id(),
                    name=parsed_args.node,
                    address=parsed_args.address,
                    secret_hash=parsed_args.secret_sha256,
                    config=config.scheduler,
                    now=clock.now(),
                    is_compute=not parsed_args.no_compute,
                    is_gateway=parsed_args.gateway,
                )
            )
        finally:
            db.close()
        self.app.stdout.write(f"node {node.name} is enrolled as {node.id}\n")
        return 0


def _hash(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError("64 hexadecimal digits are expected: sha256sum of the secret, without newline")
    return text
