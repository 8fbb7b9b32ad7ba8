"""Trunks: which ports may carry which, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.network.conftest import NetworkClient


def trunk(net: NetworkClient, **attributes: Any) -> dict[str, Any]:
    port = net.port(net.network()["id"])
    made: dict[str, Any] = net.post("/trunks", {"trunk": {"port_id": port["id"], **attributes}})["trunk"]
    return made


def carried(net: NetworkClient, number: int = 2, **network: Any) -> dict[str, Any]:
    port = net.port(net.network(**network)["id"])
    return {"port_id": port["id"], "segmentation_type": "vlan", "segmentation_id": number}


def test_a_trunk_carries_ports(net: NetworkClient) -> None:
    first, second = carried(net, 2), carried(net, 3)
    made = trunk(net, sub_ports=[first])
    path = f"/trunks/{made['id']}"
    assert (made["status"], made["sub_ports"]) == ("DOWN", [first])
    assert net.put(f"{path}/add_subports", {"sub_ports": [second]})["sub_ports"] == [first, second]
    details = net.get(f"/ports/{made['port_id']}")["port"]["trunk_details"]
    assert (details["trunk_id"], [each["segmentation_id"] for each in details["sub_ports"]]) == (made["id"], [2, 3])
    assert all(each["mac_address"] for each in details["sub_ports"])
    net.put(f"{path}/remove_subports", {"sub_ports": [{"port_id": first["port_id"]}]})
    assert net.get(f"{path}/get_subports")["sub_ports"] == [second]
    net.refused(
        "PUT", f"{path}/remove_subports", {"sub_ports": [{"port_id": first["port_id"]}]}, 404, "SubPortNotFound"
    )
    net.delete(path)
    assert "trunk_details" not in net.get(f"/ports/{made['port_id']}")["port"]


def test_a_port_is_in_one_trunk(net: NetworkClient) -> None:
    child = carried(net)
    made = trunk(net, sub_ports=[child])
    again = {"trunk": {"port_id": made["port_id"]}}
    net.refused("POST", "/trunks", again, 409, "PortInUseAsTrunkParent")
    net.refused("POST", "/trunks", {"trunk": {"port_id": child["port_id"]}}, 409, "PortInUseAsSubPort")
    net.refused("DELETE", f"/ports/{made['port_id']}", None, 409, "PortInUseAsTrunkParent")
    net.refused("DELETE", f"/ports/{child['port_id']}", None, 409, "PortInUseAsSubPort")
    same_id = {"sub_ports": [carried(net, 2)]}
    net.refused("PUT", f"/trunks/{made['id']}/add_subports", same_id, 409, "DuplicateSubPort")


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [({"segmentation_id": None}, "HTTPBadRequest"), ({"segmentation_id": 0}, "InvalidInput"),
     ({"segmentation_id": 4095}, "InvalidInput"), ({"segmentation_type": "gre"}, "InvalidInput")],
)  # fmt: skip
def test_bad_subports_are_refused(net: NetworkClient, attributes: dict[str, Any], kind: str) -> None:
    made, child = trunk(net), carried(net)
    body = {"sub_ports": [{**child, **attributes}]}
    net.refused("PUT", f"/trunks/{made['id']}/add_subports", body, 400, kind)


def test_what_does_not_fit_or_is_disabled_is_refused(net: NetworkClient) -> None:
    small = net.port(net.network(mtu=1300)["id"])
    made = net.post("/trunks", {"trunk": {"port_id": small["id"]}})["trunk"]
    body = {"sub_ports": [carried(net)]}
    net.refused("PUT", f"/trunks/{made['id']}/add_subports", body, 409, "SubPortMtuGreaterThanTrunkPortMtu")
    net.put(f"/trunks/{made['id']}", {"trunk": {"admin_state_up": False}})
    net.refused("PUT", f"/trunks/{made['id']}/add_subports", body, 409, "TrunkDisabled")
    net.refused("DELETE", f"/trunks/{made['id']}", None, 409, "TrunkDisabled")
    net.refused("GET", f"/trunks/{made['id']}", None, 404, "TrunkNotFound", "other")


def test_trunks_count_in_the_quota(net: NetworkClient) -> None:
    net.put(f"/quotas/{net.api.project_id('demo')}", {"quota": {"trunk": 1, "force": True}}, "admin")
    made = trunk(net)
    port = net.port(net.network()["id"])
    net.refused("POST", "/trunks", {"trunk": {"port_id": port["id"]}}, 409, "OverQuota")
    net.delete(f"/trunks/{made['id']}")
    trunk(net)
