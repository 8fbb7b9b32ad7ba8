"""`cumulet audit resources`: does everything that is written down twice agree, and with what the nodes hold."""

from __future__ import annotations

import argparse
from typing import Any

from cliff.lister import Lister

COLUMNS = ("Kind", "ID", "Expected", "Found", "Remedy")


class AuditResources(Lister):  # type: ignore[misc]
    """Recount claims, quota, addresses, tasks and what the nodes hold; exit 1 if anything differs."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "--repair", action="store_true", help="first count the nodes' used amounts anew from their allocations"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        cloud = self.app.cloud()
        if parsed_args.repair:
            repaired = cloud.post("/audit/resources/repair", {"repair": ["node_used"]})["repaired_nodes"]
            self.app.stderr.write(f"nodes counted anew: {repaired}\n")
        answer = cloud.get("/audit/resources")
        for node in answer["nodes_silent"]:
            self.app.stderr.write(f"node {node} did not answer: what it holds was not compared\n")
        self.differs = bool(answer["differences"])
        return COLUMNS, [tuple(row[name.lower()] for name in COLUMNS) for row in answer["differences"]]

    def run(self, parsed_args: argparse.Namespace) -> int:
        super().run(parsed_args)
        return 1 if self.differs else 0
