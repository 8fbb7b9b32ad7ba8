"""APIs of compute that only old microversions have: networks, security groups, images and hosts, all the real ones."""

from __future__ import annotations

from typing import Any

import pytest

from common.ids import new_id
from tests.functional.compute.conftest import NEWEST, URL, Cloud, version

GROUPS, RULES, IMAGES = f"{URL}/os-security-groups", f"{URL}/os-security-group-rules", f"{URL}/images"
NETWORK = "/network/v2.0"


def test_networks_are_those_of_the_network_service(cloud: Cloud) -> None:
    for noun in ("os-networks", "os-tenant-networks"):
        found = cloud.api.get(f"{URL}/{noun}").json["networks"]
        assert [(row["id"], row["label"]) for row in found] == [(cloud.network_id, "private")]
        assert cloud.api.get(f"{URL}/{noun}/{cloud.network_id}").json["network"] == found[0]
        assert cloud.api.get(f"{URL}/{noun}/{cloud.other_network_id}").status_code == 404
        assert cloud.api.get(f"{URL}/{noun}", headers=version("2.36")).status_code == 404


def group(cloud: Cloud, **changes: Any) -> Any:
    body = {"security_group": {"name": "web", "description": "of the web", **changes}}
    return cloud.api.post(GROUPS, json=body)


def test_security_groups_are_those_of_the_network_service(cloud: Cloud) -> None:
    api, made = cloud.api, group(cloud).json["security_group"]
    assert (made["name"], made["rules"], made["tenant_id"]) == ("web", [], api.project_id("demo"))
    there = api.get(f"{NETWORK}/security-groups/{made['id']}").json["security_group"]
    assert there["description"] == "of the web"
    assert {row["name"] for row in api.get(GROUPS).json["security_groups"]} == {"default", "web"}
    assert len(api.get(f"{GROUPS}?limit=1&offset=1").json["security_groups"]) == 1
    assert api.get(f"{GROUPS}/{made['id']}", "other").status_code == 404
    changed = api.put(f"{GROUPS}/{made['id']}", json={"security_group": {"name": "w", "description": "x"}})
    assert changed.json["security_group"]["name"] == "w"
    assert made["id"] in {row["id"] for row in api.get(f"{GROUPS}?all_tenants", "admin").json["security_groups"]}
    assert made["id"] not in {row["id"] for row in api.get(f"{GROUPS}?all_tenants", "other").json["security_groups"]}
    assert api.delete(f"{GROUPS}/{made['id']}").status_code == 202
    assert api.get(f"{GROUPS}/{made['id']}").status_code == 404
    default = next(row for row in api.get(GROUPS).json["security_groups"] if row["name"] == "default")
    assert api.delete(f"{GROUPS}/{default['id']}").status_code == 400
    for bad in ({"name": ""}, {"name": " "}, {"name": "x" * 256}, {"description": "x" * 256}, {"name": "default"}):
        assert group(cloud, **bad).status_code == 400, bad


def test_rules_in_the_old_form(cloud: Cloud) -> None:
    api, group_id = cloud.api, group(cloud).json["security_group"]["id"]

    def rule(**asked: Any) -> Any:
        return api.post(RULES, json={"security_group_rule": {"parent_group_id": group_id, **asked}})

    web = rule(ip_protocol="tcp", from_port=80, to_port=80).json["security_group_rule"]
    assert (web["from_port"], web["ip_range"], web["group"]) == (80, {"cidr": "0.0.0.0/0"}, {})
    peers = rule(ip_protocol="tcp", from_port="1", to_port="99", group_id=group_id).json["security_group_rule"]
    assert (peers["group"]["name"], peers["ip_range"]) == ("web", {})
    ping = rule(ip_protocol="icmp", from_port=-1, to_port=-1, cidr="10.0.0.0/8").json["security_group_rule"]
    assert (ping["from_port"], ping["to_port"]) == (-1, -1)
    there = api.get(f"{NETWORK}/security-group-rules/{web['id']}").json["security_group_rule"]
    assert (there["direction"], there["port_range_min"]) == ("ingress", 80)
    assert rule(ip_protocol="tcp", from_port=80, to_port=80).status_code == 400  # there already
    for bad in (
        {"ip_protocol": "carrots"}, {"ip_protocol": "tcp", "from_port": 0, "to_port": 65536}, {"cidr": "here"},
        {"ip_protocol": "tcp", "from_port": 5, "to_port": 4}, {"ip_protocol": "tcp", "from_port": "x", "to_port": 4},
    ):  # fmt: skip
        assert rule(**bad).status_code == 400, bad
    assert rule(parent_group_id=new_id()).status_code == 404
    assert len(api.get(f"{GROUPS}/{group_id}").json["security_group"]["rules"]) == 3
    assert api.delete(f"{RULES}/{web['id']}").status_code == 202
    assert api.delete(f"{RULES}/{web['id']}").status_code == 404


def test_quota_of_groups_is_403(cloud: Cloud) -> None:
    limits = {"quota_set": {"security_groups": 2}}
    cloud.api.put(f"{URL}/os-quota-sets/{cloud.api.project_id('demo')}", "admin", json=limits)
    assert [group(cloud, name=f"g{number}").status_code for number in range(3)][-1] == 403


def test_images_and_their_metadata(cloud: Cloud) -> None:
    api, url = cloud.api, f"{IMAGES}/{cloud.image_id}/metadata"
    assert api.put(url, json={"metadata": {"os_distro": "a", "os_version": "1"}}).json == {
        "metadata": {"os_distro": "a", "os_version": "1"}
    }
    assert api.post(url, json={"metadata": {"os_distro": "b"}}).json["metadata"]["os_version"] == "1"
    assert api.put(f"{url}/os_type", json={"meta": {"os_type": "linux"}}).json == {"meta": {"os_type": "linux"}}
    assert api.get(f"/image/v2/images/{cloud.image_id}").json["os_type"] == "linux"
    assert api.get(f"{url}/os_type").json == {"meta": {"os_type": "linux"}}
    assert api.delete(f"{url}/os_type").status_code == 204
    assert (api.get(f"{url}/os_type").status_code, api.delete(f"{url}/os_type").status_code) == (404, 404)
    assert api.put(f"{url}/x", json={"meta": {"y": "z"}}).status_code == 400
    assert api.put(url, "other", json={"metadata": {"a": "b"}}).status_code == 403
    assert api.get(url, headers=version("2.39")).status_code == 404
    assert api.put(f"{IMAGES}/{new_id()}/metadata", json={"metadata": {}}).status_code == 404
    assert [row["id"] for row in api.get(f"{IMAGES}?status=SAVING").json["images"]] == [cloud.queued_image_id]
    assert api.get(f"{IMAGES}?status=BROKEN").json == {"images": []}
    snapshot = {"metadata": {"instance_uuid": cloud.node_id, "image_type": "snapshot"}}
    assert api.post(url, json=snapshot).status_code == 200
    for asked in (f"server={cloud.node_id}", f"server=http://x/servers/{cloud.node_id}", "type=snapshot"):
        found = api.get(f"{IMAGES}/detail?{asked}").json["images"]
        assert [(row["id"], row["server"]["id"]) for row in found] == [(cloud.image_id, cloud.node_id)], asked
    assert api.delete(f"{IMAGES}/{cloud.image_id}", headers=version("2.36")).status_code == 404
    assert api.delete(f"{IMAGES}/").status_code == 404  # of nothing
    assert api.delete(f"{IMAGES}/{cloud.image_id}").status_code == 204
    assert api.get(f"/image/v2/images/{cloud.image_id}").status_code == 404


def test_hosts_in_the_old_words(cloud: Cloud) -> None:
    api, url = cloud.api, f"{URL}/os-hosts"
    assert api.get(url).status_code == 403
    compute = {"host_name": "node1", "service": "compute", "zone": "nova"}
    assert compute in api.get(url, "admin").json["hosts"]
    assert api.get(f"{url}?zone=mars", "admin").json["hosts"] == []
    rows = [row["resource"] for row in api.get(f"{url}/node1", "admin").json["host"]]
    assert rows[0] == {"host": "node1", "project": "(total)", "cpu": 8, "memory_mb": 16384, "disk_gb": 200}
    assert [row["project"] for row in rows] == ["(total)", "(used_now)", "(used_max)"]
    disabled = api.put(f"{url}/node1", "admin", json={"status": "Disable"})
    assert disabled.json == {"host": "node1", "status": "disabled"}
    services = api.get(f"{URL}/os-services?binary=nova-compute", "admin").json["services"]
    assert services[0]["status"] == "disabled"
    for bad in ({}, {"status": "x"}, {"maintenance_mode": "x"}, {"status": "enable", "x": 1}):
        assert api.put(f"{url}/node1", "admin", json=bad).status_code == 400, bad
    assert api.put(f"{url}/node1", "admin", json={"maintenance_mode": "enable"}).status_code == 501
    for verb in ("startup", "shutdown", "reboot"):
        assert api.get(f"{url}/node1/{verb}", "admin").status_code == 501
        assert api.get(f"{url}/nowhere/{verb}", "admin").status_code == 404
    assert api.get(f"{url}/nowhere", "admin").status_code == 404
    assert api.get(url, "admin", headers=version("2.43")).status_code == 404


@pytest.mark.parametrize("path", ["", "/2026-03-05 10:00:00"])
def test_no_node_sends_usage_records(cloud: Cloud, path: str) -> None:
    reply = cloud.api.get(f"{URL}/os-instance_usage_audit_log{path}", "admin", headers=NEWEST)
    [body] = reply.json.values()
    assert (body["hosts_not_run"], body["num_hosts_done"], body["log"]) == (["node1"], 0, {})
    if path:
        assert (body["period_beginning"], body["period_ending"]) == ("2026-02-01 00:00:00", "2026-03-01 00:00:00")
        assert cloud.api.get(f"{URL}/os-instance_usage_audit_log/then", "admin").status_code == 400


def test_floating_ips_are_those_of_the_network_service(cloud: Cloud) -> None:
    api, url = cloud.api, f"{URL}/os-floating-ips"
    assert api.post(url, json={"pool": None}).status_code == 404  # there is none
    network = {"network": {"name": "out", "router:external": True}}
    network_id = api.post(f"{NETWORK}/networks", "admin", json=network).json["network"]["id"]
    subnet = {"subnet": {"network_id": network_id, "cidr": "192.0.2.0/29", "ip_version": 4}}
    assert api.post(f"{NETWORK}/subnets", "admin", json=subnet).status_code == 201
    assert api.get(f"{URL}/os-floating-ip-pools").json == {"floating_ip_pools": [{"name": "out"}]}
    made = [api.post(url, json=body).json["floating_ip"] for body in ({"pool": "out"}, {"pool": network_id}, None)]
    assert {(row["pool"], row["fixed_ip"], row["instance_id"]) for row in made} == {("out", None, None)}
    assert api.get(f"{NETWORK}/floatingips/{made[0]['id']}").json["floatingip"]["floating_ip_address"] == made[0]["ip"]
    assert {row["id"] for row in api.get(url).json["floating_ips"]} == {row["id"] for row in made}
    assert api.get(url, "admin").json["floating_ips"] == []
    assert api.get(f"{url}/{made[0]['id']}").json["floating_ip"] == made[0]
    assert api.get(f"{url}/{made[0]['id']}", "other").status_code == 404
    assert api.delete(f"{url}/{made[0]['id']}").status_code == 202
    assert api.delete(f"{url}/{made[0]['id']}").status_code == 404
    assert [api.post(url, json=body).status_code for body in ({"pool": "nowhere"}, {"pool": 1})] == [404, 400]
    limits = {"quota": {"floatingip": 2}}
    api.put(f"{NETWORK}/quotas/{api.project_id('demo')}", "admin", json=limits)
    assert api.post(url, json={"pool": "out"}).status_code == 403
    assert api.get(url, headers=version("2.36")).status_code == 404


def test_volumes_are_those_of_the_volume_service(cloud: Cloud) -> None:
    api, url = cloud.api, f"{URL}/os-volumes"

    def create(**asked: Any) -> Any:
        return api.post(url, json={"volume": {"size": 1, "display_name": "of old", **asked}})

    made = create(metadata={"Type": "work"}, display_description="x").json["volume"]
    assert made == {
        "id": made["id"], "status": "creating", "size": 1, "availabilityZone": "nova", "displayName": "of old",
        "displayDescription": "x", "volumeType": "__DEFAULT__", "snapshotId": None, "metadata": {"Type": "work"},
        "attachments": [{}], "createdAt": made["createdAt"],
    }  # fmt: skip
    there = api.get(f"/volume/v3/volumes/{made['id']}").json["volume"]
    assert (there["name"], there["metadata"]) == ("of old", {"Type": "work"})
    assert api.get(f"{url}/{made['id']}").json["volume"] == made
    other = create(size="2").json["volume"]
    for path in (url, f"{url}/detail"):
        assert [row["id"] for row in api.get(path).json["volumes"]] == [other["id"], made["id"]]
        assert [row["id"] for row in api.get(f"{path}?limit=1&offset=1").json["volumes"]] == [made["id"]]
        assert api.get(path, "admin").json["volumes"] == []
        assert api.get(path, headers=version("2.36")).status_code == 404
    assert api.get(f"{url}/").status_code == 404  # not the list: it names no volume
    assert [api.request(verb, f"{url}/{made['id']}", "other").status_code for verb in ("GET", "DELETE")] == [404, 404]
    for bad in ({"size": ""}, {"size": "#"}, {"size": 0}, {"x": 1}, {"availability_zone": "mars"}):
        assert create(**bad).status_code == 400, bad
    assert create(snapshot_id=new_id()).status_code == 404
    assert api.delete(f"{url}/{made['id']}").status_code == 400  # it is being created
    api.put(f"/volume/v3/os-quota-sets/{api.project_id('demo')}", "admin", json={"quota_set": {"volumes": 2}})
    assert create().status_code == 403
