"""RBAC policies: what one project shares is seen and used by the one it names, and can't be taken back while in use."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.network.conftest import NetworkClient


def share(
    net: NetworkClient,
    kind: str,
    object_id: str,
    to: str = "other",
    as_: str = "demo",
    action: str = "access_as_shared",
) -> dict[str, Any]:
    target = to if to == "*" else net.api.project_id(to)
    asked = {"object_type": kind, "object_id": object_id, "action": action, "target_tenant": target}
    made: dict[str, Any] = net.post("/rbac-policies", {"rbac_policy": asked}, as_)["rbac_policy"]
    return made


def test_a_network_is_seen_and_used_by_the_project_named(net: NetworkClient) -> None:
    network = net.network()
    subnet = net.subnet(network["id"])
    net.refused("GET", f"/networks/{network['id']}", None, 404, "NetworkNotFound", "other")
    policy = share(net, "network", network["id"])
    seen = net.get(f"/networks/{network['id']}", "other")["network"]
    assert (seen["shared"], seen["subnets"]) == (True, [subnet["id"]])
    assert net.get(f"/networks/{network['id']}")["network"]["shared"] is False
    assert [each["id"] for each in net.get("/networks?shared=true", "other")["networks"]] == [network["id"]]
    assert net.get(f"/subnets/{subnet['id']}", "other")["subnet"]["shared"] is True
    port = net.port(network["id"], "other")
    path = f"/rbac-policies/{policy['id']}"
    assert net.get("/rbac-policies", "other")["rbac_policies"] == []
    net.refused("DELETE", path, None, 409, "RbacPolicyInUse")
    net.delete(f"/ports/{port['id']}", "other")
    net.delete(path)
    net.refused("GET", f"/networks/{network['id']}", None, 404, "NetworkNotFound", "other")


def test_shared_and_external_networks_have_policies_for_all(net: NetworkClient) -> None:
    network = net.network("admin", shared=True, **{"router:external": True})
    found = net.get(f"/rbac-policies?object_id={network['id']}", "admin")["rbac_policies"]
    assert {(each["action"], each["target_tenant"]) for each in found} == {
        ("access_as_shared", "*"),
        ("access_as_external", "*"),
    }
    net.put(f"/networks/{network['id']}", {"network": {"shared": False, "router:external": False}}, "admin")
    assert net.get(f"/rbac-policies?object_id={network['id']}", "admin")["rbac_policies"] == []
    policy = share(net, "network", network["id"], "*", "admin")
    assert net.get(f"/networks/{network['id']}")["network"]["shared"] is True
    net.delete(f"/rbac-policies/{policy['id']}", "admin")
    net.refused("GET", f"/networks/{network['id']}", None, 404, "NetworkNotFound")


def test_a_network_becomes_external_for_one_project(net: NetworkClient) -> None:
    network = net.network("admin")
    policy = share(net, "network", network["id"], "demo", "admin", "access_as_external")
    seen = net.get(f"/networks/{network['id']}")["network"]
    assert (seen["router:external"], seen["shared"]) == (True, False)
    net.refused("POST", "/ports", {"port": {"network_id": network["id"]}}, 404, "NetworkNotFound")
    net.refused("GET", f"/networks/{network['id']}", None, 404, "NetworkNotFound", "other")
    net.delete(f"/rbac-policies/{policy['id']}", "admin")
    assert net.get(f"/networks/{network['id']}", "admin")["network"]["router:external"] is False


@pytest.mark.parametrize("use", ["gateway", "floating"])
def test_a_project_that_routes_through_a_network_keeps_its_way_out(net: NetworkClient, use: str) -> None:
    network = net.network("admin")
    net.subnet(network["id"], "172.24.4.0/24", "admin", enable_dhcp=False)
    policy = share(net, "network", network["id"], "demo", "admin", "access_as_external")
    if use == "gateway":
        made = net.post("/routers", {"router": {"external_gateway_info": {"network_id": network["id"]}}})["router"]
        path = f"/routers/{made['id']}"
    else:
        made = net.post("/floatingips", {"floatingip": {"floating_network_id": network["id"]}})["floatingip"]
        path = f"/floatingips/{made['id']}"
    net.refused("DELETE", f"/rbac-policies/{policy['id']}", None, 409, "RbacPolicyInUse", "admin")
    net.delete(path)
    net.delete(f"/rbac-policies/{policy['id']}", "admin")


def test_who_may_share_what(net: NetworkClient) -> None:
    mine, theirs = net.network(), net.network("admin", shared=True)
    asked = {"object_type": "network", "object_id": mine["id"], "action": "access_as_shared", "target_tenant": "*"}
    net.refused("POST", "/rbac-policies", {"rbac_policy": asked}, 403, "PolicyNotAuthorized")
    target = net.api.project_id("other")
    foreign = {**asked, "object_id": theirs["id"], "target_tenant": target}
    net.refused("POST", "/rbac-policies", {"rbac_policy": foreign}, 400, "InvalidInput")
    for wrong in ({"object_type": "server"}, {"action": "access_as_external", "object_type": "security_group"}):
        body = {"rbac_policy": {**asked, "target_tenant": target, **wrong}}
        net.refused("POST", "/rbac-policies", body, 400, "InvalidInput")
    policy = share(net, "network", mine["id"])
    body = {"rbac_policy": {**asked, "target_tenant": target}}
    net.refused("POST", "/rbac-policies", body, 409, "DuplicateRbacPolicy")
    path = f"/rbac-policies/{policy['id']}"
    net.refused("PUT", path, {"rbac_policy": {"target_tenant": "*"}}, 403, "PolicyNotAuthorized")
    net.refused("GET", path, None, 404, "RbacPolicyNotFound", "other")
    service = net.api.project_id("service")
    assert net.put(path, {"rbac_policy": {"target_tenant": service}})["rbac_policy"]["target_tenant"] == service


def test_policies_count_in_the_quota_and_go_with_their_object(net: NetworkClient) -> None:
    project = net.api.project_id("demo")
    net.put(f"/quotas/{project}", {"quota": {"rbac_policy": 1}}, "admin")
    network = net.network()
    share(net, "network", network["id"])
    asked = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
    body = {"rbac_policy": {**asked, "target_tenant": net.api.project_id("service")}}
    net.refused("POST", "/rbac-policies", body, 409, "OverQuota")
    net.delete(f"/networks/{network['id']}")
    assert net.get(f"/quotas/{project}/details.json")["quota"]["rbac_policy"]["used"] == 0


def test_a_security_group_is_used_by_the_project_named(net: NetworkClient) -> None:
    group, network = net.group(), net.network("other")
    wanted = {"port": {"network_id": network["id"], "security_groups": [group["id"]]}}
    net.refused("POST", "/ports", wanted, 404, "SecurityGroupNotFound", "other")
    policy = share(net, "security_group", group["id"])
    assert net.get(f"/security-groups/{group['id']}", "other")["security_group"]["shared"] is True
    assert net.get("/security-groups?shared=true", "other")["security_groups"][0]["id"] == group["id"]
    net.post("/ports", wanted, "other")
    net.refused("DELETE", f"/rbac-policies/{policy['id']}", None, 409, "RbacPolicyInUse")
    body = {"security_group": {"name": "x"}}
    net.refused("PUT", f"/security-groups/{group['id']}", body, 403, "PolicyNotAuthorized", "other")
    rule = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress"}}
    net.refused("POST", "/security-group-rules", rule, 404, "SecurityGroupNotFound", "other")


@pytest.mark.parametrize(
    ("path", "noun", "kind", "attributes"),
    [("/address-groups", "address_group", "address_group", {"addresses": []}),
     ("/address-scopes", "address_scope", "address_scope", {"ip_version": 4}),
     ("/subnetpools", "subnetpool", "subnetpool", {"prefixes": ["10.0.0.0/8"]})],
)  # fmt: skip
def test_other_kinds_are_shared_too(
    net: NetworkClient, path: str, noun: str, kind: str, attributes: dict[str, Any]
) -> None:
    made = net.post(path, {noun: {"name": "x", **attributes}})[noun]
    net.get(f"{path}/{made['id']}", "other", 404)
    policy = share(net, kind, made["id"])
    assert net.get(f"{path}/{made['id']}", "other")[noun]["shared"] is True
    assert net.put(f"{path}/{made['id']}", {noun: {"name": "y"}})[noun]["name"] == "y"
    net.delete(f"/rbac-policies/{policy['id']}")
    net.get(f"{path}/{made['id']}", "other", 404)
    net.delete(f"{path}/{made['id']}")
