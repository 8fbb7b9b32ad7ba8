"""Aggregates and server groups as the API shows, checks and refuses them."""

from __future__ import annotations

from typing import Any

import pytest

from common.ids import new_id
from tests.functional.compute.conftest import NEWEST, URL, Cloud, version

AGGREGATES, GROUPS = f"{URL}/os-aggregates", f"{URL}/os-server-groups"


def act(cloud: Cloud, number: int, name: str, value: Any) -> Any:
    return cloud.api.post(f"{AGGREGATES}/{number}/action", "admin", headers=NEWEST, json={name: value})


def test_life_of_an_aggregate(cloud: Cloud) -> None:
    api = cloud.api
    body = {"aggregate": {"name": "rack 1", "availability_zone": "east"}}
    assert api.post(AGGREGATES, json=body).status_code == 403
    made = api.post(AGGREGATES, "admin", headers=NEWEST, json=body).json["aggregate"]
    assert set(made) == {
        "id", "uuid", "name", "availability_zone", "created_at", "updated_at", "deleted", "deleted_at",
    }  # fmt: skip
    assert api.post(AGGREGATES, "admin", json=body).status_code == 409
    number = made["id"]
    shown = act(cloud, number, "add_host", {"host": "node1"}).json["aggregate"]
    assert (shown["hosts"], shown["metadata"]) == (["node1"], {"availability_zone": "east"})
    assert act(cloud, number, "add_host", {"host": "node1"}).status_code == 409
    assert act(cloud, number, "add_host", {"host": "node9"}).status_code == 404
    changed = act(cloud, number, "set_metadata", {"metadata": {"disk": "ssd", "x": None}}).json["aggregate"]
    assert changed["metadata"] == {"availability_zone": "east", "disk": "ssd"}
    renamed = api.put(f"{AGGREGATES}/{number}", "admin", json={"aggregate": {"name": "rack 2"}}).json["aggregate"]
    assert ("uuid" in renamed, renamed["name"]) == (False, "rack 2")
    assert [row["name"] for row in api.get(AGGREGATES, "admin").json["aggregates"]] == ["rack 2"]
    assert api.delete(f"{AGGREGATES}/{number}", "admin").status_code == 400
    assert act(cloud, number, "remove_host", {"host": "node1"}).status_code == 200
    assert act(cloud, number, "remove_host", {"host": "node1"}).status_code == 404
    assert api.delete(f"{AGGREGATES}/{number}", "admin").status_code == 200
    assert api.get(f"{AGGREGATES}/{number}", "admin").status_code == 404


def test_a_node_is_in_one_zone(cloud: Cloud) -> None:
    api = cloud.api
    numbers = [
        api.post(AGGREGATES, "admin", json={"aggregate": {"name": zone, "availability_zone": zone}}).json["aggregate"][
            "id"
        ]
        for zone in ("east", "west")
    ]
    assert act(cloud, numbers[0], "add_host", {"host": "node1"}).status_code == 200
    refused = act(cloud, numbers[1], "add_host", {"host": "node1"})
    assert (refused.status_code, "already in availability zone east" in refused.text) == (409, True)
    plain = api.post(AGGREGATES, "admin", json={"aggregate": {"name": "plain"}}).json["aggregate"]["id"]
    assert act(cloud, plain, "add_host", {"host": "node1"}).status_code == 200
    assert act(cloud, plain, "set_metadata", {"metadata": {"availability_zone": "west"}}).status_code == 400
    services = api.get(f"{URL}/os-services?binary=nova-compute", "admin").json["services"]
    assert [row["zone"] for row in services] == ["east"]


@pytest.mark.parametrize("bad", [
    {}, {"name": ""}, {"name": "x" * 256}, {"name": "x", "availability_zone": "a:b"}, {"name": "x", "hosts": ["n"]},
    {"name": "x", "availability_zone": ""},
])  # fmt: skip
def test_aggregates_that_can_not_be(cloud: Cloud, bad: dict[str, Any]) -> None:
    assert cloud.api.post(AGGREGATES, "admin", headers=NEWEST, json={"aggregate": bad}).status_code == 400


def create(cloud: Cloud, microversion: str, **group: Any) -> Any:
    return cloud.api.post(GROUPS, headers=version(microversion), json={"server_group": {"name": "g", **group}})


def test_server_groups_by_microversion(cloud: Cloud) -> None:
    oldest = create(cloud, "2.1", policies=["affinity"]).json["server_group"]
    assert set(oldest) == {"id", "name", "policies", "members", "metadata"}
    assert set(create(cloud, "2.13", policies=["affinity"]).json["server_group"]) == {*oldest, "project_id", "user_id"}
    assert create(cloud, "2.14", policies=["soft-affinity"]).status_code == 400
    assert create(cloud, "2.15", policies=["soft-affinity"]).status_code == 200
    newest = create(cloud, "2.64", policy="anti-affinity", rules={"max_server_per_host": "3"}).json["server_group"]
    assert (newest["policy"], newest["rules"]) == ("anti-affinity", {"max_server_per_host": 3})
    assert set(newest) == {"id", "name", "policy", "rules", "members", "project_id", "user_id"}
    for microversion, bad in (
        ("2.1", {}), ("2.1", {"policies": []}), ("2.1", {"policies": ["affinity", "anti-affinity"]}),
        ("2.1", {"policy": "affinity"}), ("2.64", {"policies": ["affinity"]}), ("2.64", {"policy": "apart"}),
        ("2.64", {"policy": "affinity", "rules": {"max_server_per_host": 2}}),
        ("2.64", {"policy": "anti-affinity", "rules": {"max_server_per_host": 0}}),
    ):  # fmt: skip
        assert create(cloud, microversion, **bad).status_code == 400, bad


def test_server_groups_are_the_projects_own(cloud: Cloud) -> None:
    api = cloud.api
    ids = [create(cloud, "2.64", policy="affinity").json["server_group"]["id"] for _ in range(3)]
    assert [row["id"] for row in api.get(f"{GROUPS}?limit=1&offset=1").json["server_groups"]] == [ids[1]]
    assert api.get(GROUPS, "other").json["server_groups"] == []
    assert api.get(f"{GROUPS}?all_projects", "other").status_code == 403
    assert len(api.get(f"{GROUPS}?all_projects", "admin").json["server_groups"]) == 3
    for call in (api.get, api.delete):
        strange, unknown = call(f"{GROUPS}/{ids[0]}", "other"), call(f"{GROUPS}/{new_id()}", "other")
        assert (strange.status_code, unknown.status_code) == (404, 404)
    refused = api.post(
        f"{URL}/servers",
        "other",
        headers=NEWEST,
        json={**cloud.body(networks="none"), "os:scheduler_hints": {"group": ids[0]}},
    )
    assert refused.status_code == 400
    assert api.delete(f"{GROUPS}/{ids[0]}").status_code == 204
    assert api.get(f"{GROUPS}/{ids[0]}").status_code == 404


def test_no_image_is_cached_where_no_node_keeps_any(cloud: Cloud) -> None:
    """Nodes with the fake driver don't; tests/functional/image/test_node_caches.py has some that do."""
    number = cloud.api.post(AGGREGATES, "admin", json={"aggregate": {"name": "a"}}).json["aggregate"]["id"]
    url, body = f"{AGGREGATES}/{number}/images", {"cache": [{"id": cloud.image_id}]}
    assert cloud.api.post(url, "admin", headers=version("2.80"), json=body).status_code == 404
    assert cloud.api.post(url, "admin", headers=version("2.81"), json=body).status_code == 409
