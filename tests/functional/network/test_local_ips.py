"""Local IPs through the API: whose address they are, which ports they lead to, and what nodes are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from common.db.models import Port
from common.rpc.compute_v1 import LocalIp
from tests.functional.network.conftest import NetworkClient
from tests.functional.network.test_routers import state

CIDR = "10.9.0.0/24"


@pytest.fixture
def network(net: NetworkClient) -> dict[str, Any]:
    made = net.network()
    net.subnet(made["id"], CIDR)
    return made


def local_ip(net: NetworkClient, **wish: Any) -> dict[str, Any]:
    body: dict[str, Any] = net.post("/local_ips", {"local_ip": wish})["local_ip"]
    return body


def port(net: NetworkClient, network: dict[str, Any], **wish: Any) -> dict[str, Any]:
    body: dict[str, Any] = net.post("/ports", {"port": {"network_id": network["id"], **wish}})["port"]
    return body


def lead(net: NetworkClient, made: dict[str, Any], **wish: Any) -> dict[str, Any]:
    path = f"/local_ips/{made['id']}/port_associations"
    body: dict[str, Any] = net.post(path, {"port_association": wish})["port_association"]
    return body


def test_one_in_a_network_has_a_port_of_its_own(net: NetworkClient, network: dict[str, Any]) -> None:
    made = local_ip(net, network_id=network["id"], name="near", local_ip_address="10.9.0.77")
    assert (made["local_ip_address"], made["ip_mode"], made["network_id"]) == ("10.9.0.77", "translate", network["id"])
    holder = net.get(f"/ports/{made['local_port_id']}")["port"]
    assert (holder["device_owner"], holder["device_id"]) == ("network:local_ip", made["id"])
    net.refused("DELETE", f"/ports/{holder['id']}", None, 409, "ServicePortInUse")
    net.refused("PUT", f"/ports/{holder['id']}", {"port": {"fixed_ips": []}}, 409, "ServicePortInUse")
    taken = {"local_ip": {"network_id": network["id"], "local_ip_address": "10.9.0.77"}}
    net.refused("POST", "/local_ips", taken, 409, "IpAddressAlreadyAllocated")
    renamed = net.put(f"/local_ips/{made['id']}", {"local_ip": {"name": "nearer"}})["local_ip"]
    assert (renamed["name"], renamed["revision_number"]) == ("nearer", 1)
    assert [each["id"] for each in net.get("/local_ips?name=nearer")["local_ips"]] == [made["id"]]
    assert net.get("/local_ips", "other")["local_ips"] == []
    net.delete(f"/local_ips/{made['id']}")
    net.refused("GET", f"/ports/{holder['id']}", None, 404, "PortNotFound")


def test_one_at_a_port_leaves_the_port_to_its_owner(net: NetworkClient, network: dict[str, Any]) -> None:
    mine = port(net, network, fixed_ips=[{"ip_address": "10.9.0.5"}, {"ip_address": "10.9.0.6"}])
    for wish, kind in (
        ({}, "LocalIPNoRequestedIP"),
        ({"local_ip_address": "10.9.0.7"}, "LocalIPRequestedIPNotFound"),
    ):
        wrong = {"local_ip": {"local_port_id": mine["id"], **wish}}
        net.refused("POST", "/local_ips", wrong, 400, kind)
    net.refused("POST", "/local_ips", {"local_ip": {}}, 400, "LocalIPPortOrNetworkRequired")
    bare = port(net, network, fixed_ips=[])
    net.refused("POST", "/local_ips", {"local_ip": {"local_port_id": bare["id"]}}, 400, "LocalIPNoIP")
    made = local_ip(net, local_port_id=mine["id"], local_ip_address="10.9.0.6")
    assert made["network_id"] == network["id"]
    net.refused("DELETE", f"/ports/{mine['id']}", None, 409, "ServicePortInUse")
    net.delete(f"/local_ips/{made['id']}")
    assert net.get(f"/ports/{mine['id']}")["port"]["id"] == mine["id"]


def test_ipv6_has_none(net: NetworkClient) -> None:
    six = net.network()
    net.subnet(six["id"], "2001:db8:9::/64")
    net.refused("POST", "/local_ips", {"local_ip": {"network_id": six["id"]}}, 400, "BadRequest")
    held = {"local_ip": {"local_port_id": port(net, six)["id"]}}
    net.refused("POST", "/local_ips", held, 400, "InvalidInput")


def test_ports_it_leads_to(net: NetworkClient, network: dict[str, Any]) -> None:
    made = local_ip(net, network_id=network["id"])
    first, second = port(net, network), port(net, network)
    path = f"/local_ips/{made['id']}/port_associations"
    one = lead(net, made, fixed_port_id=first["id"])
    assert one == {
        "local_ip_id": made["id"], "local_ip_address": made["local_ip_address"], "fixed_port_id": first["id"],
        "fixed_ip": first["fixed_ips"][0]["ip_address"], "host": "",
    }  # fmt: skip
    again = {"port_association": {"fixed_port_id": first["id"]}}
    net.refused("POST", path, again, 409, "LocalIPAssociationExists")
    lead(net, made, fixed_port_id=second["id"])
    assert len(net.get(path)["port_associations"]) == 2
    assert [each["fixed_port_id"] for each in net.get(f"{path}?fixed_port_id={second['id']}")["port_associations"]] == [
        second["id"]
    ]
    assert net.get(f"{path}/{first['id']}")["port_association"] == one
    net.refused("DELETE", f"/local_ips/{made['id']}", None, 409, "LocalIPInUse")
    net.delete(f"{path}/{first['id']}")
    net.refused("GET", f"{path}/{first['id']}", None, 404, "LocalIPAssociationNotFound")
    net.delete(f"/ports/{second['id']}")
    assert net.get(path)["port_associations"] == [], "a port that goes is led to no more"
    net.delete(f"/local_ips/{made['id']}")


def test_ports_of_another_network_or_project_are_refused(net: NetworkClient, network: dict[str, Any]) -> None:
    made = local_ip(net, network_id=network["id"])
    path = f"/local_ips/{made['id']}/port_associations"
    elsewhere = net.network()
    net.subnet(elsewhere["id"], CIDR)
    far = {"port_association": {"fixed_port_id": port(net, elsewhere)["id"]}}
    net.refused("POST", path, far, 400, "BadRequest")
    shared = net.network("admin", shared=True)
    net.subnet(shared["id"], "10.10.0.0/24", "admin")
    theirs = net.post("/ports", {"port": {"network_id": shared["id"]}}, "other")["port"]
    net.refused("POST", "/local_ips", {"local_ip": {"local_port_id": theirs["id"]}}, 404, "PortNotFound")


def test_the_node_of_the_port_is_told(
    net: NetworkClient, network: dict[str, Any], add_node: Callable[[str], str]
) -> None:
    near, far = add_node("near"), add_node("far")
    led = port(net, network)

    def bind(session: Any) -> None:
        session.get_one(Port, led["id"]).binding_node_id = near

    net.api.services.db.run(bind)
    made = local_ip(net, network_id=network["id"], ip_mode="passthrough")
    before = state(net, near).version, state(net, far).version
    assert lead(net, made, fixed_port_id=led["id"])["host"] == "near"
    assert (state(net, near).version > before[0], state(net, far).version > before[1]) == (True, False)
    fixed = led["fixed_ips"][0]["ip_address"]
    (told,) = state(net, near).ports
    assert told.local_ips == [LocalIp(ip_address=made["local_ip_address"], fixed_ip=fixed, translate=False)]
    net.put(f"/ports/{led['id']}", {"port": {"fixed_ips": [{"ip_address": "10.9.0.200"}]}})
    assert state(net, near).ports[0].local_ips == [], "the address it led to is not the port's any more"
    version = state(net, near).version
    net.delete(f"/local_ips/{made['id']}/port_associations/{led['id']}")
    assert state(net, near).version > version
