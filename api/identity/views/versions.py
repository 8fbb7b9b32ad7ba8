"""Version documents, and the document at the listener's root."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def v3(identity_url: str) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{identity_url}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def root(base_url: str, services: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`services`: type and path of each."""
    return {
        "name": "Cumulet",
        "services": [{"type": kind, "links": [{"rel": "self", "href": base_url + path}]} for kind, path in services],
    }
