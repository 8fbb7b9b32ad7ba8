"""`cumulet operation list` and `show`: what the cloud is doing, has done, and is stuck at."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.lister import Lister
from cliff.show import ShowOne

COLUMNS = ("ID", "Action", "Resource", "State", "Step", "Attempt", "Created at", "Waits for", "Error")


class ListOperations(Lister):  # type: ignore[misc]
    """List operations, newest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--state", action="append", metavar="STATE", help="only in this state (may be repeated)")
        parser.add_argument(
            "--stuck", action="store_true", help="only those that need a person: stuck, or open past their deadline"
        )
        parser.add_argument("--resource", metavar="ID", help="only of this server, volume or node")
        parser.add_argument("--all-projects", action="store_true", help="of all projects (administrators)")
        parser.add_argument("--limit", type=int, metavar="N", help="at most N")
        parser.add_argument(
            "--marker", metavar="ID", help="those after this operation, the last one of the page before"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        answer = self.app.cloud().get(
            "/operations",
            state=parsed_args.state,
            stuck="true" if parsed_args.stuck else None,
            resource=parsed_args.resource,
            all_projects="true" if parsed_args.all_projects else None,
            limit=parsed_args.limit,
            marker=parsed_args.marker,
        )
        return COLUMNS, [row(item) for item in answer["operations"]]


class ShowOperation(ShowOne):  # type: ignore[misc]
    """Show one operation with its events."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("operation", metavar="ID", help="id of an operation")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        found = self.app.cloud().get(f"/operations/{parsed_args.operation}")["operation"]
        if getattr(parsed_args, "formatter", "table") in ("json", "yaml"):
            return tuple(found), tuple(found.values())
        found = {**found, "error": error_text(found["error"]), "events": events_text(found["events"])}
        return tuple(found), tuple(found.values())


def row(item: dict[str, Any]) -> tuple[Any, ...]:
    return (
        item["id"],
        item["action"],
        item["resource_id"],
        item["state"],
        item["step"],
        item["attempt"],
        item["created_at"],
        item.get("waits_for", ""),
        error_text(item["error"]),
    )


def error_text(error: dict[str, Any] | None) -> str:
    return "" if error is None else f"{error.get('code', '')}: {error.get('message', '')}"


def events_text(events: list[dict[str, Any]]) -> str:
    """One line per event."""
    return "\n".join(
        " ".join(
            str(word)
            for word in (
                event["started_at"],
                event["name"],
                event["result"] or "…",
                event["node"] or "",
                event["message"],
            )
            if word
        )
        for event in events
    )
