"""What this API is, at its root and at its one version."""

from __future__ import annotations

from typing import Any

from api.request import ApiRequest, Reply


def list_versions(request: ApiRequest) -> Reply:
    return Reply({"versions": [_v1(f"{request.base_url}/v1/")]})


def show(request: ApiRequest) -> Reply:
    return Reply({"version": _v1(f"{request.base_url}/")})


def _v1(url: str) -> dict[str, Any]:
    return {"id": "v1.0", "status": "CURRENT", "links": [{"rel": "self", "href": url}]}
