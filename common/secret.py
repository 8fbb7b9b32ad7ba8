"""Secrets are a type, never a string, so that no log line, error or repr can show one by accident."""

from __future__ import annotations

import hmac


class Secret:
    """Wraps a secret text; only `reveal()` gives it away, and comparison takes constant time."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def matches(self, other: str) -> bool:
        return hmac.compare_digest(_bytes(self._text), _bytes(other))

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._text)

    def __hash__(self) -> int:
        return hash(self._text)


def _bytes(text: str) -> bytes:
    """Of any text: what JSON lets through may be half a surrogate pair."""
    return text.encode("utf-8", "surrogatepass")
