"""Lists that are made in memory, of things there are few of: filtered, sorted and paged as the lists from the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.network import listing
from api.network.listing import Listing
from api.request import ApiRequest, Reply
from common.errors import InvalidRequest

Item = dict[str, Any]


def reply(request: ApiRequest, names: Sequence[str], plural: str, items: Sequence[Item]) -> Reply:
    """`names`: what can be filtered and sorted by. Items have an `id` to page by, or come as one page."""
    asked = listing.parse(request, names)
    return listing.reply(request, asked, plural, _page(asked, names, chosen(asked, items)))


def chosen(asked: Listing, items: Sequence[Item]) -> list[Item]:
    wanted = {name: {value.lower() for value in values} for name, values in asked.filters.items()}
    return [item for item in items if all(_word(item[name]) in values for name, values in wanted.items())]


def _word(value: Any) -> str:
    return "" if value is None else str(value).lower()


def _page(asked: Listing, names: Sequence[str], items: list[Item]) -> list[Item]:
    for key, descending in reversed(asked.page.sort):
        if key not in names:
            raise InvalidRequest(f"Sort key {key[:64]!r} is not allowed; known are {', '.join(sorted(names))}")
        items = sorted(items, key=lambda item, name=key: _rank(item[name]), reverse=descending)  # type: ignore[misc]
    if asked.page.reverse:
        items = items[::-1]
    if asked.page.marker is not None:
        ids = [item.get("id") for item in items]
        if asked.page.marker not in ids:
            raise InvalidRequest(f"marker [{asked.page.marker[:64]}] not found")
        items = items[ids.index(asked.page.marker) + 1 :]
    items = items[: asked.page.limit]
    return items[::-1] if asked.page.reverse else items


def _rank(value: Any) -> tuple[bool, bool, str, float]:
    """Nothing first, then numbers by size, then words."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (value is not None, not number, "" if number else str(value), float(value) if number else 0.0)
