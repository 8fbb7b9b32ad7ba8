"""Subnet pools and address scopes: CIDRs are carved without overlap, within bounds, quota and scope."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.network.conftest import NetworkClient


def pool(net: NetworkClient, as_: str = "demo", **attributes: Any) -> dict[str, Any]:
    asked = {"name": "p", "prefixes": ["10.1.0.0/24"], "default_prefixlen": 26, **attributes}
    made: dict[str, Any] = net.post("/subnetpools", {"subnetpool": asked}, as_)["subnetpool"]
    return made


def carve(net: NetworkClient, pool_id: str | None, expect: int = 201, **attributes: Any) -> Any:
    asked = {"network_id": net.network()["id"], "ip_version": 4, "subnetpool_id": pool_id, **attributes}
    return net.call("POST", "/subnets", "demo", expect, json={"subnet": asked})


def test_subnets_come_from_the_pool_without_overlap(net: NetworkClient) -> None:
    made = pool(net)
    assert (made["ip_version"], made["min_prefixlen"], made["max_prefixlen"]) == (4, "8", "32")
    cidrs = [carve(net, made["id"])["subnet"]["cidr"] for _ in range(3)]
    assert cidrs == ["10.1.0.0/26", "10.1.0.64/26", "10.1.0.128/26"]
    assert carve(net, made["id"], prefixlen=28)["subnet"]["cidr"] == "10.1.0.192/28"
    refusal = carve(net, made["id"], 409)
    assert refusal["NeutronError"]["type"] == "SubnetAllocationError"
    assert carve(net, made["id"], cidr="10.1.0.224/28")["subnet"]["subnetpool_id"] == made["id"]
    assert carve(net, made["id"], 409, cidr="10.1.0.0/28")["NeutronError"]["type"] == "SubnetAllocationError"
    net.refused("DELETE", f"/subnetpools/{made['id']}", None, 400, "SubnetPoolDeleteError")


def test_bounds_and_the_projects_part_hold(net: NetworkClient) -> None:
    made = pool(net, min_prefixlen=25, max_prefixlen=28, default_quota=64)
    assert carve(net, made["id"], 400, prefixlen=24)["NeutronError"]["type"] == "MinPrefixSubnetAllocationError"
    assert carve(net, made["id"], 400, prefixlen=29)["NeutronError"]["type"] == "MaxPrefixSubnetAllocationError"
    carve(net, made["id"])
    assert carve(net, made["id"], 409)["NeutronError"]["type"] == "SubnetPoolQuotaExceeded"


def test_the_default_pool_serves_who_names_none(net: NetworkClient) -> None:
    assert carve(net, None, 400, use_default_subnetpool=True)["NeutronError"]["type"] == "BadRequest"
    net.refused("POST", "/subnetpools", {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], "is_default": True}},
                403, "PolicyNotAuthorized")  # fmt: skip
    made = pool(net, "admin", is_default=True, shared=True)
    assert carve(net, None, use_default_subnetpool=True)["subnet"]["subnetpool_id"] == made["id"]
    second = {"subnetpool": {"name": "q", "prefixes": ["10.2.0.0/24"], "is_default": True}}
    net.refused("POST", "/subnetpools", second, 400, "InvalidInput", "admin")
    assert [each["id"] for each in net.get("/subnetpools?is_default=True")["subnetpools"]] == [made["id"]]


def test_a_networks_subnets_come_from_one_pool(net: NetworkClient) -> None:
    made, network = pool(net), net.network()
    net.subnet(network["id"])
    body = {"subnet": {"network_id": network["id"], "ip_version": 4, "subnetpool_id": made["id"]}}
    net.refused("POST", "/subnets", body, 400, "NetworkSubnetPoolAffinityError")


def test_prefixes_grow_and_leave_when_unused(net: NetworkClient) -> None:
    made = pool(net)
    path = f"/subnetpools/{made['id']}"
    carve(net, made["id"])
    net.refused("PUT", path, {"subnetpool": {"prefixes": ["10.1.0.0/25"]}}, 400, "IllegalSubnetPoolPrefixUpdate")
    grown = net.put(path, {"subnetpool": {"prefixes": ["10.1.0.0/24", "10.1.1.0/24"]}})["subnetpool"]
    assert grown["prefixes"] == ["10.1.0.0/23"]
    assert net.put(f"{path}/add_prefixes", {"prefixes": ["10.9.0.0/24"]})["prefixes"] == ["10.1.0.0/23", "10.9.0.0/24"]
    assert net.put(f"{path}/remove_prefixes", {"prefixes": ["10.1.1.0/24"]})["prefixes"] == [
        "10.1.0.0/24",
        "10.9.0.0/24",
    ]
    body = {"prefixes": ["10.1.0.0/30"]}
    net.refused("PUT", f"{path}/remove_prefixes", body, 400, "IllegalSubnetPoolPrefixUpdate")


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [({"prefixes": []}, "EmptySubnetPoolPrefixList"), ({"prefixes": ["10.0.0.0"]}, "InvalidInput"),
     ({"prefixes": ["10.0.0.0/8", "2001:db8::/48"]}, "PrefixVersionMismatch"),
     ({"min_prefixlen": 28, "max_prefixlen": 24}, "IllegalSubnetPoolPrefixBounds"),
     ({"default_prefixlen": 33}, "IllegalSubnetPoolPrefixBounds")],
)  # fmt: skip
def test_pools_that_make_no_sense_are_refused(net: NetworkClient, attributes: dict[str, Any], kind: str) -> None:
    asked = {"name": "p", "prefixes": ["10.1.0.0/24"], **attributes}
    net.refused("POST", "/subnetpools", {"subnetpool": asked}, 400, kind)


def test_pools_of_one_scope_do_not_overlap(net: NetworkClient) -> None:
    scope = net.post("/address-scopes", {"address_scope": {"name": "s", "ip_version": 4}})["address_scope"]
    first = pool(net, address_scope_id=scope["id"])
    asked = {"name": "q", "prefixes": ["10.1.0.128/25"], "address_scope_id": scope["id"]}
    net.refused("POST", "/subnetpools", {"subnetpool": asked}, 409, "AddressScopePrefixConflict")
    six = {**asked, "prefixes": ["2001:db8::/48"]}
    net.refused("POST", "/subnetpools", {"subnetpool": six}, 400, "IllegalSubnetPoolAssociationToAddressScope")
    net.refused("DELETE", f"/address-scopes/{scope['id']}", None, 409, "AddressScopeInUse")
    net.put(f"/subnetpools/{first['id']}", {"subnetpool": {"address_scope_id": None}})
    net.delete(f"/address-scopes/{scope['id']}")


def test_a_shared_scope_stays_shared(net: NetworkClient) -> None:
    asked = {"address_scope": {"name": "s", "ip_version": 4, "shared": True}}
    net.refused("POST", "/address-scopes", asked, 403, "PolicyNotAuthorized")
    scope = net.post("/address-scopes", asked, "admin")["address_scope"]
    assert net.get(f"/address-scopes/{scope['id']}")["address_scope"]["shared"] is True
    body = {"address_scope": {"shared": False}}
    net.refused("PUT", f"/address-scopes/{scope['id']}", body, 400, "AddressScopeUpdateError", "admin")


def test_service_subnets_serve_ports_of_their_owners(net: NetworkClient) -> None:
    network = net.network()
    plain = net.subnet(network["id"])
    special = net.subnet(network["id"], "10.9.0.0/24", service_types=["compute:special"])
    assert net.port(network["id"])["fixed_ips"][0]["subnet_id"] == plain["id"]
    port = net.port(network["id"], device_owner="compute:special")
    assert port["fixed_ips"][0]["subnet_id"] == special["id"]
