"""The examples of docs/clients.md: fenced blocks whose first line bears a language and a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
_BLOCK = re.compile(r"^```(\w+) ([\w-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    language: str
    name: str
    text: str


def examples() -> list[Example]:
    return [Example(*found) for found in _BLOCK.findall(PAGE.read_text())]


def commands_that_fail() -> set[str]:
    """What the page's last table says `openstack` can't do here: the beginnings of its commands."""
    _, _, section = PAGE.read_text().partition("## What `openstack` can't do here")
    return {name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(.+?)`", row)}
