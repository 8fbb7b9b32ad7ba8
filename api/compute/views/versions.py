"""The version documents that clients discover the API by."""

from __future__ import annotations

from api.compute.views.fields import Body

LOWEST, HIGHEST = "2.1", "2.104"


OLD = "v2.0"


def version(base_url: str, *, alone: bool) -> Body:
    """The one with microversions; base_url is the service's root. `alone`: asked for by itself, with media types."""
    return _version(base_url, "v2.1", alone=alone, status="CURRENT", version=HIGHEST, min_version=LOWEST,
                    updated="2013-07-23T11:33:21Z")  # fmt: skip


def old_version(base_url: str, *, alone: bool) -> Body:
    """The same API as in its lowest microversion, where clients from before there were any look for it."""
    return _version(base_url, OLD, alone=alone, status="SUPPORTED", version="", min_version="",
                    updated="2011-01-21T11:33:21Z")  # fmt: skip


def _version(base_url: str, identity: str, *, alone: bool, **said: str) -> Body:
    path = identity.removesuffix(".0")
    links = [{"rel": "self", "href": f"{base_url}/{path}/"}]
    body: Body = {"id": identity, "links": links, **said}
    if alone:
        links.append({"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"})
        kind = f"application/vnd.openstack.compute+json;version={path.removeprefix('v')}"
        body["media-types"] = [{"base": "application/json", "type": kind}]
    return body
