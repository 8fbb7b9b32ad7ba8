"""A figure with its target, and how figures are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """target None: shown without one. at_least: the target is a floor, else a ceiling. more: what explains it."""

    key: str
    value: float
    target: float | None
    at_least: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        if self.target is None:
            return True
        return self.value >= self.target if self.at_least else self.value < self.target

    def as_json(self) -> dict[str, Any]:
        return {
            "value": round(self.value, 2), "target": self.target, "kind": "at least" if self.at_least else "below",
            "met": self.met, **self.more,
        }  # fmt: skip

    def as_line(self) -> str:
        sign = ">=" if self.at_least else "<"
        target = "" if self.target is None else f"{sign} {self.target:g}"
        return f"{self.key:18} {self.value:10.2f}  {target:8} {'ok' if self.met else 'MISSED':6}  {_plain(self.more)}"


def p(percent: float, values: Sequence[float]) -> float:
    """The percentile, by nearest rank."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))], 2)


def _plain(more: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key} {f'({_plain(value)})' if isinstance(value, Mapping) else value}" for key, value in more.items()
    )
