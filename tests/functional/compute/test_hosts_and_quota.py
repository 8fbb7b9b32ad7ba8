"""Hypervisors, services, zones, quota sets, limits, usage, versions; and quota under many threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.db.models import Node, Service
from common.ids import new_id
from common.states import VmState
from tests.functional.compute.conftest import NEWEST, URL, Cloud, version

THREADS = 32


def test_services(cloud: Cloud) -> None:
    api, url = cloud.api, f"{URL}/os-services"
    assert api.get(url).status_code == 403
    [row] = [row for row in api.get(url, "admin", headers=NEWEST).json["services"] if row["binary"] == "nova-compute"]
    assert (row["host"], row["zone"], row["status"], row["state"]) == ("node1", "nova", "enabled", "down")
    with cloud.services.db.read() as session:
        before = session.get_one(Node, cloud.node_id).change_seq
    change = {"status": "disabled", "disabled_reason": "repair"}
    changed = api.put(f"{url}/{row['id']}", "admin", headers=NEWEST, json=change).json["service"]
    assert (changed["status"], changed["disabled_reason"]) == ("disabled", "repair")
    with cloud.services.db.read() as session:
        assert session.get_one(Node, cloud.node_id).change_seq > before  # placement must see it
    for bad in ({}, {"disabled_reason": "x"}, {"status": "broken"}, {"forced_down": "perhaps"}):
        assert api.put(f"{url}/{row['id']}", "admin", headers=NEWEST, json=bad).status_code == 400
    assert api.put(f"{url}/{new_id()}", "admin", headers=NEWEST, json={"status": "enabled"}).status_code == 404
    old = {"host": "node1", "binary": "nova-compute"}
    assert api.put(f"{url}/enable", "admin", json=old).json == {"service": {**old, "status": "enabled"}}
    assert (
        api.put(f"{url}/force-down", "admin", headers=version("2.10"), json={**old, "forced_down": True}).status_code
        == 400
    )
    assert api.put(f"{url}/enable", "admin", json={**old, "host": "nowhere"}).status_code == 404
    assert "forced_down" not in api.get(url, "admin").json["services"][0]
    assert isinstance(api.get(url, "admin").json["services"][0]["id"], int)


def test_hypervisors(cloud: Cloud) -> None:
    api, url = cloud.api, f"{URL}/os-hypervisors"
    server_id = cloud.active(name="there")
    assert api.get(url).status_code == 403
    with cloud.services.db.write() as session:
        node = session.get_one(Node, cloud.node_id)
        node.used_vcpus, node.used_memory_mib, node.inventory = 1, 128, {"cpu_arch": "x86_64", "disk_free_gib": 50}
    [row] = api.get(f"{url}/detail?with_servers=true", "admin", headers=version("2.87")).json["hypervisors"]
    assert (row["id"], row["vcpus_used"], row["memory_mb_used"], row["running_vms"]) == (cloud.node_id, 1, 640, 1)
    assert row["servers"] == [{"uuid": server_id, "name": "there"}]
    assert row["cpu_info"]["arch"] == "x86_64"
    shown = api.get(f"{url}/{cloud.node_id}", "admin", headers=NEWEST).json["hypervisor"]
    assert set(row) - set(shown) == {
        "cpu_info", "current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb", "local_gb", "vcpus",
        "local_gb_used", "memory_mb", "memory_mb_used", "running_vms", "vcpus_used", "servers",
    }  # fmt: skip
    assert shown["service"]["host"] == "node1"
    old = api.get(url, "admin").json["hypervisors"][0]
    assert isinstance(old["id"], int)
    assert isinstance(api.get(f"{url}/{old['id']}", "admin").json["hypervisor"]["cpu_info"], str)
    assert api.get(f"{url}/{new_id()}", "admin", headers=NEWEST).status_code == 404
    assert api.get(f"{url}/999", "admin").status_code == 404
    assert api.get(f"{url}/ode/search", "admin").json["hypervisors"][0]["hypervisor_hostname"] == "node1"
    assert api.get(f"{url}/nope/search", "admin").status_code == 404
    assert api.get(f"{url}/node/search", "admin", headers=NEWEST).status_code == 404
    matched = api.get(f"{url}?hypervisor_hostname_pattern=ode", "admin", headers=NEWEST)
    assert len(matched.json["hypervisors"]) == 1
    assert api.get(f"{URL}/os-aggregates", "admin").json == {"aggregates": []}
    assert api.get(f"{url}/statistics", "admin").json["hypervisor_statistics"]["vcpus"] == 8


@pytest.mark.parametrize(
    ("seconds", "users", "text"),
    [
        (59, 0, "up 0 min,  0 user,"), (3 * 60, 1, "up 3 min,  1 user,"), (2 * 3600 + 33 * 60, 3, "up  2:33,  3 users,"),
        (86400 + 18 * 3600 + 25 * 60, 12, "up 1 day, 18:25, 12 users,"), (93 * 86400, 2, "up 93 days, 0 min,  2 users,"),
    ],
)  # fmt: skip
def test_uptime_is_what_the_command_says_on_the_node(cloud: Cloud, seconds: int, users: int, text: str) -> None:
    said = {"uptime_s": seconds, "users": users, "load_1m": 0.2, "load_5m": 0.12, "load_15m": 0.14}
    beaten_at = at(cloud, datetime.now(UTC), said)
    line = f" {beaten_at:%H:%M:%S} {text}  load average: 0.20, 0.12, 0.14"
    assert uptime(cloud) == (200, line)
    shown = cloud.api.get(f"{URL}/os-hypervisors/{cloud.node_id}", "admin", headers=NEWEST).json["hypervisor"]
    assert shown["uptime"] == line


def test_uptime_of_a_node_that_does_not_say(cloud: Cloud) -> None:
    url = f"{URL}/os-hypervisors/{cloud.node_id}"
    at(cloud, datetime.now(UTC), {})
    assert uptime(cloud)[0] == 501
    at(cloud, datetime.now(UTC) - timedelta(hours=1), {"uptime_s": 5000})
    assert uptime(cloud)[0] == 400
    assert cloud.api.get(url, "admin", headers=NEWEST).json["hypervisor"]["uptime"] is None
    assert cloud.api.get(f"{url}/uptime", "admin", headers=version("2.88")).status_code == 404
    assert cloud.api.get(f"{url}/uptime", headers=version("2.87")).status_code == 403


def at(cloud: Cloud, time: datetime, inventory: dict[str, Any]) -> datetime:
    """When the node was last heard of, and what it said then."""
    with cloud.services.db.write() as session:
        node = session.get_one(Node, cloud.node_id)
        node.last_heartbeat_at, node.inventory = time, inventory
        session.get_one(Service, node.service_number).last_seen_at = time
    return time


def uptime(cloud: Cloud) -> tuple[int, str | None]:
    url = f"{URL}/os-hypervisors/{cloud.node_id}/uptime"
    reply = cloud.api.get(url, "admin", headers=version("2.87"))
    return reply.status_code, reply.json.get("hypervisor", {}).get("uptime")


def test_zones(cloud: Cloud) -> None:
    plain = cloud.api.get(f"{URL}/os-availability-zone").json["availabilityZoneInfo"]
    assert plain == [{"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}]
    assert cloud.api.get(f"{URL}/os-availability-zone/detail").status_code == 403
    zones = cloud.api.get(f"{URL}/os-availability-zone/detail", "admin").json["availabilityZoneInfo"]
    assert [zone["zoneName"] for zone in zones] == ["internal", "nova"]
    assert zones[1]["hosts"]["node1"]["nova-compute"]["active"] is True


def test_quota_sets(cloud: Cloud) -> None:
    api, demo = cloud.api, cloud.api.project_id("demo")
    url = f"{URL}/os-quota-sets/{demo}"
    cloud.server()
    assert api.get(url, headers=NEWEST).json["quota_set"]["instances"] == 10
    assert api.get(url, "other", headers=NEWEST).status_code == 403
    detail = api.get(f"{url}/detail", headers=NEWEST).json["quota_set"]
    assert detail["ram"] == {"limit": 51200, "in_use": 128, "reserved": 0}
    assert api.put(url, json={"quota_set": {"instances": 1}}).status_code == 403
    for bad in ({"instances": 0}, {"instances": -2}, {"instances": "x"}, {"floors": 1}):
        assert api.put(url, "admin", headers=NEWEST, json={"quota_set": bad}).status_code == 400, bad
    assert api.put(url, "admin", headers=NEWEST, json={"quota_set": {"instances": 0, "force": True}}).status_code == 200
    assert cloud.create().status_code == 403
    nobody = api.put(f"{URL}/os-quota-sets/{new_id()}", "admin", json={"quota_set": {"instances": 1}})
    assert (nobody.status_code, "is not a valid project" in nobody.text) == (400, True)
    assert api.get(f"{url}/defaults", headers=NEWEST).json["quota_set"]["instances"] == 10
    assert api.delete(url, "admin").status_code == 202
    assert cloud.create().status_code == 202
    assert api.put(url, "admin", headers=version("2.35"), json={"quota_set": {"security_groups": 3}}).status_code == 200
    assert api.put(url, "admin", headers=version("2.36"), json={"quota_set": {"security_groups": 3}}).status_code == 400


def test_limits_and_usage(cloud: Cloud) -> None:
    api = cloud.api
    server_id = cloud.active()
    absolute = api.get(f"{URL}/limits", headers=NEWEST).json["limits"]["absolute"]
    assert (absolute["totalInstancesUsed"], absolute["maxTotalCores"]) == (1, 20)
    assert api.get(f"{URL}/limits?tenant_id={api.project_id('demo')}", "other").status_code == 403
    now = cloud.services.clock.now()
    cloud.settle(server_id, VmState.ACTIVE)
    demo = api.project_id("demo")
    query = {"start": (now - timedelta(days=1)).isoformat(), "end": (now + timedelta(hours=2)).isoformat()}
    usage = api.get(f"{URL}/os-simple-tenant-usage/{demo}", query_string=query).json["tenant_usage"]
    assert 1.9 < usage["total_vcpus_usage"] < 2.1
    assert usage["server_usages"][0]["instance_id"] == server_id
    assert api.get(f"{URL}/os-simple-tenant-usage/{demo}", "other").status_code == 403
    assert api.get(f"{URL}/os-simple-tenant-usage").status_code == 403
    every = api.get(f"{URL}/os-simple-tenant-usage", "admin", query_string=query).json["tenant_usages"]
    assert [row["tenant_id"] for row in every] == [demo]
    assert api.get(f"{URL}/os-simple-tenant-usage/{demo}?start=later").status_code == 400


def test_versions_and_microversions(cloud: Cloud) -> None:
    api = cloud.api
    for path in ("/compute", "/compute/"):
        assert api.get(path, as_=None).json["versions"][-1]["version"] == "2.104"
    for path in (URL, f"{URL}/"):
        document = api.get(path, as_=None).json["version"]
        assert (document["min_version"], document["links"][0]["href"]) == ("2.1", f"http://localhost{URL}/")
    reply = api.get(f"{URL}/flavors", headers={"X-OpenStack-Nova-API-Version": "2.61"})
    assert reply.headers["OpenStack-API-Version"] == "compute 2.61"
    assert reply.headers["X-OpenStack-Nova-API-Version"] == "2.61"
    assert api.get(f"{URL}/flavors", headers=version("latest")).headers["OpenStack-API-Version"] == "compute 2.104"
    assert api.get(f"{URL}/flavors", headers=version("2.105")).status_code == 406
    assert api.get(f"{URL}/flavors", headers=version("2.x")).status_code == 400
    assert api.get(f"{URL}/images/detail", headers=version("2.35")).json["images"][0]["OS-EXT-IMG-SIZE:size"] == 4096
    assert api.get(f"{URL}/images", headers=version("2.36")).status_code == 404
    missing = api.get(f"{URL}/nothing")
    assert (missing.status_code, "itemNotFound" in missing.json) == (404, True)


def test_quota_holds_under_many_threads(database_url: str, cloud: Cloud) -> None:
    """DOS-07: at the limit, exactly as many get in as fit, on either database."""
    token, start = cloud.api.token("demo"), threading.Barrier(THREADS)

    def create(_: int) -> int:
        start.wait(30)
        body = cloud.body(networks="none")
        client = cloud.api.app.test_client()
        return client.post(f"{URL}/servers", json=body, headers={**NEWEST, "X-Auth-Token": token}).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        found = sorted(pool.map(create, range(THREADS)))
    assert found == [202] * 10 + [403] * (THREADS - 10)
    detail = cloud.api.get(f"{URL}/os-quota-sets/{cloud.api.project_id('demo')}/detail", headers=NEWEST).json[
        "quota_set"
    ]
    assert (detail["instances"]["in_use"], detail["cores"]["in_use"]) == (10, 10)
    assert len(cloud.api.get(f"{URL}/servers", headers=NEWEST).json["servers"]) == 10
