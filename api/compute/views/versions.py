"""The version documents that clients discover the API by."""

from __future__ import annotations

from api.compute.views.fields import Body

LOWEST, HIGHEST = "2.1", "2.104"


def version(base_url: str, *, alone: bool) -> Body:
    """The one version there is; base_url is the service's root. `alone`: asked for by itself, with media types."""
    links = [{"rel": "self", "href": f"{base_url}/v2.1/"}]
    body: Body = {
        "id": "v2.1", "status": "CURRENT", "version": HIGHEST, "min_version": LOWEST,
        "updated": "2013-07-23T11:33:21Z", "links": links,
    }  # fmt: skip
    if alone:
        links.append({"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"})
        body["media-types"] = [
            {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}
        ]
    return body
