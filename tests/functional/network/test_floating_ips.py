"""Floating IPs through the API: made, associated, moved and given back, and what nodes and servers show of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from api.compute.views import servers
from common.db import ports
from common.db.models import Node
from common.ids import new_id
from tests.functional.network.conftest import NetworkClient
from tests.functional.network.test_routers import add, router, state


@dataclass(frozen=True)
class Town:
    """demo's network behind a router to `outside`, with a gateway node and a port."""

    net: NetworkClient
    node_id: str
    outside_id: str
    router_id: str
    network_id: str
    subnet_id: str
    port: dict[str, Any]

    def float(self, as_: str = "demo", **attributes: Any) -> dict[str, Any]:
        wish = {"floating_network_id": self.outside_id, **attributes}
        made: dict[str, Any] = self.net.post("/floatingips", {"floatingip": wish}, as_)["floatingip"]
        return made

    def told(self) -> list[tuple[str, str]]:
        """What the node's router translates."""
        (spec,) = state(self.net, self.node_id).routers
        return [(each.address, each.fixed_address) for each in spec.floating]


@pytest.fixture
def town(net: NetworkClient, add_node: Callable[[str], str]) -> Town:
    node_id = add_node("gw")
    net.api.services.db.run(lambda session: setattr(session.get_one(Node, node_id), "is_gateway", True))
    outside = net.network("admin", **{"router:external": True})
    pool = [{"start": "172.24.4.10", "end": "172.24.4.99"}]
    net.subnet(outside["id"], "172.24.4.0/24", "admin", enable_dhcp=False, allocation_pools=pool)
    made = router(net, external_gateway_info={"network_id": outside["id"]})
    network = net.network()
    subnet = net.subnet(network["id"])
    add(net, made["id"], subnet_id=subnet["id"])
    port = net.port(network["id"])
    return Town(net, node_id, outside["id"], made["id"], network["id"], subnet["id"], port)


def test_one_is_made_for_nobody_and_given_back(town: Town) -> None:
    made = town.float(description="d")
    assert (made["status"], made["port_id"], made["router_id"], made["port_details"]) == ("DOWN", None, None, None)
    (port,) = town.net.get(f"/ports?device_id={made['id']}", "admin")["ports"]
    assert (port["device_owner"], port["project_id"]) == ("network:floatingip", "")
    assert port["fixed_ips"][0]["ip_address"] == made["floating_ip_address"]
    town.net.refused("DELETE", f"/ports/{port['id']}", None, 409, "ServicePortInUse", "admin")
    path = f"/floatingips/{made['id']}"
    town.net.refused("GET", path, None, 404, "FloatingIPNotFound", "other")
    assert town.net.put(path, {"floatingip": {"description": "e"}})["floatingip"]["description"] == "e"
    found = town.net.get(f"/floatingips?floating_ip_address={made['floating_ip_address']}")["floatingips"]
    assert [each["id"] for each in found] == [made["id"]]
    town.net.delete(path)
    town.net.refused("GET", path, None, 404, "FloatingIPNotFound")
    town.net.refused("GET", f"/ports/{port['id']}", None, 404, "PortNotFound", "admin")


def test_it_stands_for_a_port_moves_and_is_taken_away(town: Town) -> None:
    fixed = town.port["fixed_ips"][0]["ip_address"]
    made = town.float(port_id=town.port["id"])
    assert (made["fixed_ip_address"], made["router_id"], made["status"]) == (fixed, town.router_id, "ACTIVE")
    assert made["port_details"]["mac_address"] == town.port["mac_address"]
    assert town.told() == [(made["floating_ip_address"], fixed)]
    path = f"/floatingips/{made['id']}"
    other = town.net.port(town.network_id)
    moved = town.net.put(path, {"floatingip": {"port_id": other["id"]}})["floatingip"]
    assert moved["fixed_ip_address"] == other["fixed_ips"][0]["ip_address"]
    assert town.told() == [(made["floating_ip_address"], moved["fixed_ip_address"])]
    kept = town.net.put(path, {"floatingip": {"description": "still there"}})["floatingip"]
    assert kept["port_id"] == other["id"]
    assert town.net.put(path, {"floatingip": {}})["floatingip"]["port_id"] is None
    town.net.put(path, {"floatingip": {"port_id": other["id"]}})
    loose = town.net.put(path, {"floatingip": {"port_id": None}})["floatingip"]
    assert (loose["port_id"], loose["fixed_ip_address"], loose["router_id"], loose["status"]) == (
        None, None, None, "DOWN",
    )  # fmt: skip
    assert town.told() == []


def test_a_port_that_goes_or_changes_its_address_takes_the_association_away(town: Town) -> None:
    made = town.float(port_id=town.port["id"])
    path = f"/floatingips/{made['id']}"
    town.net.put(f"/ports/{town.port['id']}", {"port": {"fixed_ips": [{"ip_address": "10.0.0.77"}]}})
    assert town.net.get(path)["floatingip"]["port_id"] is None
    town.net.put(path, {"floatingip": {"port_id": town.port["id"]}})
    town.net.delete(f"/ports/{town.port['id']}")
    assert (town.net.get(path)["floatingip"]["port_id"], town.told()) == (None, [])


def test_what_it_holds_can_not_be_taken_from_under_it(town: Town) -> None:
    made = town.float(port_id=town.port["id"])
    path = f"/routers/{town.router_id}"
    body: dict[str, Any] = {"subnet_id": town.subnet_id}
    town.net.refused("PUT", f"{path}/remove_router_interface", body, 409, "RouterInterfaceInUseByFloatingIP")
    body = {"router": {"external_gateway_info": None}}
    town.net.refused("PUT", path, body, 409, "RouterExternalGatewayInUseByFloatingIp")
    town.net.delete(f"/floatingips/{made['id']}")
    assert town.told() == []
    town.net.put(path, body)


def test_a_fixed_address_has_one(town: Town) -> None:
    town.float(port_id=town.port["id"])
    second = {"floatingip": {"floating_network_id": town.outside_id, "port_id": town.port["id"]}}
    town.net.refused("POST", "/floatingips", second, 409, "FloatingIPPortAlreadyAssociated")
    assert len(town.net.get("/floatingips")["floatingips"]) == 1, "the refused one holds no address"


def test_the_address_must_be_one_that_a_router_joins_with_the_outside(town: Town) -> None:
    lonely = town.net.network()
    town.net.subnet(lonely["id"], "10.9.0.0/24")
    far = town.net.port(lonely["id"])
    wish: dict[str, Any] = {"floating_network_id": town.outside_id, "port_id": far["id"]}
    town.net.refused("POST", "/floatingips", {"floatingip": wish}, 404, "ExternalGatewayForFloatingIPNotFound")
    its_own = town.port["fixed_ips"][0]["ip_address"]
    another, third, fourth = [text for n in range(40, 44) if (text := f"10.0.0.{n}") != its_own][:3]
    for more in (
        {"port_id": town.port["id"], "fixed_ip_address": another},
        {"fixed_ip_address": another, "port_id": None},
        {"port_id": town.net.port(town.network_id, fixed_ips=[])["id"]},
        {"port_id": town.net.port(town.network_id, fixed_ips=[{"ip_address": text} for text in (third, fourth)])["id"]},
        {"floating_network_id": town.network_id, "port_id": None},
    ):
        town.net.refused("POST", "/floatingips", {"floatingip": wish | more}, 400, "BadRequest")
    wish["port_id"] = new_id()
    town.net.refused("POST", "/floatingips", {"floatingip": wish}, 404, "PortNotFound")


def test_a_certain_address_is_for_administrators(town: Town) -> None:
    wish = {"floating_network_id": town.outside_id, "floating_ip_address": "172.24.4.200"}
    town.net.refused("POST", "/floatingips", {"floatingip": wish}, 403, "PolicyNotAuthorized")
    made = town.net.post("/floatingips", {"floatingip": wish}, "admin")["floatingip"]
    assert made["floating_ip_address"] == "172.24.4.200"
    town.net.refused("POST", "/floatingips", {"floatingip": wish}, 409, "IpAddressAlreadyAllocated", "admin")


def test_strangers_ports_are_not_there(town: Town) -> None:
    theirs = {"floatingip": {"floating_network_id": town.outside_id, "port_id": town.port["id"]}}
    town.net.refused("POST", "/floatingips", theirs, 404, "PortNotFound", "other")


def test_those_that_stand_for_nothing_go_with_their_network(town: Town) -> None:
    loose = town.float()
    path = f"/networks/{town.outside_id}"
    town.net.refused("DELETE", path, None, 409, "NetworkInUse", "admin")
    assert town.net.get(f"/floatingips/{loose['id']}")["floatingip"]["id"] == loose["id"], "refused as a whole"
    town.net.put(f"/routers/{town.router_id}", {"router": {"external_gateway_info": None}})
    town.net.delete(path, "admin")
    town.net.refused("GET", f"/floatingips/{loose['id']}", None, 404, "FloatingIPNotFound")


def test_quota_counts_them(town: Town) -> None:
    town.net.put(f"/quotas/{town.net.api.project_id('demo')}", {"quota": {"floatingip": 1}}, "admin")
    made = town.float()
    wish = {"floatingip": {"floating_network_id": town.outside_id}}
    town.net.refused("POST", "/floatingips", wish, 409, "OverQuota")
    town.net.delete(f"/floatingips/{made['id']}")
    town.float()


def test_single_ports_are_forwarded(town: Town) -> None:
    made, fixed = town.float(), town.port["fixed_ips"][0]["ip_address"]
    path = f"/floatingips/{made['id']}/port_forwardings"
    wish: dict[str, Any] = {
        "protocol": "tcp", "external_port": 2222, "internal_port": 22, "internal_ip_address": fixed,
        "internal_port_id": town.port["id"],
    }  # fmt: skip
    one = town.net.post(path, {"port_forwarding": wish})["port_forwarding"]
    assert {key: one[key] for key in wish} == wish
    (spec,) = state(town.net, town.node_id).routers
    assert [(each.address, each.port, each.fixed_address, each.fixed_port) for each in spec.forwarded] == [
        (made["floating_ip_address"], 2222, fixed, 22)
    ]
    shown = town.net.get(f"/floatingips/{made['id']}")["floatingip"]
    assert (shown["status"], shown["router_id"], len(shown["port_forwardings"])) == ("ACTIVE", town.router_id, 1)
    town.net.refused("POST", path, {"port_forwarding": {**wish, "internal_port": 23}}, 400, "BadRequest")
    town.net.refused("POST", path, {"port_forwarding": {**wish, "external_port": 70000}}, 400, "HTTPBadRequest")
    town.net.refused("DELETE", f"/floatingips/{made['id']}", None, 409, "FipInUseByPortForwarding")
    whole = {"floatingip": {"port_id": town.port["id"]}}
    town.net.refused("PUT", f"/floatingips/{made['id']}", whole, 409, "FipInUseByPortForwarding")
    changed = town.net.put(f"{path}/{one['id']}", {"port_forwarding": {"external_port": 2223, "description": "d"}})
    assert changed["port_forwarding"]["external_port"] == 2223
    assert [each["id"] for each in town.net.get(f"{path}?external_port=2223")["port_forwardings"]] == [one["id"]]
    town.net.refused("GET", path, None, 404, "FloatingIPNotFound", "other")
    town.net.delete(f"{path}/{one['id']}")
    town.net.refused("GET", f"{path}/{one['id']}", None, 404, "PortForwardingNotFound")
    assert town.net.get(f"/floatingips/{made['id']}")["floatingip"]["router_id"] is None
    town.net.post(path, {"port_forwarding": wish})
    town.net.delete(f"/ports/{town.port['id']}")
    assert town.net.get(path)["port_forwardings"] == []
    assert state(town.net, town.node_id).routers[0].forwarded == []


def test_servers_show_it_beside_the_fixed_address(town: Town, add_instance: Callable[[str], str]) -> None:
    server_id = add_instance("demo")
    owner = {"device_id": server_id, "device_owner": "compute:nova"}
    town.net.put(f"/ports/{town.port['id']}", {"port": owner})
    made = town.float(port_id=town.port["id"])
    (shown,) = town.net.api.get(f"/compute/v2.1/servers/{server_id}/ips").json["addresses"].values()
    assert [each["addr"] for each in shown] == [town.port["fixed_ips"][0]["ip_address"], made["floating_ip_address"]]
    with town.net.api.services.db.read() as session:
        found = ports.info_for_instances(session, [server_id])[server_id]
    (extended,) = servers._addresses(found, extended=True).values()
    assert [each["OS-EXT-IPS:type"] for each in extended] == ["fixed", "floating"]
    assert {each["OS-EXT-IPS-MAC:mac_addr"] for each in extended} == {town.port["mac_address"]}
