"""Putting tables in the place of what the kernel holds, by nft's JSON, in one transaction.

Tables and base chains stay, and only what is in them is exchanged. Deleting a table and adding it anew would be one
transaction, too, but for a moment both generations of a base chain are on the hook, and a packet that meets the new
one before the change and the old one after it finds both empty and passes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from common import tool
from common.deadlines import TOOL_S
from common.errors import NetworkingError, ToolFailed
from compute_agent.networking.nft_tree import Table, Tree

_BASE_CHAIN_FACTS = ("family", "table", "name", "type", "hook", "prio", "policy")


def replace(wanted: Sequence[Table]) -> None:
    """All of it or nothing. Raises NetworkingError with nft's words in `detail`."""
    apply(transaction(wanted, _listed()))


def refusal(wanted: Sequence[Table]) -> str:
    """What nft would refuse these tables for; "" when it would take them. Nothing changes."""
    return check(transaction(wanted, _listed()))


def transaction(wanted: Sequence[Table], listed: Sequence[Tree]) -> list[Tree]:
    """The commands that replace tables. `listed` is what the kernel holds, as `nft -j list ruleset` says it."""
    commands: list[Tree] = []
    for table in wanted:
        commands += _replace_one(table, listed)
    for table in wanted:
        commands += table.contents()
    return commands


def apply(commands: Sequence[Tree]) -> None:
    """One transaction as it is. Raises NetworkingError."""
    _run(["nft", "-j", "-f", "-"], commands)


def check(commands: Sequence[Tree]) -> str:
    """What nft would refuse these commands for; "" when it would take them."""
    try:
        _run(["nft", "-c", "-j", "-f", "-"], commands)
    except NetworkingError as err:
        return err.detail or err.message
    return ""


def tables() -> set[tuple[str, str]]:
    """(family, name) of every table in this network namespace."""
    found = [item["table"] for item in _list("tables") if "table" in item]
    return {(table["family"], table["name"]) for table in found}


def remove(wanted: Sequence[tuple[str, str]]) -> None:
    """Delete tables, there or not, in one transaction."""
    named = [{"table": {"family": family, "name": name}} for family, name in wanted]
    apply([{verb: table} for table in named for verb in ("add", "delete")])


def _replace_one(table: Table, listed: Sequence[Tree]) -> list[Tree]:
    """Up to the empty table with its base chains. Maps go before the chains they jump to."""
    itself: Tree = {"table": {"family": table.family, "name": table.name}}
    held = [(kind, item[kind]) for item in listed for kind in ("map", "set", "chain") if kind in item]
    held = [(kind, body) for kind, body in held if (body["family"], body["table"]) == (table.family, table.name)]
    wanted = [_facts(command["add"]["chain"]) for command in table.frame() if "chain" in command["add"]]
    if any(_facts(body) not in wanted for _, body in held if "hook" in body):
        # Of another version of Cumulet, with other hooks: it can't be kept.
        return [{"add": itself}, {"delete": itself}, *table.frame()]
    former = [(kind, body) for kind, body in held if "hook" not in body]
    deletions = [
        {"delete": {kind: {key: body[key] for key in ("family", "table", "name")}}}
        for each in ("map", "set", "chain")
        for kind, body in former
        if kind == each
    ]
    return [*table.frame(), {"flush": itself}, *deletions]


def _facts(chain: Tree) -> tuple[Any, ...]:
    return tuple(chain.get(key) for key in _BASE_CHAIN_FACTS)


def contents() -> list[Tree]:
    """Everything that the namespace of the calling thread has, elements of sets too."""
    return _list("ruleset")


def counters() -> list[Tree]:
    """The named counters of the calling thread's namespace, with what they have counted."""
    return _list("counters")


def _listed() -> list[Tree]:
    """Tables, chains, sets and maps, without what is in sets."""
    return _list("ruleset", "-t")


def _list(what: str, *options: str) -> list[Tree]:
    try:
        listed = json.loads(tool.run(["nft", "-j", *options, "list", what], timeout_s=TOOL_S))
    except (ToolFailed, json.JSONDecodeError) as err:
        raise NetworkingError("the node's filter tables can't be listed", detail=str(err)) from err
    found: list[Tree] = listed["nftables"]
    return found


def _run(command: list[str], commands: Sequence[Tree]) -> None:
    body = json.dumps({"nftables": list(commands)}).encode()
    try:
        tool.run(command, timeout_s=TOOL_S, stdin=body)
    except ToolFailed as err:
        raise NetworkingError(
            "the node's filter rules were refused as a whole; the old ones hold", detail=err.detail
        ) from err
