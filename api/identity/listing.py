"""What all lists of the Identity API share: filters from the query, a page, and the envelope around the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from api.request import ApiRequest, Reply
from common.db.named import NAME_FILTERS
from common.db.paging import Page
from common.errors import InvalidRequest

T = TypeVar("T")
PREFIX = "/identity/v3"
_TRUE, _FALSE = ("true", "1"), ("false", "0")


def page_of(request: ApiRequest) -> Page:
    """One row more than is shown, which says whether there is a next page. Raises InvalidRequest."""
    return Page(limit=_limit(request) + 1, marker=request.arg("marker"))


def _limit(request: ApiRequest) -> int:
    largest, asked = request.services.config.api.max_limit, request.arg("limit")
    if asked is None:
        return largest
    if not asked.isascii() or not asked.isdigit() or len(asked) > 9:
        raise InvalidRequest(f"Invalid input for field/attribute limit. Value: {asked[:40]}. It is not a whole number")
    return min(int(asked), largest) or largest


def text_filters(request: ApiRequest, *names: str) -> dict[str, Any]:
    """The filters that were given, by name; others are ignored, as Keystone does."""
    return {name: value for name in names if (value := request.arg(name)) is not None}


def name_filters(request: ApiRequest) -> dict[str, Any]:
    """The name and Keystone's comparisons of it (`name__contains`, `name__istartswith`, …)."""
    return text_filters(request, *NAME_FILTERS)


def enabled_filter(request: ApiRequest) -> dict[str, Any]:
    """Raises InvalidRequest for anything but a clear yes or no (OSSA-2026-007)."""
    text = request.arg("enabled")
    return {} if text is None else {"enabled": boolean(text, "enabled")}


def boolean(text: str, name: str) -> bool:
    """A flag in the query; an empty value means yes. Raises InvalidRequest."""
    if text.lower() in (*_TRUE, ""):
        return True
    if text.lower() in _FALSE:
        return False
    raise InvalidRequest(f"Invalid input for field/attribute {name}. Value: {text[:40]}. It is neither true nor false")


def flag(request: ApiRequest, name: str) -> bool:
    """A switch such as include_names: absent means no."""
    text = request.arg(name)
    return text is not None and boolean(text, name)


def listed(
    request: ApiRequest,
    collection: str,
    rows: Sequence[T],
    show: Callable[[T, str], dict[str, Any]],
    row_id: Callable[[T], str],
) -> Reply:
    """The rows of `page_of`'s page, each shown, with a link to the next page when there is one."""
    limit = _limit(request)
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        pairs = [(key, value) for key, values in request.query.items() if key != "marker" for value in values]
        following = f"{self_url(request)}?{urlencode([*pairs, ('marker', row_id(shown[-1]))])}"
    body: dict[str, Any] = {
        collection: [show(row, request.base_url) for row in shown],
        "links": {"next": following, "self": self_url(request), "previous": None},
    }
    if following:
        body["truncated"] = True
    return Reply(body)


def collection(request: ApiRequest, name: str, items: Iterable[dict[str, Any]]) -> Reply:
    """A list that has no pages."""
    return Reply({name: list(items), "links": {"next": None, "self": self_url(request), "previous": None}})


def self_url(request: ApiRequest) -> str:
    return request.base_url.removesuffix(PREFIX) + request.path
