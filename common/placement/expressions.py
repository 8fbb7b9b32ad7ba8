"""The small language of extra specs that want something of an aggregate: `= 5`, `s!= blue`, `<in> text`, `<or> a <or> b`.

Operators are those of OpenStack's flavor extra specs; a text without one is equality.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.ge, "==": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip
_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "s==": operator.eq, "s!=": operator.ne, "s<": operator.lt, "s<=": operator.le, "s>": operator.gt, "s>=": operator.ge,
}  # fmt: skip


def fits(expression: str, value: str) -> bool:
    """True when `value` is what `expression` wants; numbers that aren't numbers don't fit."""
    words = expression.split()
    if not words:
        return value == ""
    head, rest = words[0], words[1:]
    if head == "<or>":
        return value in _alternatives(rest)
    if head == "<in>":
        return " ".join(rest) in value
    if head == "<all-in>":
        return all(word in value for word in rest)
    if head in _TEXTS:
        return _TEXTS[head](value, " ".join(rest))
    if head in _NUMBERS:
        return _compare(_NUMBERS[head], value, " ".join(rest))
    return value == expression


def _alternatives(words: list[str]) -> list[str]:
    return [part.strip() for part in " ".join(words).split("<or>")]


def _compare(compare: Callable[[float, float], bool], value: str, wanted: str) -> bool:
    try:
        return compare(float(value), float(wanted))
    except ValueError:
        return False
