"""What this API is."""

from __future__ import annotations

from api.request import ApiRequest, Reply


def show(request: ApiRequest) -> Reply:
    link = {"rel": "self", "href": f"{request.base_url}/"}
    return Reply({"version": {"id": "v1.0", "status": "CURRENT", "links": [link]}})
