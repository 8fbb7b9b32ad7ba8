"""Links of the compute API: a resource's own, its bookmark (without version), and the next page of a list."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from api.request import ApiRequest

Link = dict[str, str]


def own(base_url: str, noun: str, resource_id: str) -> list[Link]:
    """rel self and rel bookmark."""
    path = f"/{noun}/{_quoted(resource_id)}"
    return [
        {"rel": "self", "href": base_url + path},
        {"rel": "bookmark", "href": base_url.removesuffix("/v2.1") + path},
    ]


def bookmark(base_url: str, noun: str, resource_id: str) -> str:
    return f"{base_url.removesuffix('/v2.1')}/{noun}/{_quoted(resource_id)}"


def _quoted(resource_id: str) -> str:
    """Most ids are UUIDs, which need no quoting; lists are long."""
    return resource_id if resource_id.isascii() and resource_id.replace("-", "").isalnum() else quote(resource_id)


def next_page(request: ApiRequest, noun: str, ids: Sequence[str]) -> list[Link]:
    """A link to the next page when this one is full, else nothing; the other parameters are kept."""
    most = request.services.config.api.max_limit
    asked = request.arg("limit") or ""
    limit = min(int(asked) or most, most) if asked.isdecimal() else most
    if not ids or len(ids) < limit:
        return []
    pairs = [(key, value) for key, values in request.query.items() if key != "marker" for value in values]
    return [{"rel": "next", "href": f"{request.base_url}/{noun}?{urlencode([*pairs, ('marker', ids[-1])])}"}]
