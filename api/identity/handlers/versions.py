"""Version documents: what clients read before they log in."""

from __future__ import annotations

from api.identity.views import versions as views
from api.request import ApiRequest, Reply
from common.bootstrap import SERVICES


def list_versions(request: ApiRequest) -> Reply:
    """/identity: several choices, of which there is one (Keystone answers 300)."""
    return Reply({"versions": {"values": [views.v3(request.base_url)]}}, 300, {"Location": f"{request.base_url}/v3/"})


def show_v3(request: ApiRequest) -> Reply:
    return Reply({"version": views.v3(request.base_url.removesuffix("/v3"))})


def root(request: ApiRequest) -> Reply:
    """/: where the services are."""
    return Reply(views.root(request.base_url, ((kind, path) for kind, _name, path in SERVICES)))
