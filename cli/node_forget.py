"""`cumulet node forget`: a node that will not come back, or not soon, holds nothing any longer."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.show import ShowOne


class ForgetNode(ShowOne):  # type: ignore[misc]
    """Give up a node that is down: its servers go to ERROR, and what it held of deleted ones is released."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("node", metavar="NODE", help="name or id of a node that is down")
        parser.add_argument(
            "--powered-off",
            action="store_true",
            required=True,
            help="you state that the machine is off: were it on, its guests could answer for addresses given to others",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        body = {"forget": {"powered_off": parsed_args.powered_off}}
        found = self.app.cloud().post(f"/nodes/{parsed_args.node}/forget", body)["forgotten"]
        return tuple(found), tuple(found.values())
