"""The words of nft's JSON language that our tables are made of: plain functions that return plain trees.

Trees, never text: what a tenant typed can be a value in a tree and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any

Tree = dict[str, Any]
Network = IPv4Network | IPv6Network

ACCEPT: Tree = {"accept": None}
DROP: Tree = {"drop": None}
RETURN: Tree = {"return": None}
CONTINUE: Tree = {"continue": None}


@dataclass
class Table:
    """One table, written down object by object; nft.py puts it in the place of what the kernel holds."""

    family: str
    name: str
    objects: list[Tree] = field(default_factory=list)
    rules: list[Tree] = field(default_factory=list)

    def base_chain(self, name: str, *, kind: str, hook: str, priority: int) -> None:
        """A chain on a hook. Its policy is accept: each ends with an explicit drop where one is due, so that all a
        chain does changes with its rules, at one instant.
        """
        self._add("chain", name=name, type=kind, hook=hook, prio=priority, policy="accept")

    def chain(self, name: str) -> None:
        self._add("chain", name=name)

    def set(self, name: str, kind: str | list[str], elements: Sequence[Any], *, interval: bool = False) -> None:
        self._add("set", name=name, type=kind, **_contents(elements, interval))

    def map(
        self, name: str, kind: str | list[str], to: str, elements: Sequence[Any], *, interval: bool = False
    ) -> None:
        self._add("map", name=name, type=kind, map=to, **_contents(elements, interval))

    def counter(self, name: str) -> None:
        """A count that stays when the contents are exchanged."""
        self._add("counter", name=name)

    def rule(self, chain: str, *expressions: Tree) -> None:
        where = {"family": self.family, "table": self.name, "chain": chain}
        self.rules.append({"add": {"rule": {**where, "expr": list(expressions)}}})

    def frame(self) -> list[Tree]:
        """The commands that make the table and its base chains; they change nothing where these are."""
        return [{"add": {"table": {"family": self.family, "name": self.name}}}, *self._chains(base=True)]

    def contents(self) -> list[Tree]:
        """All else: chains before the maps that jump to them, rules last."""
        others = [item for item in self.objects if "chain" not in item["add"]]
        return [*self._chains(base=False), *others, *self.rules]

    def _chains(self, *, base: bool) -> list[Tree]:
        chains = [item for item in self.objects if "chain" in item["add"]]
        return [item for item in chains if ("hook" in item["add"]["chain"]) == base]

    def _add(self, kind: str, **facts: Any) -> None:
        self.objects.append({"add": {kind: {"family": self.family, "table": self.name, **facts}}})


def meta(key: str) -> Tree:
    return {"meta": {"key": key}}


def ct(key: str) -> Tree:
    return {"ct": {"key": key}}


def payload(protocol: str, name: str) -> Tree:
    return {"payload": {"protocol": protocol, "field": name}}


def raw_payload(base: str, offset: int, length: int) -> Tree:
    """Bits `offset` to `offset + length` of a header, for fields that nft has no name for."""
    return {"payload": {"base": base, "offset": offset, "len": length}}


def concat(*parts: Any) -> Tree:
    return {"concat": list(parts)}


def prefix(network: Network) -> Any:
    """An address where the prefix is whole, else a prefix."""
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}


def match(left: Any, right: Any, op: str = "==") -> Tree:
    return {"match": {"op": op, "left": left, "right": right}}


def one_of(left: Any, values: Sequence[Any]) -> Tree:
    return match(left, {"set": list(values)})


def vmap(key: Any, data: Any) -> Tree:
    return {"vmap": {"key": key, "data": data}}


def masked(key: Any, mask: int) -> Tree:
    return {"&": [key, mask]}


def set_mark(value: Any) -> Tree:
    return {"mangle": {"key": meta("mark"), "value": value}}


def goto(chain: str) -> Tree:
    return {"goto": {"target": chain}}


def jump(chain: str) -> Tree:
    return {"jump": {"target": chain}}


def _contents(elements: Sequence[Any], interval: bool) -> Tree:
    contents: Tree = {"flags": ["interval"]} if interval else {}
    if elements:  # an empty list is a syntax error to nft 1.0.6
        contents["elem"] = list(elements)
    return contents
