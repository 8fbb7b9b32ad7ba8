"""`cumulet server why`: which nodes were looked at for a server, and why each was refused."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.command import Command

from cli import find

FIELDS = ("server", "operation", "chosen", "candidates", "filters", "refusals", "nearest_fix")


class Why(Command):  # type: ignore[misc]
    """Say why a server is on its node, or why no node would take it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="SERVER", help="id or name of a server")
        parser.add_argument("-f", "--format", choices=("text", "json"), default="text", help="form of the output")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        cloud = self.app.cloud()
        answer = cloud.get(f"/servers/{find.server_id(cloud, parsed_args.server)}/why")
        if parsed_args.format == "json":
            import json

            self.app.stdout.write(json.dumps({name: answer[name] for name in FIELDS}, indent=2) + "\n")
        else:
            self.app.stdout.write(render_why(answer))


def render_why(answer: dict[str, Any]) -> str:
    """The reasoning as text a person reads from top to bottom."""
    lines = [f"Server     {answer['server']}", f"Operation  {answer['operation'] or '-'}"]
    lines.append(f"Chosen     {answer['chosen'] or 'no node'} (of {answer['candidates']} nodes)")
    if not answer["filters"] and not answer["candidates"]:
        return "\n".join([*lines, "", "No node has been looked for yet."]) + "\n"
    return "\n".join(lines) + "\n" + render_reasoning(answer)


def render_reasoning(answer: dict[str, Any]) -> str:
    """Filters, best nodes and refusals of one placement."""
    lines = ["", "Filter                passed  refused"]
    lines += [f"{item['name']:<20}  {item['passed']:>6}  {item['refused']:>7}" for item in answer["filters"]]
    if answer.get("scores"):
        lines += ["", "Best nodes"] + [f"  {item['node']}  {item['score']:.4f}" for item in answer["scores"]]
    if answer["refusals"]:
        lines += ["", "Refusals"] + [
            f"  {item['node']}  {item['filter']}: {item['reason']}" for item in answer["refusals"]
        ]
    if answer["nearest_fix"]:
        lines += ["", f"Nearest fix: {answer['nearest_fix']}"]
    return "\n".join(lines) + "\n"
