"""How each service leads from one page of a list to the next: the link is there, in the service's own form, and works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fixtures.cloud import Cloud

Links = Callable[[dict[str, Any]], str | None]


def _collection(name: str) -> Links:
    """compute, network and volume: `servers_links`, a list of links with their `rel`."""

    def found(body: dict[str, Any]) -> str | None:
        links = {link["rel"]: link["href"] for link in body.get(f"{name}_links", [])}
        return links.get("next")

    return found


LISTS: list[tuple[str, str, str, Links]] = [
    ("compute", "/compute/v2.1/flavors", "flavors", _collection("flavors")),
    ("volume", "/volume/v3/volumes", "volumes", _collection("volumes")),
    ("network", "/network/v2.0/networks", "networks", _collection("networks")),
    ("image", "/image/v2/images", "images", lambda body: body.get("next")),
    ("identity", "/identity/v3/users", "users", lambda body: body["links"]["next"]),
]


@pytest.fixture
def furnished(cloud: Cloud) -> Cloud:
    api = cloud.api
    for number in range(3):
        flavor = {"name": f"f{number}", "ram": 64, "vcpus": 1, "disk": 0}
        made = [
            api.post("/compute/v2.1/flavors", "admin", json={"flavor": flavor}),
            api.post("/volume/v3/volumes", "admin", json={"volume": {"name": f"v{number}", "size": 1}}),
            api.post("/network/v2.0/networks", "admin", json={"network": {"name": f"n{number}"}}),
            api.post("/image/v2/images", "admin", json={"name": f"i{number}"}),
        ]
        assert [reply.status_code for reply in made] == [200, 202, 201, 201]
    cloud.run_until_idle()
    return cloud


def test_every_service_leads_to_its_next_page(furnished: Cloud) -> None:
    for service, path, name, next_of in LISTS:
        whole = {each["id"] for each in furnished.ok(furnished.api.get(path, "admin"))[name]}
        assert len(whole) >= 3, service
        seen: list[str] = []
        at: str | None = f"{path}?limit=1"
        while at is not None and len(seen) <= len(whole):
            body = furnished.ok(furnished.api.get(at, "admin"))
            seen += [each["id"] for each in body[name]]
            following = next_of(body)
            parts = urlsplit(following) if following else None
            at = None if parts is None else _with_prefix(service, parts.path, parts.query)
        assert sorted(seen) == sorted(whole), service
        assert next_of(furnished.ok(furnished.api.get(path, "admin"))) is None, service


def _with_prefix(service: str, path: str, query: str) -> str:
    """Glance's links begin below the service's own address, and clients put that before them."""
    return f"{'/image' if service == 'image' and not path.startswith('/image/') else ''}{path}?{query}"
