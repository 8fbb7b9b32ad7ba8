"""The version document."""

from __future__ import annotations

from api.request import ApiRequest, Reply

LOWEST, HIGHEST = "1.0", "1.39"


def show(request: ApiRequest) -> Reply:
    link = {"rel": "self", "href": f"{request.base_url}/"}
    version = {"id": "v1.0", "status": "CURRENT", "min_version": LOWEST, "max_version": HIGHEST, "links": [link]}
    return Reply({"versions": [version]})
