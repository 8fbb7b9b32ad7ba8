"""Which port of a node a local IP leads to."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from common.rpc.compute_v1 import LocalIp, PortSpec
from compute_agent.networking import local_ips
from tests.unit.networking.samples import ISOLATED, port
from tests.unit.networking.test_filters import build

ONE, TWO = "10.88.0.200", "10.88.0.201"


def _led(number: int, *addresses: str, **rest: object) -> PortSpec:
    told = [LocalIp(ip_address=each, fixed_ip=f"10.88.0.{number}") for each in addresses]
    return port(number, local_ips=told, **rest)


@pytest.mark.parametrize(
    ("ports", "chosen"),
    [
        ([port(3)], []),
        ([_led(3, ONE, TWO), port(4)], [(1, 3, ONE), (2, 3, TWO)]),
        ([_led(3, ONE), _led(4, ONE)], [(1, 3, ONE)]),
        ([_led(3, ONE), _led(4, ONE, network_id=ISOLATED)], [(1, 3, ONE), (2, 4, ONE)]),
        ([_led(3, ONE, admin_up=False), _led(4, ONE)], [(1, 4, ONE)]),
    ],
    ids=["none", "two at one port", "the first of two ports", "the same in two networks", "none to a port that is off"],
)
def test_a_local_ip_leads_to_one_port(ports: list[PortSpec], chosen: list[tuple[int, int, str]]) -> None:
    made, _ = build(ports)
    found = [(each.number, int(each.port.id[:8], 16), str(each.address)) for each in local_ips.chosen(made)]
    assert found == chosen


def test_one_that_is_passed_through_is_the_guests_to_use() -> None:
    told = LocalIp(ip_address=ONE, fixed_ip="10.88.0.3", translate=False)
    made, _ = build([port(3, local_ips=[told])])
    assert [each.fixed for each in local_ips.chosen(made)] == [None]
    assert IPv4Address(ONE) in made.ports[0].addresses
    assert (made.ports[0].macs[0], ONE) in [(mac, str(each.network_address)) for mac, each in made.ports[0].sources]
