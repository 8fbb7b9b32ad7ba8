"""Text filters of lists: the harmless part of regular expressions, as a LIKE pattern (security case DOS-02).

Nova hands `name=` to the database as a regular expression. A tenant's expression can cost a database minutes, so only
what LIKE can say is taken: text, `^`, `$`, `.`, `.*`, `.+` and backslash before punctuation. Matching is linear.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from common.errors import InvalidRequest

MAX_PATTERN_CHARS = 255
MAX_WILDCARDS = 8
_UNSUPPORTED = frozenset("*+?()[]{}|^$")


def matches(column: InstrumentedAttribute[str], pattern: str) -> sa.ColumnElement[bool]:
    """True where `pattern` is found in the column, without regard to case. Raises InvalidRequest as `to_like` does."""
    return sa.func.lower(column).like(to_like(pattern.lower()), escape="\\")


def to_like(pattern: str) -> str:
    """The LIKE pattern of a simple expression. Raises InvalidRequest, saying what is understood, for any other."""
    if len(pattern) > MAX_PATTERN_CHARS or "\x00" in pattern:
        raise InvalidRequest(f"A text filter has at most {MAX_PATTERN_CHARS} printable characters.")
    at_start = pattern.startswith("^")
    at_end = pattern.endswith("$") and not pattern.endswith("\\$")
    pieces = _pieces(pattern[int(at_start) : len(pattern) - int(at_end)])
    whole = [*([] if at_start else ["%"]), *pieces, *([] if at_end else ["%"])]
    whole = [piece for index, piece in enumerate(whole) if piece != "%" or whole[index - 1 : index] != ["%"]]
    if sum(piece in ("%", "_%") for piece in whole) > MAX_WILDCARDS:
        raise InvalidRequest(f"A text filter has at most {MAX_WILDCARDS} wildcards.")
    return "".join(whole)


def _pieces(text: str) -> list[str]:
    found: list[str] = []
    index = 0
    while index < len(text):
        char, following = text[index], text[index + 1 : index + 2]
        index += 1
        if char == "\\" and following and not following.isalnum():
            found.append(_literal(following))
            index += 1
        elif char == "." and following in ("*", "+"):
            found.append("%" if following == "*" else "_%")
            index += 1
        elif char == ".":
            found.append("_")
        elif char in _UNSUPPORTED or char == "\\":
            raise InvalidRequest(
                f"The text filter can't be understood at {char!r}; known: text, ^ $ . .* .+ and \\ before punctuation."
            )
        else:
            found.append(_literal(char))
    return found


def _literal(char: str) -> str:
    return "\\" + char if char in "%_\\" else char
