"""The traits that a node must have, or must not, for flavor and image: trait:NAME=required or forbidden."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from common.errors import InvalidRequest
from common.hardware.wishes import Wishes

_TRAIT = re.compile(r"trait[A-Za-z0-9_-]*:([A-Z0-9_]{1,255})\Z")
_IMAGE_TRAIT = re.compile(r"trait:([A-Z0-9_]{1,255})\Z")


@dataclass(frozen=True)
class TraitWishes:
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.required or self.forbidden)


NO_TRAITS = TraitWishes()


def read(wishes: Wishes) -> TraitWishes:
    """Raises InvalidRequest for other words, and for a trait that is required and forbidden."""
    said = _named(wishes.specs, _TRAIT, ("required", "forbidden"))
    asked = _named(wishes.properties, _IMAGE_TRAIT, ("required", "forbidden"))
    both = [*said, *asked]
    required = frozenset(name for name, word in both if word == "required")
    forbidden = frozenset(name for name, word in both if word == "forbidden")
    if required & forbidden:
        raise InvalidRequest(f"The trait {min(required & forbidden)} is both required and forbidden.")
    return TraitWishes(required, forbidden)


def _named(said: Mapping[str, str], pattern: re.Pattern[str], words: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    for name, value in said.items():
        match = pattern.match(name)
        if match is None:
            continue
        if value not in words:
            raise InvalidRequest(f"{name[:80]} must be {' or '.join(words)}, not {str(value)[:32]!r}.")
        found.append((match[1], str(value)))
    return found
