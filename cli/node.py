"""`cumulet node list` and `show`: the hypervisor hosts, for administrators."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.lister import Lister
from cliff.show import ShowOne

COLUMNS = ("Name", "Roles", "State", "Status", "Heartbeat", "Servers", "vCPUs", "Memory MiB", "Disk GiB", "Load")


class ListNodes(Lister):  # type: ignore[misc]
    """List nodes with what is claimed of what may be claimed."""

    def take_action(self, _parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        return COLUMNS, [row(node) for node in self.app.cloud().get("/nodes")["nodes"]]


class ShowNode(ShowOne):  # type: ignore[misc]
    """Show one node."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("node", metavar="NODE", help="name or id of a node")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        found = self.app.cloud().get(f"/nodes/{parsed_args.node}")["node"]
        return tuple(found), tuple(found.values())


def row(node: dict[str, Any]) -> tuple[Any, ...]:
    claimed, claimable = node["claimed"], node["claimable"]
    age_s = node["heartbeat_age_s"]
    return (
        node["name"],
        "+".join(node["roles"]) or "none",
        node["state"] if not node.get("cut_off_at") else "cut off",
        node["status"],
        "never" if age_s is None else f"{age_s:.0f} s ago",
        node["instances"],
        *(f"{claimed[name]}/{claimable[name]}" for name in ("vcpus", "memory_mib", "disk_gib")),
        node["used"]["load_1m"],
    )
