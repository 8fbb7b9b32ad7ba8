"""Subnets through the API: computed pools and gateways, DHCP ports, and every refusal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.network.conftest import NetworkClient


def test_gateway_and_pools_are_computed(net: NetworkClient) -> None:
    network = net.network()
    made = net.subnet(network["id"], "10.1.2.7/24", name="s")
    assert (made["cidr"], made["gateway_ip"], made["enable_dhcp"]) == ("10.1.2.0/24", "10.1.2.1", True)
    assert made["allocation_pools"] == [{"start": "10.1.2.2", "end": "10.1.2.254"}]
    middle = net.subnet(network["id"], "10.1.3.0/29", gateway_ip="10.1.3.3")
    assert middle["allocation_pools"] == [
        {"start": "10.1.3.1", "end": "10.1.3.2"}, {"start": "10.1.3.4", "end": "10.1.3.6"},
    ]  # fmt: skip
    without = net.subnet(network["id"], "10.1.4.0/29", gateway_ip=None, enable_dhcp=False)
    assert without["gateway_ip"] is None
    assert without["allocation_pools"] == [{"start": "10.1.4.1", "end": "10.1.4.6"}]
    assert set(net.get(f"/networks/{network['id']}")["network"]["subnets"]) == {
        made["id"], middle["id"], without["id"],
    }  # fmt: skip


def test_dhcp_has_a_port_with_an_address_per_subnet(net: NetworkClient) -> None:
    network = net.network()
    first, second = net.subnet(network["id"]), net.subnet(network["id"], "10.0.1.0/24")
    (dhcp,) = net.get("/ports?device_owner=network:dhcp")["ports"]
    assert (dhcp["device_id"], dhcp["status"]) == (f"dhcp-{network['id']}", "ACTIVE")
    assert {item["ip_address"] for item in dhcp["fixed_ips"]} == {"10.0.0.2", "10.0.1.2"}
    net.put(f"/subnets/{first['id']}", {"subnet": {"enable_dhcp": False}})
    assert [item["ip_address"] for item in net.get(f"/ports/{dhcp['id']}")["port"]["fixed_ips"]] == ["10.0.1.2"]
    net.refused("DELETE", f"/ports/{dhcp['id']}", None, 409, "ServicePortInUse")
    net.refused("PUT", f"/ports/{dhcp['id']}", {"port": {"fixed_ips": []}}, 409, "ServicePortInUse")
    net.delete(f"/subnets/{second['id']}")
    assert net.get("/ports")["ports"] == []


def test_update(net: NetworkClient) -> None:
    made = net.subnet(net.network()["id"])
    body = {
        "name": "x", "dns_nameservers": ["9.9.9.9", "2620:FE::9"], "gateway_ip": "10.0.0.254",
        "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}],
        "allocation_pools": [{"start": "10.0.0.50", "end": "10.0.0.60"}],
    }  # fmt: skip
    changed = net.put(f"/subnets/{made['id']}", {"subnet": body})["subnet"]
    assert {name: changed[name] for name in body} == {**body, "dns_nameservers": ["9.9.9.9", "2620:fe::9"]}
    assert net.put(f"/subnets/{made['id']}", {"subnet": {"gateway_ip": None}})["subnet"]["gateway_ip"] is None
    conflict = {"subnet": {"gateway_ip": "10.0.0.55"}}
    net.refused("PUT", f"/subnets/{made['id']}", conflict, 409, "GatewayConflictWithAllocationPools")
    net.refused("PUT", f"/subnets/{made['id']}", {"subnet": {"cidr": "10.5.0.0/24"}}, 400, "HTTPBadRequest")


@pytest.mark.parametrize(
    ("asked", "status", "kind"),
    [
        ({"cidr": "10.0.0.0/33"}, 400, "HTTPBadRequest"),
        ({"cidr": "10.0.0.0"}, 400, "HTTPBadRequest"),
        ({"cidr": "10.0.0.0/24\n"}, 400, "HTTPBadRequest"),
        ({"cidr": "2001:db8::/64"}, 400, "InvalidInput"),
        ({"cidr": "224.0.0.0/24"}, 400, "InvalidInput"),
        ({"cidr": "0.0.0.0/0"}, 400, "InvalidInput"),
        ({"cidr": "169.254.0.0/16"}, 400, "InvalidInput"),
        ({"cidr": "10.0.0.0/31"}, 400, "InvalidInput"),
        ({"ip_version": 5}, 400, "HTTPBadRequest"),
        ({"gateway_ip": "10.0.1.1"}, 400, "InvalidInput"),
        ({"gateway_ip": "10.0.0.255"}, 400, "InvalidInput"),
        ({"gateway_ip": "10.0.0.0"}, 400, "InvalidInput"),
        ({"gateway_ip": "10.0.0.9", "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.20"}]}, 409,
         "GatewayConflictWithAllocationPools"),
        ({"allocation_pools": [{"start": "10.0.0.9", "end": "10.0.0.2"}]}, 400, "InvalidAllocationPool"),
        ({"allocation_pools": [{"start": "10.0.0.9", "end": "10.0.1.2"}]}, 400, "OutOfBoundsAllocationPool"),
        ({"allocation_pools": [{"start": "10.0.0.5", "end": "10.0.0.9"}, {"start": "10.0.0.9", "end": "10.0.0.10"}]},
         409, "OverlappingAllocationPools"),
        ({"ipv6_ra_mode": "slaac"}, 400, "InvalidInput"),
        ({"dns_nameservers": ["dns.example"]}, 400, "HTTPBadRequest"),
        ({"dns_nameservers": [f"10.0.0.{n}" for n in range(6)]}, 400, "DNSNameServersExhausted"),
        ({"host_routes": [{"destination": "10.9.0.0/16", "nexthop": "fd00::1"}]}, 400, "InvalidInput"),
        ({"host_routes": [{"destination": f"10.{n}.0.0/16", "nexthop": "10.0.0.9"} for n in range(21)]}, 400,
         "HostRoutesExhausted"),
        ({"network_id": "00000000-0000-0000-0000-000000000000"}, 404, "NetworkNotFound"),
        ({"shared": True}, 400, "HTTPBadRequest"),
    ],
)  # fmt: skip
def test_refusals(net: NetworkClient, asked: dict[str, Any], status: int, kind: str) -> None:
    network = net.network()
    body = {"subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24", **asked}}
    net.refused("POST", "/subnets", body, status, kind)
    assert net.get("/subnets")["subnets"] == []


def test_overlap_is_refused_within_a_network_only(net: NetworkClient) -> None:
    network = net.network()
    net.subnet(network["id"])
    body = {"subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.128/25"}}
    assert "overlaps" in net.refused("POST", "/subnets", body, 400, "InvalidInput")
    net.subnet(net.network()["id"])


@pytest.mark.parametrize(
    ("cidr", "modes", "good"),
    [("2001:db8::/64", ("slaac", "slaac"), True), ("2001:db8::/64", (None, "dhcpv6-stateful"), True),
     ("2001:db8::/64", ("slaac", "dhcpv6-stateful"), False), ("2001:db8::/80", ("slaac", None), False)],
)  # fmt: skip
def test_ipv6_modes(net: NetworkClient, cidr: str, modes: tuple[str | None, str | None], good: bool) -> None:
    body = {"network_id": net.network()["id"], "ip_version": 6, "cidr": cidr, "ipv6_ra_mode": modes[0],
            "ipv6_address_mode": modes[1]}  # fmt: skip
    if good:
        assert net.post("/subnets", {"subnet": body})["subnet"]["gateway_ip"] == "2001:db8::1"
    else:
        net.refused("POST", "/subnets", {"subnet": body}, 400, "InvalidInput")


def test_a_subnet_with_ports_stays(net: NetworkClient) -> None:
    network = net.network()
    made = net.subnet(network["id"])
    port = net.port(network["id"])
    net.refused("DELETE", f"/subnets/{made['id']}", None, 409, "SubnetInUse")
    net.delete(f"/ports/{port['id']}")
    net.delete(f"/subnets/{made['id']}")
    net.refused("GET", f"/subnets/{made['id']}", None, 404, "SubnetNotFound")


def test_a_network_of_others_takes_no_subnets(net: NetworkClient) -> None:
    for network in (net.network("other"), net.network("admin", shared=True)):
        body = {"subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}}
        net.refused("POST", "/subnets", body, 404, "NetworkNotFound")


def test_a_tiny_subnet_works_without_dhcp(net: NetworkClient) -> None:
    network = net.network()
    pools = [{"start": "10.0.0.2", "end": "10.0.0.2"}]
    net.subnet(network["id"], "10.0.0.0/30", allocation_pools=pools, enable_dhcp=False)
    assert net.port(network["id"])["fixed_ips"][0]["ip_address"] == "10.0.0.2"
    body = {"port": {"network_id": network["id"]}}
    message = net.refused("POST", "/ports", body, 409, "IpAddressGenerationFailure")
    assert message == f"No more IP addresses available on network {network['id']}."
