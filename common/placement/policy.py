"""Which filters and weighers are used, as the configuration lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from common.config import SchedulerConfig
from common.errors import ConfigError
from common.placement import filters, weighers
from common.placement.filters import Filter
from common.placement.weighers import Weigher

T = TypeVar("T")


@dataclass(frozen=True)
class Policy:
    """Filters in the order they are asked; weighers with their multipliers."""

    filters: Sequence[Filter] = filters.FILTERS
    weighers: Sequence[tuple[Weigher, float]] = weighers.DEFAULT


DEFAULT = Policy()


def from_config(config: SchedulerConfig) -> Policy:
    """Raises ConfigError for a name that is no filter or weigher, or a multiplier that is no number."""
    return _parsed(config.filters, config.weighers)


@lru_cache(maxsize=16)
def _parsed(listed_filters: str, listed_weighers: str) -> Policy:
    known = {check.name: check for check in filters.FILTERS}
    checks = tuple(_known(name, known, "filters") for name in _names(listed_filters))
    weights = tuple(_weigher(text) for text in _names(listed_weighers))
    return Policy(checks or filters.FILTERS, weights or weighers.DEFAULT)


def _weigher(text: str) -> tuple[Weigher, float]:
    name, _, multiplier = text.partition("=")
    known = {weigher.__name__: weigher for weigher in weighers.WEIGHERS}
    try:
        return _known(name.strip(), known, "weighers"), float(multiplier or 1.0)
    except ValueError as err:
        raise ConfigError(
            f"[scheduler] weighers: the multiplier of {name.strip()} is not a number: {multiplier!r}"
        ) from err


def _known(name: str, known: dict[str, T], key: str) -> T:
    if name not in known:
        raise ConfigError(f"[scheduler] {key}: there is no {name!r}; known are {', '.join(known)}")
    return known[name]


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
