"""Version documents."""

from __future__ import annotations

from api.request import ApiRequest, Reply
from api.volume.views import versions


def choose_version(request: ApiRequest) -> Reply:
    """At the service's root: 300, as Cinder answers."""
    return Reply({"versions": [versions.version(request.base_url)]}, 300)


def show_version(request: ApiRequest) -> Reply:
    return Reply({"versions": [versions.version(request.base_url)]})
