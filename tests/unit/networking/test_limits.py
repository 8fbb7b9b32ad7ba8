"""What QoS rules become in the filters: limits and marks at the port's own tap, and nothing without rules."""

from __future__ import annotations

from typing import Any

from common.rpc.compute_v1 import PortSpec, QosSpec
from common.rpc.routers_v1 import Bandwidth, PacketRate
from compute_agent.networking import limits, names, plan
from tests.unit.networking.samples import network, port


def rules(*ports: PortSpec) -> list[dict[str, Any]]:
    indices = {each.id: number for number, each in enumerate(ports, start=1)}
    made = plan.build([network()], list(ports), [], indices=indices, zones={})
    return [command["add"]["rule"] for command in limits.build(made.ports).rules]


def test_limits_drop_what_is_beyond_them_in_either_direction() -> None:
    qos = QosSpec(egress=Bandwidth(kbit_per_s=8000), ingress=Bandwidth(kbit_per_s=800, burst_kbit=8000))
    out, back = rules(port(3, qos=qos))
    assert (out["chain"], back["chain"]) == ("from_ports", "to_ports")
    assert out["expr"][0]["match"]["left"] == {"meta": {"key": "iifname"}}
    assert out["expr"][0]["match"]["right"] == names.tap(port(3).id)
    limit = {"rate_unit": "bytes", "per": "second", "burst_unit": "bytes", "inv": True}
    assert out["expr"][1:] == [{"limit": {**limit, "rate": 1_000_000, "burst": 800_000}}, {"drop": None}]
    assert back["expr"][1:] == [{"limit": {**limit, "rate": 100_000, "burst": 1_000_000}}, {"drop": None}]


def test_a_burst_has_room_for_one_frame_of_a_guest() -> None:
    (rule,) = rules(port(3, qos=QosSpec(egress=Bandwidth(kbit_per_s=1))))
    assert rule["expr"][1]["limit"]["burst"] == limits.LOWEST_BURST_BYTES


def test_packets_are_limited_before_bytes() -> None:
    qos = QosSpec(egress=Bandwidth(kbit_per_s=8000), egress_packets=PacketRate(packets_per_s=1000, burst_packets=9))
    first, second = rules(port(3, qos=qos))
    assert first["expr"][1:] == [{"limit": {"rate": 1000, "per": "second", "burst": 9, "inv": True}}, {"drop": None}]
    assert second["expr"][1]["limit"]["rate_unit"] == "bytes"


def test_limits_beyond_what_nft_counts_are_as_high_as_it_can() -> None:
    """Else it would refuse the table, and with it the rules of every port of the node."""
    most = 2**31 - 1
    wide = Bandwidth(kbit_per_s=most, burst_kbit=most)
    many = PacketRate(packets_per_s=most * 1000, burst_packets=most * 1000)
    packets, octets = rules(port(3, qos=QosSpec(ingress=wide, ingress_packets=many)))
    for rule, rate in ((packets, limits.HIGHEST_RATE_PACKETS), (octets, limits.HIGHEST_RATE_BYTES)):
        assert (rule["expr"][1]["limit"]["rate"], rule["expr"][1]["limit"]["burst"]) == (rate, limits.HIGHEST_BURST)


def test_marks_are_put_on_both_versions() -> None:
    marked = rules(port(3, qos=QosSpec(dscp_mark=26)))
    assert [rule["expr"][1]["match"]["right"] for rule in marked] == ["ip", "ip6"]
    assert all(rule["expr"][2]["mangle"]["value"] == 26 for rule in marked)


def test_a_port_without_rules_is_left_alone() -> None:
    assert rules(port(3), port(4, qos=QosSpec())) == []
