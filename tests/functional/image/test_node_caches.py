"""Glance's cache API and Nova's for aggregates, over the caches of nodes: a real cache that fetches from the real API."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from common.errors import StorageError
from common.rpc.command_base import ImageSpec
from compute_agent import identity
from compute_agent.storage.disk_storage import DiskStorage
from compute_agent.storage.disks import InstanceDisks
from compute_agent.storage.image_cache import ImageCache
from compute_agent.storage.prefetch import Prefetch
from compute_agent.storage.uploader import Uploader
from tests.fixtures.cloud import COMPUTE, NEWEST, Cloud, CloudNode
from tests.functional.image.helpers import DATA, V2, register, uploaded

CACHE = "/image/v2/cache"
GIB = 1024**3


class _Cache(ImageCache):
    """Fetches by the test client, since nothing listens here, with the node's own name and secret."""

    node: CloudNode

    def _chunks(self, image: ImageSpec) -> Iterator[bytes]:
        assert self.node.api is not None
        headers = {"X-Cumulet-Node": self._node, "X-Cumulet-Node-Secret": self._secret.reveal()}
        reply = self.node.api.get(urlsplit(image.url).path, None, headers=headers)
        if reply.status_code != 200:
            raise StorageError(f"status {reply.status_code}", image_id=image.id)
        yield reply.data


def give_storage(node: CloudNode) -> Prefetch:
    """Disks and a cache, which nodes with the fake driver don't have."""
    secret = identity.image_secret(Path(node.config.agent.image_secret_file))
    cache = _Cache(
        node.state_dir / "images", node=node.name, secret=secret, max_bytes=GIB, max_virtual_bytes=GIB,
        clock=node.agent.clock,
    )  # fmt: skip
    cache.node = node
    disks = InstanceDisks(node.state_dir, node.agent.clock)
    prefetch = Prefetch(node.state_dir / "wanted", cache, in_use=disks.images_in_use, clock=node.agent.clock)
    uploader = Uploader(node=node.name, secret=secret)
    node.agent._queries._storage = DiskStorage(disks, cache, uploader, prefetch=prefetch, domain="x")
    return prefetch


@pytest.fixture
def caches(cloud: Cloud) -> dict[str, Prefetch]:
    for node in cloud.nodes.values():
        node.connect(cloud.api)
    return {name: give_storage(node) for name, node in cloud.nodes.items()}


def fetch(caches: dict[str, Prefetch]) -> None:
    for prefetch in caches.values():
        prefetch.work(threading.Event())


def shown(cloud: Cloud) -> tuple[dict[str, list[str]], list[str]]:
    body = cloud.ok(cloud.api.get(CACHE, "admin"))
    return {each["image_id"]: each["nodes"] for each in body["cached_images"]}, body["queued_images"]


def test_an_image_comes_into_the_caches_and_goes(cloud: Cloud, caches: dict[str, Prefetch]) -> None:
    image, other = uploaded(cloud.api, visibility="private"), uploaded(cloud.api, data=DATA + b"x")
    assert shown(cloud) == ({}, [])
    assert cloud.api.put(f"{CACHE}/{image['id']}", "admin").status_code == 202
    assert shown(cloud) == ({}, [image["id"]])
    fetch(caches)
    body = cloud.ok(cloud.api.get(CACHE, "admin"))
    (entry,) = body["cached_images"]
    assert (entry["size"], entry["hits"], entry["nodes"]) == (len(DATA), 0, ["n1", "n2"])
    assert entry["last_accessed"] >= entry["last_modified"] > 1_600_000_000
    assert cloud.api.put(f"{CACHE}/{other['id']}", "admin").status_code == 202
    assert cloud.api.delete(f"{CACHE}/{image['id']}", "admin").status_code == 204
    assert shown(cloud) == ({}, [other["id"]])
    fetch(caches)
    assert shown(cloud) == ({other["id"]: ["n1", "n2"]}, [])


def test_clearing(cloud: Cloud, caches: dict[str, Prefetch]) -> None:
    first, second = uploaded(cloud.api), uploaded(cloud.api, data=DATA + b"x")
    cloud.api.put(f"{CACHE}/{first['id']}", "admin")
    fetch(caches)
    cloud.api.put(f"{CACHE}/{second['id']}", "admin")
    target = {"x-image-cache-clear-target": "queue"}
    assert cloud.api.delete(CACHE, "admin", headers=target).status_code == 204
    assert shown(cloud) == ({first["id"]: ["n1", "n2"]}, [])
    fetch(caches)
    assert shown(cloud) == ({first["id"]: ["n1", "n2"]}, []), "it is no longer wanted"
    cloud.api.put(f"{CACHE}/{second['id']}", "admin")
    assert (
        cloud.api.delete(CACHE, "admin", headers={**target, "x-image-cache-clear-target": "cache"}).status_code == 204
    )
    assert shown(cloud) == ({}, [second["id"]])
    assert cloud.api.delete(CACHE, "admin").status_code == 204
    assert shown(cloud) == ({}, [])
    wrong = {"x-image-cache-clear-target": "all"}
    assert cloud.api.delete(CACHE, "admin", headers=wrong).status_code == 400


def test_a_node_gets_no_image_that_it_was_not_to_have(cloud: Cloud, caches: dict[str, Prefetch]) -> None:
    """What was taken back is refused to it, though it remembers (IMG-19)."""
    image = uploaded(cloud.api, visibility="private")
    cloud.api.put(f"{CACHE}/{image['id']}", "admin")
    node = cloud.nodes["n1"]
    cloud.nodes["n2"].die()
    node.die()
    assert cloud.api.delete(f"{CACHE}/{image['id']}", "admin").status_code == 204
    node.revive()
    fetch(caches)
    assert shown(cloud) == ({}, [image["id"]])
    assert len(list((node.state_dir / "images").glob("*.json"))) == 0


def test_who_may_and_what_can_be(cloud: Cloud, caches: dict[str, Prefetch]) -> None:
    image, empty = uploaded(cloud.api), register(cloud.api)
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", f"/{image['id']}"), ("DELETE", f"/{image['id']}")):
        assert cloud.api.request(method, CACHE + path, "demo").status_code == 403
    assert cloud.api.put(f"{CACHE}/{empty['id']}", "admin").status_code == 400
    for name in ("non-existing-image-id", "36d4b546-64a2-4bb9-bdd0-ba676aa48f2c"):
        assert cloud.api.put(f"{CACHE}/{name}", "admin").status_code == 404
        assert cloud.api.delete(f"{CACHE}/{name}", "admin").status_code == 404
    for node in cloud.nodes.values():
        node.die()
    assert cloud.api.put(f"{CACHE}/{image['id']}", "admin").status_code == 409
    assert shown(cloud) == ({}, [])
    assert caches


def test_an_aggregate_caches_on_its_own_nodes(cloud: Cloud, caches: dict[str, Prefetch]) -> None:
    image = uploaded(cloud.api)
    api: Any = cloud.api
    made = cloud.ok(api.post(f"{COMPUTE}/os-aggregates", "admin", json={"aggregate": {"name": "fast"}}))["aggregate"]
    path = f"{COMPUTE}/os-aggregates/{made['id']}"
    assert api.post(f"{path}/action", "admin", json={"add_host": {"host": "n2"}}).status_code == 200
    wanted = {"cache": [{"id": image["id"]}]}
    assert api.post(f"{path}/images", "admin", json=wanted, headers=NEWEST).status_code == 202
    fetch(caches)
    assert shown(cloud) == ({image["id"]: ["n2"]}, [])
    unknown = {"cache": [{"id": "36d4b546-64a2-4bb9-bdd0-ba676aa48f2c"}]}
    assert api.post(f"{path}/images", "admin", json=unknown, headers=NEWEST).status_code == 400
    assert api.get(f"{V2}/{image['id']}").status_code == 200
