"""Security groups through the API: the default group, normal forms, and no bad rule is ever stored (NET-03)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.network.conftest import NetworkClient


def test_the_default_group_is_there_from_the_first_list_on(net: NetworkClient) -> None:
    (group,) = net.get("/security-groups")["security_groups"]
    assert (group["name"], group["stateful"], group["shared"]) == ("default", True, False)
    rules = {(rule["direction"], rule["ethertype"], rule["remote_group_id"]) for rule in group["security_group_rules"]}
    assert rules == {("egress", "IPv4", None), ("egress", "IPv6", None), ("ingress", "IPv4", group["id"]),
                     ("ingress", "IPv6", group["id"])}  # fmt: skip
    assert all(rule["belongs_to_default_sg"] for rule in group["security_group_rules"])
    net.refused("DELETE", f"/security-groups/{group['id']}", None, 409, "SecurityGroupCannotRemoveDefault")
    body = {"security_group": {"name": "x"}}
    net.refused("PUT", f"/security-groups/{group['id']}", body, 409, "SecurityGroupCannotUpdateDefault")
    body = {"security_group": {"name": "default"}}
    net.refused("POST", "/security-groups", body, 409, "SecurityGroupDefaultAlreadyExists")
    assert len(net.get("/security-groups")["security_groups"]) == 1


def test_create_update_delete(net: NetworkClient) -> None:
    group = net.group(name="web", description="d")
    assert {(rule["direction"], rule["ethertype"]) for rule in group["security_group_rules"]} == {
        ("egress", "IPv4"), ("egress", "IPv6"),
    }  # fmt: skip
    changed = net.put(f"/security-groups/{group['id']}", {"security_group": {"name": "www"}})["security_group"]
    assert (changed["name"], changed["revision_number"]) == ("www", 2)
    net.refused("GET", f"/security-groups/{group['id']}", None, 404, "SecurityGroupNotFound", "other")
    net.delete(f"/security-groups/{group['id']}")
    net.refused("GET", f"/security-groups/{group['id']}", None, 404, "SecurityGroupNotFound")
    assert net.get(f"/security-group-rules?security_group_id={group['id']}")["security_group_rules"] == []


def test_a_group_in_use_stays(net: NetworkClient) -> None:
    group = net.group()
    port = net.port(net.network()["id"], security_groups=[group["id"]])
    net.refused("DELETE", f"/security-groups/{group['id']}", None, 409, "SecurityGroupInUse")
    body = {"security_group": {"stateful": False}}
    net.refused("PUT", f"/security-groups/{group['id']}", body, 409, "SecurityGroupInUse")
    net.delete(f"/ports/{port['id']}")
    net.delete(f"/security-groups/{group['id']}")


def test_deleting_a_remote_group_takes_the_rules_that_name_it(net: NetworkClient) -> None:
    project = net.api.project_id("demo")
    used = net.get(f"/quotas/{project}/details")["quota"]["security_group_rule"]["used"]
    group, remote = net.group(), net.group()
    asked = {"security_group_id": group["id"], "direction": "ingress", "remote_group_id": remote["id"]}
    rule = net.post("/security-group-rules", {"security_group_rule": asked})["security_group_rule"]
    net.delete(f"/security-groups/{remote['id']}")
    net.refused("GET", f"/security-group-rules/{rule['id']}", None, 404, "SecurityGroupRuleNotFound")
    net.delete(f"/security-groups/{group['id']}")
    after = net.get(f"/quotas/{project}/details")["quota"]
    assert after["security_group_rule"]["used"] == used + 4  # those of the default group
    assert after["security_group"]["used"] == 1


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ({"protocol": "TCP", "port_range_min": 22, "port_range_max": "22"}, {"protocol": "tcp", "port_range_max": 22}),
        ({"protocol": "any"}, {"protocol": None}),
        ({"protocol": 112}, {"protocol": "112"}),
        ({"protocol": "vrrp"}, {"protocol": "vrrp"}),
        ({"protocol": "icmp", "port_range_min": 8}, {"port_range_min": 8, "port_range_max": None}),
        ({"protocol": "icmp", "ethertype": "ipv6"}, {"protocol": "ipv6-icmp", "ethertype": "IPv6"}),
        ({"remote_ip_prefix": "10.0.0.7/24"}, {"remote_ip_prefix": "10.0.0.7/24", "normalized_cidr": "10.0.0.0/24"}),
        ({"remote_ip_prefix": "10.0.0.7"}, {"remote_ip_prefix": "10.0.0.7/32", "remote_group_id": None}),
        ({"ethertype": None, "remote_ip_prefix": ""}, {"ethertype": "IPv4", "remote_ip_prefix": None}),
    ],
)
def test_normal_forms(net: NetworkClient, asked: dict[str, Any], stored: dict[str, Any]) -> None:
    body = {"security_group_id": net.group()["id"], "direction": "ingress", **asked}
    rule = net.post("/security-group-rules", {"security_group_rule": body})["security_group_rule"]
    assert {name: rule[name] for name in stored} == stored
    assert (rule["remote_address_group_id"], rule["belongs_to_default_sg"]) == (None, False)
    assert net.get(f"/security-group-rules/{rule['id']}")["security_group_rule"] == rule


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"protocol": "foo"}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": 256}, "HTTPBadRequest"),
        ({"port_range_min": 1, "port_range_max": 2}, "SecurityGroupProtocolRequiredWithPorts"),
        ({"protocol": "vrrp", "port_range_min": 1, "port_range_max": 2}, "SecurityGroupInvalidProtocolForPort"),
        ({"protocol": "tcp", "port_range_min": 9, "port_range_max": 2}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 9}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 0, "port_range_max": 2}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "tcp", "port_range_min": -1, "port_range_max": 5}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "icmp", "port_range_min": 256}, "SecurityGroupInvalidIcmpValue"),
        ({"protocol": "icmp", "port_range_max": 0}, "SecurityGroupMissingIcmpType"),
        ({"protocol": "icmpv6"}, "SecurityGroupEthertypeConflictWithProtocol"),
        ({"ethertype": "IPv5"}, "SecurityGroupRuleInvalidEtherType"),
        ({"remote_ip_prefix": "2001:db8::/32"}, "SecurityGroupRuleParameterConflict"),
        ({"remote_ip_prefix": "10.0.0.0/33"}, "InvalidCIDR"),
        ({"direction": "sideways"}, "HTTPBadRequest"),
        ({"direction": "INGRESS; drop"}, "HTTPBadRequest"),
        ({"normalized_cidr": "10.0.0.0/8"}, "HTTPBadRequest"),
    ],
)
def test_bad_rules_are_refused(net: NetworkClient, asked: dict[str, Any], kind: str) -> None:
    body = {"security_group_rule": {"security_group_id": net.group()["id"], "direction": "ingress", **asked}}
    net.refused("POST", "/security-group-rules", body, 400, kind)


def test_prefix_and_group_exclude_each_other(net: NetworkClient) -> None:
    group = net.group()
    body = {"security_group_id": group["id"], "direction": "ingress", "remote_group_id": group["id"],
            "remote_ip_prefix": "10.0.0.0/8"}  # fmt: skip
    kind = "SecurityGroupRemoteGroupAndRemoteIpPrefix"
    net.refused("POST", "/security-group-rules", {"security_group_rule": body}, 400, kind)


def test_duplicates_whatever_the_spelling(net: NetworkClient) -> None:
    group = net.group()
    asked = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
    rule = net.post("/security-group-rules", {"security_group_rule": asked})["security_group_rule"]
    again = {"security_group_rule": {**asked, "protocol": "6"}}
    message = net.refused("POST", "/security-group-rules", again, 409, "SecurityGroupRuleExists")
    assert rule["id"] in message
    bulk = {"security_group_rules": [{**asked, "protocol": "udp"}, {**asked, "protocol": "UDP"}]}
    net.refused("POST", "/security-group-rules", bulk, 409, "SecurityGroupRuleExists")
    assert len(net.get(f"/security-groups/{group['id']}")["security_group"]["security_group_rules"]) == 3


def test_foreign_groups_are_unknown(net: NetworkClient) -> None:
    own, theirs = net.group(), net.group("other")
    asked = {"security_group_id": theirs["id"], "direction": "ingress"}
    net.refused("POST", "/security-group-rules", {"security_group_rule": asked}, 404, "SecurityGroupNotFound")
    asked = {"security_group_id": own["id"], "direction": "ingress", "remote_group_id": theirs["id"]}
    net.refused("POST", "/security-group-rules", {"security_group_rule": asked}, 404, "SecurityGroupNotFound")
    foreign = theirs["security_group_rules"][0]["id"]
    net.refused("DELETE", f"/security-group-rules/{foreign}", None, 404, "SecurityGroupRuleNotFound")


def test_quota(net: NetworkClient) -> None:
    net.put(f"/quotas/{net.api.project_id('demo')}", {"quota": {"security_group": 2}}, "admin")
    net.group()
    net.refused("POST", "/security-groups", {"security_group": {"name": "x"}}, 409, "OverQuota")
