"""dnsmasq's files: what they say, and that nothing typed by a tenant can say more (NET-05)."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.rpc.compute_v1 import DhcpOption, FixedAddress, Neighbour, NetworkSpec, PortSpec, SubnetSpec
from common.rpc.routers_v1 import DhcpRoute
from compute_agent.networking import dnsmasq
from tests.unit.networking.samples import NETWORK, network, port

WHERE = dnsmasq.daemon(Path("/run/cumulet/networking"), NETWORK)
RESOLVER = dnsmasq.Resolver(domain="cumulet.internal", upstreams=("192.0.2.53",))
hostile = st.text(max_size=40) | st.sampled_from(["a\nserver=6.6.6.6", "a,b", "a b", "-a", "a#", "é", "a\x00", ""])


def render(spec: NetworkSpec | None = None, ports: list[PortSpec] | None = None) -> dnsmasq.Files:
    return dnsmasq.render(WHERE, spec or network(), ports or [], RESOLVER)


def test_hosts_and_names() -> None:
    files = render(ports=[port(4), port(3)])
    assert files.dhcp_hosts == "fa:16:3e:00:00:03,10.88.0.3,guest-3\nfa:16:3e:00:00:04,10.88.0.4,guest-4\n"
    assert files.names.splitlines()[0] == "10.88.0.3 guest-3.cumulet.internal guest-3"


def test_servers_on_other_nodes_have_names_but_no_leases() -> None:
    elsewhere = Neighbour(network_id=NETWORK, hostname="far", addresses=["10.88.0.9"])
    files = dnsmasq.render(WHERE, network(), [port(3)], RESOLVER, [elsewhere])
    assert files.names.splitlines()[-1] == "10.88.0.9 far.cumulet.internal far"
    assert "10.88.0.9" not in files.dhcp_hosts
    hostile_name = Neighbour(network_id=NETWORK, hostname="a\nserver=6.6.6.6", addresses=["10.88.0.9"])
    with pytest.raises(ValueError, match="is not a host name"):
        dnsmasq.render(WHERE, network(), [], RESOLVER, [hostile_name])


def test_options_of_a_port_are_for_it_alone() -> None:
    options = [DhcpOption(name="bootfile-name", value="a b"), DhcpOption(name="23", value="fd00::1", ip_version=6)]
    files = render(ports=[port(3, dhcp_options=options), port(4)])
    tag = f"port-{port(3).id.replace('-', '')}"
    assert files.dhcp_options.splitlines() == [f"tag:{tag},option:bootfile-name,a b", f"tag:{tag},option6:23,fd00::1"]
    assert files.dhcp_hosts.splitlines()[0] == f"fa:16:3e:00:00:03,set:{tag},10.88.0.3,guest-3"
    assert tag not in files.dhcp_hosts.splitlines()[1]
    assert "dhcp-optsfile=/run/cumulet/networking/" in files.config
    for name, value in (("bootfile-name", "a\nserver=6.6.6.6"), ("no-such", "x"), ("a,b", "x")):
        with pytest.raises(ValueError, match="can't be served"):
            render(ports=[port(3, dhcp_options=[DhcpOption(name=name, value=value)])])


def test_a_ports_own_domain_is_known_too() -> None:
    elsewhere = Neighbour(network_id=NETWORK, hostname="far", addresses=["10.88.0.9"], domain="blue.example.")
    files = dnsmasq.render(WHERE, network(), [port(3, domain="red.example")], RESOLVER, [elsewhere])
    assert files.names.splitlines() == [
        "10.88.0.3 guest-3.cumulet.internal guest-3 guest-3.red.example",
        "10.88.0.9 far.cumulet.internal far far.blue.example",
    ]


def test_options_of_a_subnet() -> None:
    subnet = SubnetSpec(
        id="s4", cidr="10.88.0.0/24", ip_version=4, gateway_ip="10.88.0.1", dhcp_ip="10.88.0.2",
        dns_nameservers=["192.0.2.1"], host_routes=[DhcpRoute(destination="10.9.0.0/16", nexthop="10.88.0.9")],
    )  # fmt: skip
    lines = render(network(subnets=[subnet])).config.splitlines()
    assert "dhcp-range=set:subnet0,10.88.0.0,static,255.255.255.0,86400" in lines
    assert "dhcp-option=tag:subnet0,option:router,10.88.0.1" in lines
    assert "dhcp-option=tag:subnet0,option:dns-server,192.0.2.1" in lines
    assert (
        "dhcp-option=tag:subnet0,option:classless-static-route,"
        "169.254.169.254/32,10.88.0.2,10.9.0.0/16,10.88.0.9,0.0.0.0/0,10.88.0.1"
    ) in lines
    assert "dhcp-option-force=option:mtu,1450" in lines
    assert "server=192.0.2.53" in lines


def test_where_the_gateway_is_elsewhere_guests_ask_resolvers_themselves() -> None:
    lines = render(network(nat=False, gateway_elsewhere=True)).config.splitlines()
    assert "dhcp-option=tag:subnet0,option:dns-server,10.88.0.2,192.0.2.53" in lines
    assert not any(line.startswith("server=") for line in lines)


def test_without_gateway_no_router_is_named() -> None:
    subnet = SubnetSpec(id="s4", cidr="10.88.0.0/24", ip_version=4, dhcp_ip="10.88.0.2")
    config = render(network(subnets=[subnet])).config
    assert "dhcp-option=tag:subnet0,option:router\n" in config
    assert "0.0.0.0/0" not in config


@pytest.mark.parametrize(
    ("mode", "written"),
    [("slaac", "ra-only"), ("dhcpv6-stateless", "ra-stateless"), ("dhcpv6-stateful", "static"), (None, None)],
)
def test_ipv6_modes(mode: str | None, written: str | None) -> None:
    subnet = SubnetSpec(
        id="s6", cidr="fd88::/64", ip_version=6, dhcp_ip="fd88::2", ipv6_ra_mode=mode, ipv6_address_mode=mode
    )
    guest = port(3, addresses=[FixedAddress(subnet_id="s6", ip_address="fd88::3")])
    files = render(network(subnets=[subnet]), [guest])
    assert ("enable-ra" in files.config) == (mode is not None)
    assert written is None or f"fd88::,{written},64" in files.config
    assert ("[fd88::3]" in files.dhcp_hosts) == (mode == "dhcpv6-stateful")
    assert "fd88::3 guest-3.cumulet.internal" in files.names


@settings(deadline=None)
@given(hostile, hostile, hostile)
def test_port_is_refused_or_reads_back_as_it_was(name: str, mac: str, address: str) -> None:
    guest = port(3, hostname=name, mac_address=mac, addresses=[FixedAddress(subnet_id="s4", ip_address=address)])
    try:
        files = render(ports=[guest])
    except ValueError:
        return
    (line,) = files.dhcp_hosts.splitlines()
    assert line.split(",")[:2] == [mac.lower(), str(ipaddress.ip_address(address))]


@settings(deadline=None)
@given(hostile)
def test_host_name_is_refused_or_one_field(name: str) -> None:
    try:
        files = render(ports=[port(3, hostname=name)])
    except ValueError:
        return
    expected = ["fa:16:3e:00:00:03", "10.88.0.3"] + ([name.lower()] if name else [])
    assert files.dhcp_hosts == ",".join(expected) + "\n"
    assert files.names.splitlines() == ([f"10.88.0.3 {name.lower()}.cumulet.internal {name.lower()}"] if name else [])


@settings(deadline=None)
@given(hostile, hostile, hostile, hostile)
def test_subnet_is_refused_or_its_lines_are_as_many_as_ever(one: str, two: str, three: str, four: str) -> None:
    plain = len(render().config.splitlines())
    subnet = SubnetSpec(
        id="s4", cidr="10.88.0.0/24", ip_version=4, gateway_ip=one or None, dhcp_ip="10.88.0.2",
        dns_nameservers=[two], host_routes=[DhcpRoute(destination=three, nexthop=four)],
    )  # fmt: skip
    try:
        lines = render(network(subnets=[subnet])).config.splitlines()
    except ValueError:
        return
    assert len(lines) == plain


@settings(deadline=None)
@given(hostile)
def test_domain_is_refused_or_labels(text: str) -> None:
    try:
        own = dnsmasq.domain(text)
    except ValueError:
        return
    assert own == text.rstrip(".").lower()
    assert own.isascii()
    assert not set(own) & set("\n, #/")


def test_folder_with_a_comma_is_refused() -> None:
    with pytest.raises(ValueError, match="folder"):
        dnsmasq.render(dnsmasq.daemon(Path("/run/a,b"), NETWORK), network(), [], RESOLVER)
