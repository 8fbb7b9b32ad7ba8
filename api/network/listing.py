"""Lists of the network API: filters, fields, sorting and pages from the query string, and links to the next ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from api.request import ApiRequest, Reply
from common.db import network_tags
from common.db.paging import Page
from common.errors import InvalidRequest

_CONTROL = {"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir", "verbose"}
MAX_FILTER_VALUES = 500


@dataclass(frozen=True)
class Listing:
    """What a list request asks for. `asked_limit`: the client wants pages."""

    filters: Mapping[str, Sequence[str]]
    page: Page
    fields: frozenset[str]
    asked_limit: bool


def parse(request: ApiRequest, known: Collection[str]) -> Listing:
    """`known`: names that can be filtered by. Raises InvalidRequest for any other, and for bad page parameters."""
    filters: dict[str, list[str]] = {}
    for name, values in request.query.items():
        key = "project_id" if name == "tenant_id" else name
        if key in _CONTROL:
            continue
        if key not in known:
            raise InvalidRequest(f"['{name[:80]}'] is invalid attribute for filtering")
        filters.setdefault(key, []).extend(values)
    if any("\x00" in value for values in request.query.values() for value in values):
        raise InvalidRequest("A query parameter holds a NUL character.")
    if sum(len(values) for values in filters.values()) > MAX_FILTER_VALUES:
        raise InvalidRequest(f"More than {MAX_FILTER_VALUES} values to filter by.")
    limit = _limit(request)
    most = request.services.config.api.max_limit
    page = Page(
        limit=min(limit or most, most),
        marker=request.arg("marker"),
        sort=_sort(request),
        reverse=(request.arg("page_reverse") or "").lower() in ("true", "1"),
    )
    return Listing(filters, page, fields(request), bool(limit))


def fields(request: ApiRequest) -> frozenset[str]:
    return frozenset(name for name in request.query.get("fields", []) if name)


def prune(item: dict[str, Any], wanted: frozenset[str]) -> dict[str, Any]:
    """Only the fields asked for; all when none are."""
    return {key: value for key, value in item.items() if key in wanted} if wanted else item


def reply(request: ApiRequest, listing: Listing, plural: str, items: Sequence[dict[str, Any]]) -> Reply:
    """The list with `<plural>_links` when there may be more, before or after."""
    body: dict[str, Any] = {plural: [prune(item, listing.fields) for item in _tagged(request, items)]}
    links = _links(request, listing, items)
    if links:
        body[f"{plural}_links"] = links
    return Reply(body)


def single(request: ApiRequest, singular: str, item: dict[str, Any], status: int = 200) -> Reply:
    return Reply({singular: prune(_tagged(request, [item])[0], fields(request))}, status)


def made(request: ApiRequest, names: tuple[str, str], items: Sequence[dict[str, Any]], bulk: bool) -> Reply:
    """The answer to a POST: 201 with one object, or several under the plural as they were asked for."""
    if bulk:
        return Reply({names[1]: _tagged(request, items)}, 201)
    return single(request, names[0], items[0], 201)


def _tagged(request: ApiRequest, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The objects with their tags, where their kind has any; one statement for all."""
    ids = [item["id"] for item in items if "tags" in item]
    if not ids:
        return list(items)
    with request.services.db.read() as session:
        tags = network_tags.of(session, ids)
    return [{**item, "tags": tags.get(item["id"], [])} if "tags" in item else item for item in items]


def _limit(request: ApiRequest) -> int:
    text = request.arg("limit")
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidRequest(
            f"Invalid input for operation: Limit must be an integer 0 or greater and not '{text[:40]}'."
        )
    return int(text)


def _sort(request: ApiRequest) -> tuple[tuple[str, bool], ...]:
    keys = ["project_id" if key == "tenant_id" else key for key in request.query.get("sort_key", []) if key]
    directions = [text for text in request.query.get("sort_dir", []) if text]
    if len(keys) != len(directions) and directions:
        raise InvalidRequest("The number of sort_keys and sort_dirs must be same")
    for text in directions:
        if text not in ("asc", "desc"):
            raise InvalidRequest(f"{text[:40]} is invalid value for sort_dirs, valid value is 'asc' and 'desc'")
    return tuple((key, index < len(directions) and directions[index] == "desc") for index, key in enumerate(keys))


def _links(request: ApiRequest, listing: Listing, items: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """To the pages after and before; behind the last page there is an empty one, from which the way leads back."""
    full, reverse = len(items) >= listing.page.limit, listing.page.reverse
    if not (listing.asked_limit or full) or any("id" not in item for item in items):
        return []
    links = []
    if full or reverse:
        last = str(items[-1]["id"]) if items else None
        links.append({"rel": "next", "href": _href(request, listing, last, reverse=False)})
    if full or not reverse:
        first = str(items[0]["id"]) if items else None
        links.append({"rel": "previous", "href": _href(request, listing, first, reverse=True)})
    return links


def _href(request: ApiRequest, listing: Listing, marker: str | None, *, reverse: bool) -> str:
    query = [
        (name, value)
        for name, values in request.query.items()
        for value in values
        if name not in ("marker", "page_reverse", "limit")
    ]
    query.append(("limit", str(listing.page.limit)))
    if marker is not None:
        query.append(("marker", marker))
    if reverse:
        query.append(("page_reverse", "True"))
    path = request.path.rstrip("/").rpartition("/v2.0/")[2]
    return f"{request.base_url}/{path}?{urlencode(query)}"
