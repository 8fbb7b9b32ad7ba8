"""The version documents that clients discover the API by."""

from __future__ import annotations

from typing import Any

LOWEST, HIGHEST = "3.0", "3.71"


def version(root_url: str) -> dict[str, Any]:
    """The one version there is; root_url is the service's root, without a slash at the end."""
    return {
        "id": "v3.0", "status": "CURRENT", "version": HIGHEST, "min_version": LOWEST,
        "updated": "2023-08-31T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": f"{root_url}/v3/"},
        ],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    }  # fmt: skip
