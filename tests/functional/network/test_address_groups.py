"""Address groups: lists of CIDRs that rules name, and the nodes' filters follow."""

from __future__ import annotations

from collections.abc import Callable

from common.db import network_state
from tests.functional.network.conftest import NetworkClient
from tests.functional.network.test_qos import bind, wanted


def test_addresses_are_added_and_removed_in_one_spelling(net: NetworkClient) -> None:
    asked = {"name": "g", "addresses": ["192.168.0.10/24", "2001:db8::f00/64"]}
    made = net.post("/address-groups", {"address_group": asked})["address_group"]
    path = f"/address-groups/{made['id']}"
    assert made["addresses"] == ["192.168.0.0/24", "2001:db8::/64"]
    net.put(f"{path}/add_addresses", {"addresses": ["10.0.0.7/32"]})
    assert net.get(path)["address_group"]["addresses"] == ["10.0.0.7/32", "192.168.0.0/24", "2001:db8::/64"]
    net.refused("PUT", f"{path}/add_addresses", {"addresses": ["10.0.0.7/32"]}, 409, "AddressesAlreadyExist")
    net.refused("PUT", f"{path}/remove_addresses", {"addresses": ["10.0.0.8"]}, 404, "AddressesNotFound")
    net.refused("PUT", f"{path}/add_addresses", {"addresses": ["10.0.0.8"]}, 400, "InvalidInput")
    changed = net.put(f"{path}/remove_addresses", {"addresses": ["10.0.0.7/32"]})["address_group"]
    assert changed["addresses"] == ["192.168.0.0/24", "2001:db8::/64"]
    assert changed["revision_number"] == 2


def test_a_rule_for_a_group_reaches_the_node(net: NetworkClient, add_node: Callable[[str], str]) -> None:
    asked = {"name": "g", "addresses": ["192.0.2.0/24"]}
    addresses = net.post("/address-groups", {"address_group": asked})["address_group"]
    group, network, node_id = net.group(), net.network(), add_node("n1")
    port = net.port(network["id"], security_groups=[group["id"]])
    bind(net, port["id"], node_id)
    rule = {
        "security_group_id": group["id"],
        "direction": "ingress",
        "remote_address_group_id": addresses["id"],
    }
    made = net.post("/security-group-rules", {"security_group_rule": rule})["security_group_rule"]
    assert made["remote_address_group_id"] == addresses["id"]
    net.refused("DELETE", f"/address-groups/{addresses['id']}", None, 409, "AddressGroupInUse")
    before = wanted(net, node_id)
    net.put(f"/address-groups/{addresses['id']}/add_addresses", {"addresses": ["198.51.100.0/24"]})
    assert wanted(net, node_id) > before
    with net.api.services.db.read() as session:
        state = network_state.for_node(session, node_id)
    assert [rule.remote_group for rule in state.ports[0].rules if rule.direction == "ingress"] == [addresses["id"]]
    assert [(each.id, each.addresses) for each in state.groups] == [
        (addresses["id"], ["192.0.2.0/24", "198.51.100.0/24"])
    ]


def test_a_rule_has_one_remote(net: NetworkClient) -> None:
    addresses = net.post("/address-groups", {"address_group": {"name": "g"}})["address_group"]
    group, foreign = net.group(), net.post("/address-groups", {"address_group": {"name": "g"}}, "other")
    base = {"security_group_id": group["id"], "direction": "ingress", "remote_address_group_id": addresses["id"]}
    for more in ({"remote_ip_prefix": "10.0.0.0/8"}, {"remote_group_id": group["id"]}):
        body = {"security_group_rule": {**base, **more}}
        net.refused("POST", "/security-group-rules", body, 400, "SecurityGroupMultipleRemoteIds")
    body = {"security_group_rule": {**base, "remote_address_group_id": foreign["address_group"]["id"]}}
    net.refused("POST", "/security-group-rules", body, 404, "AddressGroupNotFound")


def test_new_groups_begin_with_the_rules_of_the_template(net: NetworkClient) -> None:
    path = "/default-security-group-rules"
    originals = net.get(path)["default_security_group_rules"]
    assert sorted((each["direction"], each["remote_group_id"]) for each in originals) == [
        ("egress", None), ("egress", None), ("ingress", "PARENT"), ("ingress", "PARENT"),
    ]  # fmt: skip
    ssh = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    body = {"default_security_group_rule": ssh}
    net.refused("POST", path, body, 403, "PolicyNotAuthorized")
    made = net.post(path, body, "admin")["default_security_group_rule"]
    net.refused("POST", path, body, 409, "DefaultSecurityGroupRuleExists", "admin")
    everywhere = {"default_security_group_rule": {**ssh, "used_in_default_sg": True, "used_in_non_default_sg": False}}
    net.post(path, everywhere, "admin")
    for original in originals:
        if original["direction"] == "egress":
            net.delete(f"{path}/{original['id']}", "admin")
    rules = net.group()["security_group_rules"]
    assert [(each["direction"], each["port_range_min"]) for each in rules] == [("ingress", 22)]
    (default,) = net.get("/security-groups?name=default", "other")["security_groups"]
    assert sorted((each["protocol"] or "", each["remote_group_id"]) for each in default["security_group_rules"]) == [
        ("", default["id"]), ("", default["id"]), ("tcp", None),
    ]  # fmt: skip
    net.delete(f"{path}/{made['id']}", "admin")
    net.refused("GET", f"{path}/{made['id']}", None, 404, "DefaultSecurityGroupRuleNotFound")
    assert net.group()["security_group_rules"] == []
