"""Where servers go: zones and aggregates, server groups, hints, ratios; each asked for by the API, seen on the nodes."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.fixtures.cloud import COMPUTE, NEWEST, Cloud, MakeCloud

AGGREGATES, GROUPS = f"{COMPUTE}/os-aggregates", f"{COMPUTE}/os-server-groups"


def aggregate(cloud: Cloud, name: str, *hosts: str, **metadata: str) -> int:
    made = cloud.ok(cloud.api.post(AGGREGATES, "admin", headers=NEWEST, json={"aggregate": {"name": name}}))[
        "aggregate"
    ]
    number = int(made["id"])
    for host in hosts:
        on(cloud, number, "add_host", {"host": host})
    on(cloud, number, "set_metadata", {"metadata": metadata})
    return number


def on(cloud: Cloud, number: int, action: str, value: Any) -> Any:
    reply = cloud.api.post(f"{AGGREGATES}/{number}/action", "admin", headers=NEWEST, json={action: value})
    return cloud.ok(reply)["aggregate"]


def group(cloud: Cloud, policy: str, **rules: int) -> str:
    body = {"server_group": {"name": policy, "policy": policy, **({"rules": rules} if rules else {})}}
    return str(cloud.ok(cloud.api.post(GROUPS, headers=NEWEST, json=body))["server_group"]["id"])


def ask(cloud: Cloud, hints: dict[str, Any], as_: str = "demo", **changes: Any) -> TestResponse:
    server = {"name": "web", "imageRef": cloud.image_id, "flavorRef": cloud.flavor_id, "networks": "none", **changes}
    return cloud.api.post(
        f"{COMPUTE}/servers", as_, headers=NEWEST, json={"server": server, "os:scheduler_hints": hints}
    )


def hinted(cloud: Cloud, hints: dict[str, Any], **changes: Any) -> str:
    made = cloud.ok(ask(cloud, hints, **changes))["server"]
    cloud.run_until_idle()
    return str(made["id"])


def node_name(cloud: Cloud, server_id: str) -> str:
    assert cloud.status(server_id) == "ACTIVE", cloud.show(server_id, "admin")
    return cloud.node_of(server_id).name


def test_a_zone_is_what_aggregates_say(cloud: Cloud) -> None:
    number = aggregate(cloud, "east", "n2", availability_zone="east")
    zones = cloud.ok(cloud.api.get(f"{COMPUTE}/os-availability-zone"))["availabilityZoneInfo"]
    assert [zone["zoneName"] for zone in zones] == ["east", "nova"]
    server_id = cloud.active(availability_zone="east")
    assert (node_name(cloud, server_id), cloud.show(server_id)["OS-EXT-AZ:availability_zone"]) == ("n2", "east")
    assert node_name(cloud, cloud.active(availability_zone="nova")) == "n1"
    for action, value in (("remove_host", {"host": "n2"}), ("set_metadata", {"metadata": {"availability_zone": "w"}})):
        url = f"{AGGREGATES}/{number}/action"
        refused = cloud.api.post(url, "admin", headers=NEWEST, json={action: value})
        assert (refused.status_code, "contain instances" in refused.text) == (409 if "host" in action else 400, True)
    cloud.delete(server_id)
    cloud.run_until_idle()
    on(cloud, number, "remove_host", {"host": "n2"})
    assert cloud.ask_for(availability_zone="east").status_code == 400


def test_an_administrator_names_the_node(cloud: Cloud) -> None:
    for name in ("n1", "n2"):
        asked: list[dict[str, str]] = [
            {"availability_zone": f"nova:{name}"},
            {"host": name},
            {"hypervisor_hostname": name},
        ]
        found = [node_name(cloud, hinted(cloud, {}, as_="admin", **where)) for where in asked]
        assert found == [name] * 3
    for wrong in (
        {"availability_zone": "nova:n1", "host": "n1"},
        {"host": "n9"},
        {"host": "n1", "hypervisor_hostname": "n2"},
    ):
        assert ask(cloud, {}, as_="admin", **wrong).status_code == 400


def test_the_flavor_wants_an_aggregate(cloud: Cloud) -> None:
    number = aggregate(cloud, "fast", "n2", disk="ssd")
    spec = {"extra_specs": {"aggregate_instance_extra_specs:disk": "<or> nvme <or> ssd"}}
    cloud.ok(cloud.api.post(f"{COMPUTE}/flavors/c1.tiny/os-extra_specs", "admin", json=spec))
    assert {node_name(cloud, cloud.active()) for _ in range(3)} == {"n2"}
    on(cloud, number, "set_metadata", {"metadata": {"disk": None}})
    server_id = cloud.create()
    cloud.run_until_idle()
    assert cloud.status(server_id) == "ERROR"
    assert "2 are in no aggregate that the flavor wants" in cloud.show(server_id)["fault"]["message"]


def test_an_aggregate_sets_how_much_is_overcommitted(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(node_count=1)  # 8 vCPUs; four times as many may be claimed
    cloud.active(flavorRef="c1.large", networks="none")
    number = aggregate(cloud, "careful", "n1", cpu_allocation_ratio="0.5")
    full = cloud.create(networks="none")
    cloud.run_until_idle()
    assert (cloud.status(full), "too few vCPUs free" in cloud.show(full)["fault"]["message"]) == ("ERROR", True)
    on(cloud, number, "remove_host", {"host": "n1"})
    assert cloud.active(networks="none")
    bad = {"set_metadata": {"metadata": {"ram_allocation_ratio": "much"}}}
    assert cloud.api.post(f"{AGGREGATES}/{number}/action", "admin", json=bad).status_code == 400


@pytest.mark.parametrize(("policy", "rules", "nodes"), [
    ("affinity", {}, [3]), ("anti-affinity", {}, [1, 1, 1]), ("anti-affinity", {"max_server_per_host": 2}, [1, 2]),
    ("soft-affinity", {}, [3]), ("soft-anti-affinity", {}, [1, 1, 1]),
])  # fmt: skip
def test_groups_keep_their_policy(make_cloud: MakeCloud, policy: str, rules: dict[str, int], nodes: list[int]) -> None:
    cloud = make_cloud(node_count=3 if nodes == [1, 1, 1] else 2, schedulers=2)
    group_id = group(cloud, policy, **rules)
    found = [node_name(cloud, hinted(cloud, {"group": group_id})) for _ in range(3)]
    assert sorted(found.count(name) for name in set(found)) == nodes
    shown = cloud.ok(cloud.api.get(f"{GROUPS}/{group_id}", headers=NEWEST))["server_group"]
    assert len(shown["members"]) == 3
    assert cloud.show(shown["members"][0])["server_groups"] == [group_id]


def test_a_group_that_can_not_be_kept_is_an_error_and_soft_is_not(cloud: Cloud) -> None:
    hard, soft = group(cloud, "anti-affinity"), group(cloud, "soft-anti-affinity")
    for group_id, last in ((hard, "ERROR"), (soft, "ACTIVE")):
        servers = [hinted(cloud, {"group": group_id}) for _ in range(3)]
        assert [cloud.status(each) for each in servers] == ["ACTIVE", "ACTIVE", last]
    failed = next(each for each in cloud.ok(cloud.api.get(f"{COMPUTE}/servers?status=ERROR"))["servers"])
    assert "as many servers of its server group as may be" in cloud.show(failed["id"])["fault"]["message"]


def test_many_of_a_group_at_once_never_share_a_node(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(node_count=3, schedulers=2)
    group_id = group(cloud, "anti-affinity")
    hinted(cloud, {"group": group_id}, min_count=3, max_count=3)
    members = cloud.ok(cloud.api.get(f"{GROUPS}/{group_id}", headers=NEWEST))["server_group"]["members"]
    assert sorted(node_name(cloud, each) for each in members) == ["n1", "n2", "n3"]


def test_hints_that_name_servers(cloud: Cloud) -> None:
    first = hinted(cloud, {})
    beside, apart = hinted(cloud, {"same_host": first}), hinted(cloud, {"different_host": [first]})
    assert node_name(cloud, beside) == node_name(cloud, first) != node_name(cloud, apart)
    alone = hinted(cloud, {"different_host": [first, apart]})
    assert cloud.status(alone) == "ERROR"
    assert hinted(cloud, {"same_host": apart, "query": '[">=","$free_ram_mb",1]'})  # what no filter reads is ignored


def test_quota_of_groups_and_members(cloud: Cloud) -> None:
    demo = cloud.api.project_id("demo")
    limits = {"quota_set": {"server_groups": 1, "server_group_members": 1}}
    cloud.ok(cloud.api.put(f"{COMPUTE}/os-quota-sets/{demo}", "admin", headers=NEWEST, json=limits))
    group_id = group(cloud, "affinity")
    body = {"server_group": {"name": "more", "policy": "affinity"}}
    assert cloud.api.post(GROUPS, headers=NEWEST, json=body).status_code == 403
    hinted(cloud, {"group": group_id})
    refused = ask(cloud, {"group": group_id})
    assert (refused.status_code, "too many servers in group" in refused.text) == (403, True)
    assert cloud.api.delete(f"{GROUPS}/{group_id}").status_code == 204
    assert cloud.ok(cloud.api.get(f"{COMPUTE}/limits"))["limits"]["absolute"]["totalServerGroupsUsed"] == 0


def test_packing_instead_of_spreading(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(weighers="free_memory=-1")
    assert len({node_name(cloud, cloud.active()) for _ in range(4)}) == 1
