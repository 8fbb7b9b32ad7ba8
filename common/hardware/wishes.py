"""One value asked for by flavor (extra spec) and image (property): read, typed, and refused where they disagree.

Messages name the extra spec or property and what it may say. Sources: Nova's "Extra Specs" and Glance's "Useful image
properties".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from common.errors import InvalidRequest

TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
FALSE = frozenset({"0", "f", "false", "off", "n", "no"})
MAX_CPU = 4096
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True)
class Wish:
    """Where a value can be said: the flavor's extra spec, the image's property; "" where that side can't say it."""

    spec: str = ""
    prop: str = ""


@dataclass(frozen=True)
class Wishes:
    """specs: the flavor's extra specs. properties: the image's."""

    specs: Mapping[str, str]
    properties: Mapping[str, str]

    def text(self, wish: Wish) -> str | None:
        """The flavor's word, else the image's. Raises InvalidRequest when they say different things."""
        said, asked = self.flavor_says(wish), self.image_says(wish)
        if said is not None and asked is not None and said.lower() != asked.lower():
            raise disagree(wish, said, asked)
        return said if said is not None else asked

    def flavor_says(self, wish: Wish) -> str | None:
        return _known(self.specs, wish.spec)

    def image_says(self, wish: Wish) -> str | None:
        return _known(self.properties, wish.prop)

    def flag(self, wish: Wish) -> bool | None:
        """None: nobody said anything. Raises InvalidRequest for what is no boolean, and where the two disagree."""
        said = _flag(wish.spec, self.flavor_says(wish))
        asked = _flag(wish.prop, self.image_says(wish))
        if said is not None and asked is not None and said != asked:
            raise disagree(wish, str(said), str(asked))
        return said if said is not None else asked

    def number(self, wish: Wish, lowest: int = 0) -> int | None:
        """Raises InvalidRequest for what is no whole number of at least `lowest`, and where the two disagree."""
        said, asked = self.numbers(wish, lowest)
        if said is not None and asked is not None and said != asked:
            raise disagree(wish, str(said), str(asked))
        return said if said is not None else asked

    def numbers(self, wish: Wish, lowest: int = 0) -> tuple[int | None, int | None]:
        """What the flavor says, and what the image. Raises InvalidRequest."""
        said = number(wish.spec, self.flavor_says(wish), lowest)
        return said, number(wish.prop, self.image_says(wish), lowest)

    def choice(self, wish: Wish, kind: type[E]) -> E | None:
        """Raises InvalidRequest for a word that is none of `kind`, and where the two disagree."""
        for name, text in ((wish.spec, self.flavor_says(wish)), (wish.prop, self.image_says(wish))):
            if text is not None and text.lower() not in kind.__members__.values():
                raise InvalidRequest(f"{name} can't be {text[:64]!r}: one of {', '.join(kind)} is needed.")
        text = self.text(wish)
        return None if text is None else kind(text.lower())


def disagree(wish: Wish, said: str, asked: str) -> InvalidRequest:
    return InvalidRequest(
        f"Flavor and image disagree: the flavor's {wish.spec} is {said[:64]}, the image's {wish.prop} is {asked[:64]}."
    )


def number(name: str, text: str | None, lowest: int = 0) -> int | None:
    """Raises InvalidRequest for what is no whole number of at least `lowest`."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12) or int(text) < lowest:
        raise InvalidRequest(f"{name} must be a whole number, {lowest} or more, not {text[:64]!r}.")
    return int(text)


def cpu_set(name: str, text: str) -> frozenset[int]:
    """The CPUs of "0-3,^2,5". Raises InvalidRequest."""
    found: set[int] = set()
    without: set[int] = set()
    for part in (piece.strip() for piece in text.split(",")):
        into = without if part.startswith("^") else found
        first, dash, last = part.lstrip("^").partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or len(first) > 4 or len(last) > 4:
            raise InvalidRequest(f"{name} must be a list of CPUs such as 0-3,^2,5, not {text[:64]!r}.")
        begin, end = int(first), int(last or first)
        if begin > end or end >= MAX_CPU:
            raise InvalidRequest(f"{name} has a range of CPUs that can't be: {part!r}.")
        into.update(range(begin, end + 1))
    return frozenset(found - without)


def cpu_text(cpus: Iterable[int]) -> str:
    """The other way round: "0-3,5"."""
    parts: list[list[int]] = []
    for cpu in sorted(cpus):
        if parts and parts[-1][1] == cpu - 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def _known(said: Mapping[str, str], name: str) -> str | None:
    value = said.get(name) if name else None
    return None if value is None or str(value) == "" else str(value)


def _flag(name: str, text: str | None) -> bool | None:
    if text is None:
        return None
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise InvalidRequest(f"{name} must be a boolean, not {text[:64]!r}.")
