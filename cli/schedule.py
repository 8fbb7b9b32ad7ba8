"""`cumulet schedule dry-run`: where placement would put servers now, and why not elsewhere. Nothing is claimed."""

from __future__ import annotations

import argparse
import json
from typing import Any

from cliff.command import Command

from cli import find, options
from cli.cloud import Cloud
from cli.server import render_reasoning


class DryRun(Command):  # type: ignore[misc]
    """Say where servers of a flavor would be put now, and why; exit 1 if not all of them find a place."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--flavor", required=True, metavar="<flavor>", help="flavor (name or id)")
        parser.add_argument("--image", metavar="<image>", help="image (name or id): its size and architecture count")
        parser.add_argument("--count", type=int, default=1, metavar="<count>", help="how many, one after the other (1)")
        parser.add_argument("--availability-zone", metavar="<zone-name>", help="zone")
        parser.add_argument("--host", metavar="<host>", help="node (administrators)")
        parser.add_argument("-f", "--format", choices=("text", "json"), default="text", help="form of the output")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        cloud: Cloud = self.app.cloud()
        wanted = options.given(
            flavor=find.one(cloud, find.FLAVOR, parsed_args.flavor)["id"], count=parsed_args.count,
            image=find.id_of(cloud, find.IMAGE, parsed_args.image), availability_zone=parsed_args.availability_zone,
            node=parsed_args.host,
        )  # fmt: skip
        answer = cloud.send("POST", "/schedule", {"schedule": wanted})["schedule"]
        if parsed_args.format == "json":
            self.app.stdout.write(json.dumps(answer, indent=2) + "\n")
        else:
            self.app.stdout.write(render(answer))
        return 0 if answer["placed"] == answer["count"] else 1

    def run(self, parsed_args: argparse.Namespace) -> int:
        return int(self.take_action(parsed_args))


def render(answer: dict[str, Any]) -> str:
    """Where they would go, node by node, then the reasoning behind the last one, which is the one that may fail."""
    chosen: dict[str, int] = {}
    for placement in answer["placements"]:
        if placement["chosen"]:
            chosen[placement["chosen"]] = chosen.get(placement["chosen"], 0) + 1
    lines = [f"{answer['placed']} of {answer['count']} would find a place; quotas are not looked at."]
    lines += [f"  {number:>4} on {node}" for node, number in sorted(chosen.items())]
    last = answer["placements"][-1]
    which = "The last one" if last["chosen"] else "The first that would find none"
    lines += ["", f"{which}:"]
    return "\n".join(lines) + "\n" + render_reasoning(last)
