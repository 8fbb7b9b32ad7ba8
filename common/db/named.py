"""The filters that all lists of the identity service take: a column's exact value, and comparisons of the name.

`name__contains`, `name__startswith`, `name__endswith` and their forms without regard to case (`name__icontains`, …)
are Keystone's; text is matched literally (DOS-02).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

_COMPARISONS = ("contains", "startswith", "endswith")
NAME_FILTERS = (
    "name",
    *(f"name__{prefix}{comparison}" for comparison in _COMPARISONS for prefix in ("", "i")),
)


def name_conditions(model: Any, filters: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    """Conditions on the model's columns; a comparison other than those above is the caller's mistake."""
    found: list[sa.ColumnElement[bool]] = []
    for key, value in filters.items():
        column, _, comparison = key.partition("__")
        attribute = getattr(model, column)
        found.append(_compared(attribute, comparison, value) if comparison else attribute == value)
    return found


def _compared(column: Any, comparison: str, text: str) -> sa.ColumnElement[bool]:
    """LIKE pays no regard to case on SQLite, so the exact forms compare pieces of the text instead."""
    if comparison.startswith("i"):
        column, text, comparison = sa.func.lower(column), text.lower(), comparison[1:]
    if comparison == "startswith":
        return sa.func.substr(column, 1, len(text)) == text
    if comparison == "endswith":
        start = sa.func.length(column) - len(text) + 1
        return sa.and_(start >= 1, sa.func.substr(column, start) == text)
    return sa.func.replace(column, text, "") != column if text else sa.true()
