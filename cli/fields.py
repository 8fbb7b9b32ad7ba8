"""Columns: which values of an answer a command shows, under `openstack`'s names, and how values that are no words look.

Tables print the readable form, -f json and yaml the value itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cliff.columns import FormattableColumn

Item = Mapping[str, Any]
Titles = tuple[str, ...]
Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """key: of the answer, or a function of the whole of it. form: how a value prints."""

    title: str
    key: str | Callable[[Item], Any]
    form: Callable[[Any], Any] | None = None

    def value(self, item: Item) -> Any:
        value = item.get(self.key) if isinstance(self.key, str) else self.key(item)
        return self.form(value) if self.form is not None else value


def same(*names: str) -> tuple[Field, ...]:
    """Fields that are called as in the answer."""
    return tuple(Field(name, name) for name in names)


def show(fields: Sequence[Field], item: Item) -> tuple[Titles, Values]:
    """For ShowOne: in the order of names, as openstack's."""
    ordered = sorted(fields, key=lambda field: field.title)
    return tuple(field.title for field in ordered), tuple(field.value(item) for field in ordered)


def table(fields: Sequence[Field], items: Iterable[Item]) -> tuple[Titles, list[Values]]:
    """For Lister."""
    return tuple(field.title for field in fields), [tuple(field.value(item) for field in fields) for item in items]


class Dict(FormattableColumn):  # type: ignore[misc]
    """k='v', l='w'"""

    def human_readable(self) -> str:
        return _pairs(self._value)

    def machine_readable(self) -> dict[str, Any]:
        return dict(self._value or {})


class List(FormattableColumn):  # type: ignore[misc]
    """a, b"""

    def human_readable(self) -> str:
        return ", ".join(sorted(str(item) for item in self._value or ()))

    def machine_readable(self) -> list[Any]:
        return list(self._value or ())


class Dicts(FormattableColumn):  # type: ignore[misc]
    """One line for each."""

    def human_readable(self) -> str:
        return "\n".join(_pairs(item) for item in self._value or ())

    def machine_readable(self) -> list[dict[str, Any]]:
        return [dict(item) for item in self._value or ()]


class Addresses(FormattableColumn):  # type: ignore[misc]
    """shared=10.88.0.5; other=10.1.0.2, 10.1.0.3"""

    def human_readable(self) -> str:
        return "; ".join(f"{name}={', '.join(listed)}" for name, listed in sorted(self.machine_readable().items()))

    def machine_readable(self) -> dict[str, list[str]]:
        return {name: [one["addr"] for one in listed] for name, listed in (self._value or {}).items()}


class PowerState(FormattableColumn):  # type: ignore[misc]
    """Nova's numbers in words."""

    WORDS = ("NOSTATE", "Running", "", "Paused", "Shutdown", "", "Crashed", "Suspended")

    def human_readable(self) -> str:
        known = isinstance(self._value, int) and 0 <= self._value < len(self.WORDS)
        return self.WORDS[self._value] if known else "N/A"


class UpDown(FormattableColumn):  # type: ignore[misc]
    """An admin state."""

    def human_readable(self) -> str:
        return "UP" if self._value else "DOWN"


class OutIn(FormattableColumn):  # type: ignore[misc]
    """Whether a network leads outside."""

    def human_readable(self) -> str:
        return "External" if self._value else "Internal"


class Endpoints(FormattableColumn):  # type: ignore[misc]
    """The addresses of a service, two lines each."""

    def human_readable(self) -> str:
        return "".join(
            f"{one.get('region') or '<none>'}\n  {one['interface']}: {one['url']}\n" for one in self._value or ()
        )


def _pairs(value: Any) -> str:
    if not value:
        return ""
    flat = _flattened(value, "")
    return ", ".join(f"{key}='{flat[key]}'" for key in sorted(flat))


def _flattened(value: Mapping[str, Any], prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            flat |= _flattened(inner, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = "" if inner is None else str(inner)
    return flat
