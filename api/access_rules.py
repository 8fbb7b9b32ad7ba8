"""Access rules: a token made with a limited application credential is good for the requests that the rules name only."""

from __future__ import annotations

import re
from functools import lru_cache

from common.context import RequestContext
from common.errors import Unauthenticated

_WILDCARDS = re.compile(r"(\*\*|\*|\{[^/{}]*\})")


def check_access_rules(context: RequestContext, service: str, method: str, path: str) -> None:
    """path: the request's, as the listener sees it; its first segment is where the service hangs.

    Raises Unauthenticated when the token is limited and none of its rules names this request.
    """
    if context.access_rules is None:
        return
    below = "/" + path.lstrip("/").partition("/")[2]
    for rule in context.access_rules:
        if rule.service == service and rule.method == method and _pattern(rule.path).match(below.rstrip("/") or "/"):
            return
    raise Unauthenticated("The application credential of this token is not made for this request.")


@lru_cache(maxsize=1024)
def _pattern(path: str) -> re.Pattern[str]:
    """Every wildcard becomes a class that can't match "/" or one greedy star, so that matching stays linear."""
    parts = [_part(piece) for piece in _WILDCARDS.split(path.rstrip("/") or "/")]
    return re.compile("".join(parts) + r"\Z")


def _part(piece: str) -> str:
    if piece == "**":
        return ".*"
    if piece == "*" or (piece.startswith("{") and piece.endswith("}")):
        return "[^/]+"
    return re.escape(piece)
