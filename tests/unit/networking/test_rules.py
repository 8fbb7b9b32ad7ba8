"""Security group rules: which are refused, what they become, and that the flow check means the same."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.filter_rules import Accept, Flow, RuleError, normalise, permits
from common.rpc.compute_v1 import FilterRule
from compute_agent.networking.rules import expressions
from tests.unit.networking.samples import ingress

texts = st.none() | st.text(max_size=12) | st.sampled_from(["tcp", "UDP", "icmp", "6", "112", "10.0.0.0/8", "::/0"])
numbers = st.none() | st.integers(-2, 70000)
any_rule = st.builds(
    FilterRule,
    direction=st.sampled_from(["ingress", "egress", "", "both"]),
    ethertype=st.sampled_from(["IPv4", "IPv6", "ipv4", "ARP", ""]),
    protocol=texts,
    port_min=numbers,
    port_max=numbers,
    remote_cidr=texts,
    remote_group=texts,
)


@settings(deadline=None)
@given(any_rule)
def test_any_rule_is_refused_or_becomes_plain_values(rule: FilterRule) -> None:
    """What a tenant typed never gets further than a parsed address, a number or a checked id."""
    try:
        accept = normalise(rule)
    except RuleError:
        return
    assert accept.version in (4, 6)
    assert accept.protocol is None or 0 <= accept.protocol <= 255
    assert accept.remote == "" or ipaddress.ip_network(accept.remote).version == accept.version
    for value in _texts(expressions(accept, "ingress")):
        assert value.isascii()
        assert value.isprintable()
        assert not set(value) & set("{};\"'$")


def _texts(tree: Any) -> list[str]:
    if isinstance(tree, str):
        return [tree]
    if isinstance(tree, dict):
        return [text for value in tree.values() for text in _texts(value)]
    return [text for each in tree for text in _texts(each)] if isinstance(tree, list) else []


@pytest.mark.parametrize(
    "rule",
    [
        ingress(protocol="112", port_min=1, port_max=2),
        ingress(protocol="tcp", port_min=22),
        ingress(protocol="tcp", port_min=23, port_max=22),
        ingress(protocol="tcp", port_min=0, port_max=65536),
        ingress(protocol="icmp", port_max=0),
        ingress(protocol="icmp", port_min=256),
        ingress(protocol="icmpv6"),
        ingress(port_min=1, port_max=2),
        ingress(protocol="256"),
        ingress(protocol="vrrp"),
        ingress(ethertype="ARP"),
        ingress(direction="sideways"),
        ingress(remote_cidr="fd00::/8"),
        ingress(remote_cidr="10.0.0.0/33"),
        ingress(ethertype="IPv6", remote_cidr="fe80::1%eth0/128"),
        ingress(remote_cidr="10.0.0.0/8", remote_group="group-1"),
        ingress(remote_group="group 1; flush ruleset"),
    ],
)
def test_rule_without_exact_meaning_is_refused(rule: FilterRule) -> None:
    with pytest.raises(RuleError):
        normalise(rule)


@pytest.mark.parametrize(
    ("rule", "accept"),
    [
        (ingress(), Accept(4, None, None, None, "", "")),
        (ingress(protocol="TCP", port_min=1, port_max=2), Accept(4, 6, 1, 2, "", "")),
        (ingress(protocol="6", remote_cidr="10.1.2.3/8"), Accept(4, 6, None, None, "10.0.0.0/8", "")),
        (ingress(remote_cidr="0.0.0.0/0"), Accept(4, None, None, None, "", "")),
        (ingress(ethertype="IPv6", protocol="icmp", port_min=128), Accept(6, 58, 128, None, "", "")),
        (ingress(protocol="any", remote_group="group-1"), Accept(4, None, None, None, "", "group-1")),
    ],
)
def test_normal_form(rule: FilterRule, accept: Accept) -> None:
    assert normalise(rule) == accept


MEMBERS = {"group-1": [ipaddress.ip_network("10.0.0.7/32")]}


@pytest.mark.parametrize(
    ("accept", "flow", "passes"),
    [
        (Accept(4, None, None, None, "", ""), Flow(17, ipaddress.ip_address("10.0.0.1"), 5, 5), True),
        (Accept(6, None, None, None, "", ""), Flow(17, ipaddress.ip_address("10.0.0.1"), 5, 5), False),
        (Accept(4, 6, 22, 23, "", ""), Flow(6, ipaddress.ip_address("10.0.0.1"), 23, 23), True),
        (Accept(4, 6, 22, 23, "", ""), Flow(6, ipaddress.ip_address("10.0.0.1"), 24, 24), False),
        (Accept(4, 6, 22, 23, "", ""), Flow(17, ipaddress.ip_address("10.0.0.1"), 23, 23), False),
        (Accept(4, 1, 8, None, "", ""), Flow(1, ipaddress.ip_address("10.0.0.1"), 8, 0), True),
        (Accept(4, 1, 8, 1, "", ""), Flow(1, ipaddress.ip_address("10.0.0.1"), 8, 0), False),
        (Accept(4, 6, None, None, "10.0.0.0/30", ""), Flow(6, ipaddress.ip_address("10.0.0.4"), 1, 1), False),
        (Accept(4, 6, None, None, "", "group-1"), Flow(6, ipaddress.ip_address("10.0.0.7"), 1, 1), True),
        (Accept(4, 6, None, None, "", "group-1"), Flow(6, ipaddress.ip_address("10.0.0.8"), 1, 1), False),
        (Accept(4, 6, None, None, "", "group-2"), Flow(6, ipaddress.ip_address("10.0.0.7"), 1, 1), False),
    ],
)
def test_permits(accept: Accept, flow: Flow, passes: bool) -> None:
    assert permits(accept, flow, dict(MEMBERS)) == passes
