"""`cumulet volume why`: what was last done with a volume, at which step it is or failed, and what the storage says of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from cliff.command import Command

from cli import find
from cli.operation import error_text

if TYPE_CHECKING:
    from cli.cloud import Cloud

_OPERATIONS = 5


class Why(Command):  # type: ignore[misc]
    """Say why a volume is in its state: its last operations, step by step, and messages about it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("volume", metavar="VOLUME", help="id or name of a volume")
        parser.add_argument("-f", "--format", choices=("text", "json"), default="text", help="form of the output")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        answer = reasons(self.app.cloud(), parsed_args.volume)
        if parsed_args.format == "json":
            import json

            self.app.stdout.write(json.dumps(answer, indent=2) + "\n")
        else:
            self.app.stdout.write(render(answer))


def reasons(cloud: Cloud, name_or_id: str) -> dict[str, Any]:
    volume = find.one(cloud, find.VOLUME, name_or_id)
    asked = {"resource": volume["id"], "limit": _OPERATIONS}
    found = cloud.get("/operations", **asked)["operations"]
    if not found and cloud.is_admin:
        found = cloud.get("/operations", all_projects="true", **asked)["operations"]
    operations = [cloud.get(f"/operations/{one['id']}")["operation"] for one in found]
    messages = cloud.pages("/messages", "messages", "block-storage", resource_uuid=volume["id"])
    return {
        "volume": volume["id"], "status": volume["status"], "host": volume.get("os-vol-host-attr:host"),
        "attachments": volume["attachments"], "operations": operations,
        "messages": [one["user_message"] for one in messages],
    }  # fmt: skip


def render(answer: dict[str, Any]) -> str:
    lines = [f"Volume   {answer['volume']}", f"Status   {answer['status']}"]
    if answer["host"]:
        lines.append(f"Host     {answer['host']}")
    lines += [f"Server   {one['server_id']} on {one['device']}" for one in answer["attachments"]]
    for one in answer["operations"]:
        lines += ["", f"{one['created_at']}  {one['action']}: {one['state']}  (operation {one['id']})"]
        lines += [
            f"  {event['name']}: {event['result'] or 'going on'}"
            + (f", {event['message']}" if event["message"] else "")
            for event in one["events"]
        ]
        if one["error"]:
            lines.append(f"  {error_text(one['error'])}")
    if not answer["operations"]:
        lines += ["", "No operation on it is known any more."]
    if answer["messages"]:
        lines += ["", "Messages", *(f"  {text}" for text in answer["messages"])]
    return "\n".join(lines) + "\n"
