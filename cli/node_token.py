"""`cumulet node token create`: let a machine join as a node, once and soon."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.show import ShowOne


class CreateNodeToken(ShowOne):  # type: ignore[misc]
    """Make a token with which one machine may join as the node of this name; it is shown once."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("node", metavar="NAME", help="name of the node; a known one gets new credentials")
        parser.add_argument("--lifetime-s", type=int, default=600, metavar="SECONDS", help="how long it may be used")
        parser.add_argument("--gateway", action="store_true", help="networks with NAT reach the outside by this node")
        parser.add_argument("--no-compute", action="store_true", help="no server is placed on it")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        asked = {
            "node": parsed_args.node,
            "lifetime_s": parsed_args.lifetime_s,
            "is_compute": not parsed_args.no_compute,
            "is_gateway": parsed_args.gateway,
        }
        made = self.app.cloud().post("/nodes/tokens", {"token": asked})["token"]
        return tuple(made), tuple(made.values())
