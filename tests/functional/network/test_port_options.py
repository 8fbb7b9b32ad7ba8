"""What a port says beside addresses: DHCP options, a domain, a new MAC; lists by part of an address; agents' names."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from common.db import network_state
from common.rpc.compute_v1 import DhcpOption
from tests.functional.network.conftest import NetworkClient
from tests.functional.network.test_qos import bind, wanted


def test_dhcp_options_are_kept_merged_and_told_to_the_node(net: NetworkClient, add_node: Callable[[str], str]) -> None:
    network, node_id = net.network(dns_domain="blue.example."), add_node("n1")
    net.subnet(network["id"])
    options = [{"opt_name": "bootfile-name", "opt_value": "pxelinux.0"}, {"opt_name": "150", "opt_value": "192.0.2.1"}]
    port = net.port(network["id"], extra_dhcp_opts=options, dns_name="web")
    bind(net, port["id"], node_id)
    before = wanted(net, node_id)
    changes = [{"opt_name": "150", "opt_value": None}, {"opt_name": "tftp-server", "opt_value": "boot"}]
    changed = net.put(f"/ports/{port['id']}", {"port": {"extra_dhcp_opts": changes}})["port"]
    assert {each["opt_name"]: each["opt_value"] for each in changed["extra_dhcp_opts"]} == {
        "bootfile-name": "pxelinux.0",
        "tftp-server": "boot",
    }
    assert wanted(net, node_id) > before
    with net.api.services.db.read() as session:
        (spec,) = network_state.for_node(session, node_id).ports
    assert spec.dhcp_options == [
        DhcpOption(name="bootfile-name", value="pxelinux.0"),
        DhcpOption(name="tftp-server", value="boot"),
    ]
    assert (spec.hostname, spec.domain) == ("web", "blue.example.")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no-such-option", "x"),
        ("0", "x"),
        ("255", "x"),
        ("bootfile-name", "a\nb"),
        ("bootfile-name", ""),
        ("Router", "x"),
    ],
)
def test_options_that_no_node_could_serve_are_refused(net: NetworkClient, name: str, value: str) -> None:
    body = {"port": {"network_id": net.network()["id"], "extra_dhcp_opts": [{"opt_name": name, "opt_value": value}]}}
    net.refused("POST", "/ports", body, 400, "HTTPBadRequest")


def test_a_port_gets_a_new_mac(net: NetworkClient) -> None:
    port = net.port(net.network()["id"], mac_address="fa:16:3e:00:00:01")
    changed = net.put(f"/ports/{port['id']}", {"port": {"mac_address": None}})["port"]
    assert changed["mac_address"] not in ("", port["mac_address"])
    assert net.get("/ports?mac_address=" + changed["mac_address"].upper())["ports"][0]["id"] == port["id"]


def test_ports_are_found_by_part_of_an_address(net: NetworkClient) -> None:
    network = net.network()
    net.subnet(network["id"], "10.0.0.0/24")
    first = net.port(network["id"], fixed_ips=[{"ip_address": "10.0.0.77"}])
    net.port(network["id"], fixed_ips=[{"ip_address": "10.0.0.88"}])
    for query in (
        "ip_address_substr=.77",
        "ip_address=10.0.0.77",
        "ip_address_substr=0.7&fixed_ips=ip_address_substr=7",
    ):
        found = net.get(f"/ports?fixed_ips={query}")["ports"]
        assert first["id"] in [each["id"] for each in found]
    assert net.get("/ports?fixed_ips=ip_address_substr=.99")["ports"] == []


def test_lists_since_a_time(net: NetworkClient) -> None:
    made = net.network()
    assert [each["id"] for each in net.get(f"/networks?changed_since={made['updated_at']}")["networks"]] == [made["id"]]
    assert net.get("/networks?changed_since=2999-01-01T00:00:00Z")["networks"] == []
    net.refused("GET", "/networks?changed_since=yesterday", None, 400, "InvalidInput")


def test_an_auto_subnet_goes_with_the_addresses_in_it(net: NetworkClient) -> None:
    network = net.network()
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    subnet = net.subnet(network["id"], "2001:db8::/64", **modes)
    port = net.port(network["id"])
    assert port["fixed_ips"][0]["subnet_id"] == subnet["id"]
    net.delete(f"/subnets/{subnet['id']}")
    assert net.get(f"/ports/{port['id']}")["port"]["fixed_ips"] == []


def test_a_network_is_not_smaller_than_its_subnets_need(net: NetworkClient) -> None:
    network = net.network(mtu=1280)
    net.subnet(network["id"], "2001:db8::/64")
    net.refused("PUT", f"/networks/{network['id']}", {"network": {"mtu": 1279}}, 409, "NetworkMTUSubnetConflict")
    small = net.network(mtu=1279)
    body = {"subnet": {"network_id": small["id"], "cidr": "2001:db8::/64", "ip_version": 6}}
    net.refused("POST", "/subnets", body, 409, "NetworkMTUSubnetConflict")


def test_the_way_back_from_behind_the_last_page(net: NetworkClient) -> None:
    names = [net.network(name=name)["name"] for name in ("a", "b")]
    page = net.get("/networks?sort_key=name&limit=2")
    links = {each["rel"]: each["href"] for each in page["networks_links"]}
    behind = net.get("/networks?" + links["next"].split("?", 1)[1])
    assert behind["networks"] == []
    (back,) = behind["networks_links"]
    assert back["rel"] == "previous"
    before = net.get("/networks?" + back["href"].split("?", 1)[1])["networks"]
    assert [each["name"] for each in before] == names


def test_an_agent_is_described_but_not_taken_out(net: NetworkClient, add_node: Callable[[str], str]) -> None:
    path = f"/agents/{add_node('n1')}"
    assert net.put(path, {"agent": {"description": "rack 7"}}, "admin")["agent"]["description"] == "rack 7"
    net.refused("PUT", path, {"agent": {"admin_state_up": False}}, 409, "HTTPConflict", "admin")
    net.refused("PUT", path, {"agent": {"description": "x"}}, 403, "PolicyNotAuthorized")
