"""The block storage API's table of contents, one row each. Microversions 3.0 to 3.71, as Cinder numbers them.

Paths are found with the caller's project in them, as older clients ask, and without, as newer ones may (3.67).
"""

from __future__ import annotations

from api.errors import volume_form
from api.microversion import Microversion, VersionRange
from api.policy import Rule
from api.routing import Api, Handler, Route
from api.volume.handlers import metadata, versions, volumes
from api.volume.routes_records import GROUPS, MESSAGES, QUOTA, SERVICES, TRANSFERS
from api.volume.routes_types import GROUP_TYPES, QOS, TYPES
from api.volume.views.versions import HIGHEST, LOWEST

ADMIN = Rule.ADMIN
_VOLUME = "/volumes/<volume_id>"


def _row(method: str, path: str, handler: Handler, key: str, rule: Rule = Rule.MEMBER, *, action: str | None = None,
         since: str | None = None, until: str | None = None) -> Route:  # fmt: skip
    return Route(method, path, action, since, until, rule, handler, f"volume:{key}")


def _read(path: str, handler: Handler, key: str, rule: Rule = Rule.READER, *, since: str | None = None) -> Route:
    return _row("GET", path, handler, key, rule, since=since)


VOLUMES = (
    _read("/volumes", volumes.list_summary, "volumes:index"),
    _read("/volumes/detail", volumes.list_detail, "volumes:detail"),
    _read("/volumes/summary", volumes.summary, "volumes:summary", since="3.12"),
    _row("POST", "/volumes", volumes.create, "volumes:create"),
    _read(_VOLUME, volumes.show, "volumes:show"),
    _row("PUT", _VOLUME, volumes.update, "volumes:update"),
    _row("DELETE", _VOLUME, volumes.delete, "volumes:delete"),
    _read(f"{_VOLUME}/metadata", metadata.show_all, "volume-metadata:index"),
    _row("POST", f"{_VOLUME}/metadata", metadata.merge, "volume-metadata:create"),
    _row("PUT", f"{_VOLUME}/metadata", metadata.replace, "volume-metadata:update_all"),
    _read(f"{_VOLUME}/metadata/<key>", metadata.show, "volume-metadata:show"),
    _row("PUT", f"{_VOLUME}/metadata/<key>", metadata.put, "volume-metadata:update"),
    _row("DELETE", f"{_VOLUME}/metadata/<key>", metadata.delete, "volume-metadata:delete"),
)
VERSIONS = (
    _read("", versions.choose_version, "versions:choose", Rule.PUBLIC),
    _read("/v3", versions.show_version, "versions:show", Rule.PUBLIC),
)

REQUEST_ID_HEADERS = ("x-openstack-request-id", "x-compute-request-id")
MICROVERSIONS = VersionRange("volume", Microversion.parse(LOWEST), Microversion.parse(HIGHEST))
APIS = [
    Api("volume-versions", "/volume", VERSIONS, volume_form, request_id_headers=REQUEST_ID_HEADERS),
    Api(
        "volume",
        "/volume/v3",
        (*VOLUMES, *TYPES, *QOS, *GROUP_TYPES, *GROUPS, *TRANSFERS, *MESSAGES, *QUOTA, *SERVICES),
        volume_form,
        versions=MICROVERSIONS,
        request_id_headers=REQUEST_ID_HEADERS,
        project_prefix="/volume/v3/<caller_project_id>",
    ),
]
