"""Limits of one user within a project: shown, set within the project's, and held at everything that takes more."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from common.db.models import Flavor
from common.states import VmState
from tests.functional.compute.conftest import NEWEST, URL, Cloud, add_flavor

THREADS = 8


def limits(cloud: Cloud, user: str = "demo", project: str = "demo", /, **limits: int) -> int:
    """Set a user's limits in a project; what is answered."""
    url = f"{URL}/os-quota-sets/{cloud.api.project_id(project)}?user_id={cloud.api.user_id(user)}"
    return cloud.api.put(url, "admin", headers=NEWEST, json={"quota_set": limits}).status_code


def shown(cloud: Cloud, user: str = "", path: str = "") -> dict[str, Any]:
    query = {"user_id": cloud.api.user_id(user)} if user else {}
    url = f"{URL}/os-quota-sets/{cloud.api.project_id('demo')}{path}"
    found: dict[str, Any] = cloud.api.get(url, headers=NEWEST, query_string=query).json["quota_set"]
    return found


def test_a_user_may_have_less_than_the_project(database_url: str, cloud: Cloud) -> None:
    assert limits(cloud, instances=2) == 200
    assert [shown(cloud, user)["instances"] for user in ("", "demo", "manager")] == [10, 2, 10]
    assert limits(cloud, "demo", "other", cores=0) == 200  # elsewhere
    cloud.server()
    cloud.server()
    refused = cloud.create()
    assert refused.status_code == 403
    assert "Requested 1, but already used 2 of 2 instances" in refused.text
    assert cloud.create("manager").status_code == 202
    assert shown(cloud, "demo", "/detail")["instances"] == {"limit": 2, "in_use": 2, "reserved": 0}
    assert shown(cloud, "", "/detail")["instances"] == {"limit": 10, "in_use": 3, "reserved": 0}
    url = f"{URL}/os-quota-sets/{cloud.api.project_id('demo')}?user_id={cloud.api.user_id('demo')}"
    assert cloud.api.delete(url).status_code == 403
    assert cloud.api.delete(url, "admin").status_code == 202
    assert cloud.create().status_code == 202


def test_everything_that_takes_more_is_held(cloud: Cloud) -> None:
    server_id = cloud.active()
    with cloud.services.db.write() as session:
        add_flavor(session, cloud.services.clock.now(), id="big", name="big", vcpus=3)
    assert limits(cloud, cores=3, instances=3, ram=256, server_groups=1, key_pairs=1, metadata_items=1) == 200
    for number, (path, body, expected) in enumerate((
        (f"/servers/{server_id}/action", {"resize": {"flavorRef": "big"}}, 202),
        ("/servers", cloud.body(), 403),  # its resize has taken all cores
        ("/os-server-groups", {"server_group": {"name": "one", "policy": "affinity"}}, 200),
        ("/os-server-groups", {"server_group": {"name": "two", "policy": "affinity"}}, 403),
        ("/os-keypairs", {"keypair": {"name": "one", "public_key": KEY, "type": "ssh"}}, 201),
        ("/os-keypairs", {"keypair": {"name": "two", "public_key": KEY, "type": "ssh"}}, 403),
        (f"/servers/{server_id}/metadata", {"metadata": {"a": "1"}}, 200),
        (f"/servers/{server_id}/metadata", {"metadata": {"b": "2"}}, 403),
    )):  # fmt: skip
        reply = cloud.api.post(f"{URL}{path}", headers=NEWEST, json=body)
        assert reply.status_code == expected, (number, path, reply.text)


def test_as_many_servers_are_made_as_the_user_has_room_for(cloud: Cloud) -> None:
    limits(cloud, ram=384)
    reply = cloud.create(min_count=1, max_count=9, networks="none")
    assert reply.status_code == 202, reply.text
    assert shown(cloud, "demo", "/detail")["ram"]["in_use"] == 384
    servers = cloud.api.get(f"{URL}/servers", headers=NEWEST).json["servers"]
    cloud.settle(servers[0]["id"], VmState.ACTIVE)
    with cloud.services.db.write() as session:
        session.get_one(Flavor, cloud.flavor_id).memory_mib = 64
    assert cloud.create().status_code == 403


def test_what_may_be_set(cloud: Cloud) -> None:
    """As in Nova: not below what the user has, and together not beyond what the project may have."""
    cloud.server()
    assert [limits(cloud, instances=number) for number in (0, 11, -1, 7, 10)] == [400, 400, 400, 200, 200]
    assert limits(cloud, instances=7) == 200
    assert [limits(cloud, "manager", instances=number) for number in (4, 3)] == [400, 200]
    assert limits(cloud, "manager", instances=50, force=True) == 200
    assert limits(cloud, security_groups=3) == 400  # counted for projects
    url = f"{URL}/os-quota-sets/{cloud.api.project_id('demo')}"
    assert cloud.api.put(url, "admin", headers=NEWEST, json={"quota_set": {"instances": 6}}).status_code == 400
    assert cloud.api.delete(url, "admin").status_code == 202
    assert shown(cloud, "manager")["instances"] == 10


def test_a_users_limit_holds_under_many_threads(database_url: str, cloud: Cloud) -> None:
    assert limits(cloud, cores=3) == 200
    token, start = cloud.api.token("demo"), threading.Barrier(THREADS)

    def create(_: int) -> int:
        start.wait(30)
        headers = {**NEWEST, "X-Auth-Token": token}
        client = cloud.api.app.test_client()
        return client.post(f"{URL}/servers", json=cloud.body(networks="none"), headers=headers).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        found = sorted(pool.map(create, range(THREADS)))
    assert found == [202] * 3 + [403] * (THREADS - 3)
    assert shown(cloud, "", "/detail")["cores"]["in_use"] == 3


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqZ0V3cS7m0rXJcvxP3p2nZbY0Q9mTtWZ2yN1o2k3hL demo@tests"
