"""The placement API: what nodes offer, what servers hold, where something would fit; one truth with the compute API."""

from __future__ import annotations

from typing import Any

import pytest

from common.db import services as service_rows
from common.db.models import Node
from common.db.services import ServiceChange
from common.ids import new_id
from tests.fixtures.api import ApiClient
from tests.functional.cumulet.rows import INVENTORY, add_instance, add_node, claim

BASE = "/placement"
NEWEST = {"OpenStack-API-Version": "placement 1.39"}


def version(text: str) -> dict[str, str]:
    return {"OpenStack-API-Version": f"placement {text}"}


def ask(client: ApiClient, path: str, who: str = "admin", at: str = "1.39", expect: int = 200, **query: Any) -> Any:
    reply = client.get(f"{BASE}{path}", who, headers=version(at), query_string=query)
    assert reply.status_code == expect, reply.text
    return reply.get_json(silent=True)


@pytest.fixture
def node(api_client: ApiClient) -> str:
    return add_node(api_client.services, "node1")


def test_the_version_document_needs_no_token(api_client: ApiClient) -> None:
    for path in ("/placement", "/placement/"):
        (found,) = api_client.get(path, None).json["versions"]
        assert (found["id"], found["min_version"], found["max_version"]) == ("v1.0", "1.0", "1.39")


def test_a_node_is_a_provider_and_its_links_grow_with_the_version(api_client: ApiClient, node: str) -> None:
    (oldest,) = ask(api_client, "/resource_providers", at="1.0")["resource_providers"]
    assert set(oldest) == {"uuid", "name", "generation", "links"}
    assert [link["rel"] for link in oldest["links"]] == ["self", "inventories", "usages"]
    (newest,) = ask(api_client, "/resource_providers")["resource_providers"]
    assert (newest["uuid"], newest["name"]) == (node, "node1")
    assert (newest["root_provider_uuid"], newest["parent_provider_uuid"]) == (node, None)
    for link in newest["links"]:
        reply = api_client.get(link["href"], "admin", headers=NEWEST)
        assert reply.status_code == 200, link
        assert reply.headers["Cache-Control"] == "no-cache"
        assert reply.headers["Last-Modified"].endswith("GMT")
    assert ask(api_client, f"/resource_providers/{node}") == newest
    error = ask(api_client, f"/resource_providers/{new_id()}", expect=404)["errors"][0]
    assert (error["status"], error["title"], error["code"]) == (404, "Not Found", "placement.undefined_code")


def test_what_is_claimed_is_what_placement_shows(api_client: ApiClient, node: str) -> None:
    server = add_instance(api_client, "demo", node_id=node)
    claim(api_client.services, server, node)
    shown = ask(api_client, f"/resource_providers/{node}/inventories")["inventories"]
    assert shown["VCPU"] == {
        "total": 4, "reserved": 0, "min_unit": 1, "max_unit": 4, "step_size": 1, "allocation_ratio": 4.0,
    }  # fmt: skip
    assert shown["MEMORY_MB"]["reserved"] == api_client.services.config.scheduler.reserved_memory_mib
    usages = ask(api_client, f"/resource_providers/{node}/usages")["usages"]
    assert usages == {"VCPU": 1, "MEMORY_MB": 64, "DISK_GB": 1}
    held = ask(api_client, f"/allocations/{server}")
    assert held["allocations"][node]["resources"] == usages
    assert (held["project_id"], held["user_id"], held["consumer_type"]) == ("p", "u", "INSTANCE")
    on_node = ask(api_client, f"/resource_providers/{node}/allocations")
    assert on_node["allocations"][server]["resources"] == usages
    assert ask(api_client, "/usages", at="1.9", project_id="p") == {"usages": usages}
    assert ask(api_client, "/usages", project_id="p") == {"usages": {"INSTANCE": {"consumer_count": 1, **usages}}}
    assert ask(api_client, "/usages", project_id="p", consumer_type="all")["usages"]["all"]["consumer_count"] == 1
    assert ask(api_client, "/usages", project_id="p", user_id="nobody") == {"usages": {}}
    assert ask(api_client, f"/allocations/{new_id()}") == {"allocations": {}}


def test_usages_of_a_project_are_for_its_members(api_client: ApiClient) -> None:
    own = api_client.project_id("demo")
    assert ask(api_client, "/usages", "demo", project_id=own) == {"usages": {}}
    ask(api_client, "/usages", "demo", project_id=api_client.project_id("other"), expect=403)
    ask(api_client, "/usages", "demo", expect=400)


def test_providers_are_found_by_room_name_and_traits(api_client: ApiClient, node: str) -> None:
    def names(**query: Any) -> list[str]:
        return [each["name"] for each in ask(api_client, "/resource_providers", **query)["resource_providers"]]

    add_node(api_client.services, "node2", heartbeat=False)  # has never said what it has
    assert names() == ["node1", "node2"]
    assert names(name="node2") == ["node2"]
    assert names(uuid=node) == names(in_tree=node) == ["node1"]
    assert names(resources="VCPU:16,MEMORY_MB:512") == ["node1"]
    assert names(resources="VCPU:17") == []
    assert names(required="HW_ARCH_X86_64") == ["node1"]
    assert names(required="!HW_ARCH_X86_64") == ["node2"]
    assert names(required="in:HW_ARCH_AARCH64,HW_ARCH_X86_64") == ["node1"]


@pytest.mark.parametrize(
    "query",
    [
        {"resources": "VCPU"}, {"resources": "VCPU:0"}, {"resources": "VCPU:-1"}, {"resources": "GPU:1"},
        {"required": "CUSTOM_NOBODYS"}, {"uuid": "x"}, {"colour": "blue"}, {"resources": ""},
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(api_client: ApiClient, query: dict[str, str]) -> None:
    (error,) = ask(api_client, "/resource_providers", expect=400, **query)["errors"]
    assert error["detail"]


def test_parameters_are_unknown_before_their_version(api_client: ApiClient) -> None:
    ask(api_client, "/resource_providers", at="1.3", resources="VCPU:1", expect=400)
    ask(api_client, "/resource_providers", at="1.17", required="HW_ARCH_X86_64", expect=400)
    for path, since in (("/traits", "1.5"), ("/resource_classes", "1.1"), ("/usages", "1.8"),
                        ("/allocation_candidates", "1.9")):  # fmt: skip
        ask(api_client, path, at=since, expect=404)
    ask(api_client, "/resource_providers", at="1.40", expect=406)


def test_an_administrator_sets_the_terms_of_an_offer_and_placement_obeys(api_client: ApiClient, node: str) -> None:
    path = f"{BASE}/resource_providers/{node}/inventories"
    shown = ask(api_client, f"/resource_providers/{node}/inventories")
    shown["inventories"]["VCPU"]["allocation_ratio"] = 1.0
    shown["inventories"]["MEMORY_MB"]["reserved"] = 1024
    reply = api_client.put(path, "admin", headers=NEWEST, json=shown)
    assert reply.status_code == 200, reply.text
    assert reply.json["resource_provider_generation"] > shown["resource_provider_generation"]
    assert reply.json["inventories"] == shown["inventories"]
    assert ask(api_client, "/resource_providers", resources="VCPU:5")["resource_providers"] == []
    stale = api_client.put(path, "admin", headers=NEWEST, json=shown)
    assert (stale.status_code, stale.json["errors"][0]["code"]) == (409, "placement.concurrent_update")
    assert api_client.put(path, "demo", headers=NEWEST, json=shown).status_code == 403
    one = {"resource_provider_generation": reply.json["resource_provider_generation"], "total": 4}
    again = api_client.put(f"{path}/VCPU", "admin", headers=NEWEST, json={**one, "allocation_ratio": 2.5})
    assert (again.status_code, again.json["allocation_ratio"]) == (200, 2.5)


def test_an_aggregates_ratio_stays_above_the_nodes_own(api_client: ApiClient, node: str) -> None:
    compute, new = "/compute/v2.1/os-aggregates", {"aggregate": {"name": "dense", "availability_zone": None}}
    number = api_client.post(compute, "admin", json=new).json["aggregate"]["id"]
    path = f"/resource_providers/{node}/inventories/VCPU"
    for action in ({"add_host": {"host": "node1"}}, {"set_metadata": {"metadata": {"cpu_allocation_ratio": "8"}}}):
        assert api_client.post(f"{compute}/{number}/action", "admin", json=action).status_code == 200
    shown = ask(api_client, path)
    assert shown["allocation_ratio"] == 8.0
    own = {"resource_provider_generation": shown["resource_provider_generation"], "total": 4, "allocation_ratio": 2.0}
    assert api_client.put(f"{BASE}{path}", "admin", headers=NEWEST, json=own).json["allocation_ratio"] == 8.0
    left = {"remove_host": {"host": "node1"}}
    assert api_client.post(f"{compute}/{number}/action", "admin", json=left).status_code == 200
    assert ask(api_client, path)["allocation_ratio"] == 2.0


@pytest.mark.parametrize(
    ("resource", "fields"),
    [("VCPU", {"total": 5}), ("VCPU", {"total": 4, "reserved": 1}), ("VCPU", {"total": 4, "step_size": 2}),
     ("MEMORY_MB", {"total": 4096, "reserved": 5000}), ("VCPU", {"total": 4, "allocation_ratio": 0})],
)  # fmt: skip
def test_what_the_node_says_cannot_be_set(
    api_client: ApiClient, node: str, resource: str, fields: dict[str, Any]
) -> None:
    path = f"/resource_providers/{node}/inventories"
    generation = ask(api_client, path)["resource_provider_generation"]
    body = {"resource_provider_generation": generation, **fields}
    refused = api_client.put(f"{BASE}{path}/{resource}", "admin", headers=NEWEST, json=body)
    assert refused.status_code == 400, refused.text
    assert ask(api_client, path)["resource_provider_generation"] == generation


def test_nobody_makes_nodes_or_claims_here(api_client: ApiClient, node: str) -> None:
    for method, path in (("POST", "/resource_providers"), ("DELETE", f"/resource_providers/{node}"),
                         ("PUT", f"/allocations/{new_id()}"), ("PUT", f"/resource_providers/{node}/traits")):  # fmt: skip
        reply = api_client.request(method, f"{BASE}{path}", "admin", headers=NEWEST, json={})
        assert reply.status_code == 405, (path, reply.text)
        assert "GET" in reply.headers["Allow"]


def test_candidates_have_room(api_client: ApiClient, node: str) -> None:
    def candidates(at: str = "1.39", expect: int = 200, **query: Any) -> Any:
        return ask(api_client, "/allocation_candidates", at=at, expect=expect, **query)

    found = candidates(resources="VCPU:2,MEMORY_MB:512")
    assert found["allocation_requests"] == [
        {"allocations": {node: {"resources": {"VCPU": 2, "MEMORY_MB": 512}}}, "mappings": {"": [node]}}
    ]
    summary = found["provider_summaries"][node]
    assert summary["resources"]["VCPU"] == {"capacity": 16, "used": 0}
    assert "DISK_GB" in summary["resources"]
    assert "HW_ARCH_X86_64" in summary["traits"]
    old = candidates("1.10", resources="VCPU:2")
    assert old["allocation_requests"][0]["allocations"] == [
        {"resource_provider": {"uuid": node}, "resources": {"VCPU": 2}}
    ]
    assert set(old["provider_summaries"][node]) == {"resources"}
    assert candidates(resources="VCPU:17")["allocation_requests"] == []
    both = candidates(resources="VCPU:10", resources1="VCPU:6", required="HW_ARCH_X86_64")
    assert both["allocation_requests"][0]["mappings"] == {"": [node], "1": [node]}
    assert candidates(resources="VCPU:10", resources1="VCPU:7")["allocation_requests"] == []
    for policy, count in (("none", 1), ("isolate", 0)):
        grouped = candidates(resources1="VCPU:1", resources2="VCPU:1", group_policy=policy)
        assert len(grouped["allocation_requests"]) == count
    candidates(resources1="VCPU:1", resources2="VCPU:1", expect=400)
    candidates(expect=400)
    candidates(resources="VCPU:1", limit="0", expect=400)
    candidates("1.15", resources="VCPU:1", limit="1", expect=400)
    add_node(api_client.services, "node2")
    assert len(candidates(resources="VCPU:1")["allocation_requests"]) == 2
    assert len(candidates(resources="VCPU:1", limit=1)["allocation_requests"]) == 1


def test_names_and_traits_are_those_that_nodes_have(api_client: ApiClient, node: str) -> None:
    assert [each["name"] for each in ask(api_client, "/resource_classes")["resource_classes"]] == [
        "VCPU", "MEMORY_MB", "DISK_GB", "PCPU", "NET_BW_EGR_KILOBIT_PER_SEC", "NET_BW_IGR_KILOBIT_PER_SEC",
        "NET_PACKET_RATE_KILOPACKET_PER_SEC", "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
        "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
    ]  # fmt: skip
    assert ask(api_client, "/resource_classes/VCPU")["name"] == "VCPU"
    ask(api_client, "/resource_classes/GPU", expect=404)
    assert ask(api_client, "/traits", associated="true") == {"traits": ["HW_ARCH_X86_64"]}
    assert ask(api_client, "/traits", name="in:HW_CPU_X86_AVX,CUSTOM_X")["traits"] == ["HW_CPU_X86_AVX"]
    assert "HW_CPU_X86_AVX" in ask(api_client, "/traits", name="startswith:HW_CPU")["traits"]
    ask(api_client, "/traits", name="AVX", expect=400)
    ask(api_client, "/traits/HW_CPU_X86_AVX", expect=204)
    ask(api_client, "/traits/CUSTOM_X", expect=404)
    assert INVENTORY["cpu_arch"] == "x86_64"


def test_a_disabled_node_says_so(api_client: ApiClient, node: str) -> None:
    services = api_client.services
    with services.db.write() as session:
        row = service_rows.by_host_binary(session, "node1", "nova-compute")
        service_rows.change(session, row, ServiceChange(disabled=True), services.clock.now())
    assert "COMPUTE_STATUS_DISABLED" in ask(api_client, f"/resource_providers/{node}/traits")["traits"]


def test_providers_are_found_by_the_aggregates_that_they_are_in(api_client: ApiClient, node: str) -> None:
    compute = "/compute/v2.1/os-aggregates"
    newest = {"OpenStack-API-Version": "compute 2.104"}
    made = [
        api_client.post(compute, "admin", headers=newest, json={"aggregate": {"name": name}}).json["aggregate"]
        for name in ("rack", "empty")
    ]
    body = {"add_host": {"host": "node1"}}
    assert api_client.post(f"{compute}/{made[0]['id']}/action", "admin", json=body).status_code == 200
    rack, empty = (each["uuid"] for each in made)
    assert ask(api_client, f"/resource_providers/{node}/aggregates")["aggregates"] == [rack]
    assert set(ask(api_client, f"/resource_providers/{node}/aggregates", at="1.18")) == {"aggregates"}
    for member_of, found in ((rack, 1), (empty, 0), (f"in:{rack},{empty}", 1), (f"!{rack}", 0), (f"!in:{empty}", 1)):
        assert len(ask(api_client, "/resource_providers", member_of=member_of)["resource_providers"]) == found
        asked = {"resources": "VCPU:1", "member_of": member_of}
        assert len(ask(api_client, "/allocation_candidates", **asked)["allocation_requests"]) == found
    ask(api_client, "/resource_providers", expect=400, member_of=f"{rack},{empty}")
    ask(api_client, "/resource_providers", expect=400, at="1.31", member_of=f"!{rack}")
    ask(api_client, "/resource_providers", expect=400, at="1.2", member_of=rack)


def test_a_nodes_own_cpus_are_pcpu_beside_vcpu(api_client: ApiClient, node: str) -> None:
    with api_client.services.db.write() as session:
        row = session.get_one(Node, node)
        row.pcpus, row.used_pcpus = 4, 1
    shown = ask(api_client, f"/resource_providers/{node}/inventories")
    assert (shown["inventories"]["PCPU"]["total"], shown["inventories"]["PCPU"]["allocation_ratio"]) == (4, 1.0)
    assert ask(api_client, f"/resource_providers/{node}/usages")["usages"]["PCPU"] == 1
    for amount, found in ((3, 1), (4, 0)):
        asked = ask(api_client, "/allocation_candidates", resources=f"PCPU:{amount}", resources1="VCPU:1")
        assert len(asked["allocation_requests"]) == found
    body = {"resource_provider_generation": shown["resource_provider_generation"], "total": 4, "allocation_ratio": 2.0}
    reply = api_client.put(f"{BASE}/resource_providers/{node}/inventories/PCPU", "admin", headers=NEWEST, json=body)
    assert reply.status_code == 400
    assert "each is one server's alone" in reply.text
