"""A router's tables against golden copies, which translations a flow may bear, and what the filters see of a router."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from common import physical_networks
from common.errors import ConfigError
from common.rpc.compute_v1 import (
    FloatingAddress,
    ForwardedPort,
    MeteringLabel,
    MeteringRule,
    NetworkSpec,
    NetworkState,
    RouterInterface,
    RouterSpec,
)
from compute_agent.networking import announce, links, nft, plan, router_flows, router_meter, router_tables, state

GOLDEN = Path(__file__).parents[2] / "golden" / "nft"
INSIDE = RouterInterface(
    port_id="a1b2c3d4-0000-4000-8000-000000000001", network_id="a1b2c3d4-0000-4000-8000-00000000000a",
    mac_address="fa:16:3e:00:00:01", mtu=1450, addresses=["10.0.0.1/24"],
)  # fmt: skip
OUTSIDE = RouterInterface(
    port_id="b1b2c3d4-0000-4000-8000-000000000001", network_id="b1b2c3d4-0000-4000-8000-00000000000a",
    mac_address="fa:16:3e:00:00:02", mtu=1450, addresses=["172.24.4.7/24", "2001:db8::7/64"],
)  # fmt: skip
FLOATING = [FloatingAddress(address="172.24.4.20", fixed_address="10.0.0.5")]
FORWARDED = [ForwardedPort(address="172.24.4.21", protocol="tcp", port=2222, fixed_address="10.0.0.6", fixed_port=22)]
LONELY = RouterSpec(id="c1b2c3d4-0000-4000-8000-000000000001", interfaces=[INSIDE])
WHOLE = msgspec.structs.replace(
    LONELY, gateway=OUTSIDE, gateway_ips=["172.24.4.1"], floating=FLOATING, forwarded=FORWARDED
)
METERED = [
    MeteringLabel(
        id="e1b2c3d4-0000-4000-8000-000000000001",
        rules=[
            MeteringRule(direction="ingress", excluded=True, remote="192.0.2.9/32"),
            MeteringRule(direction="ingress", remote="192.0.2.0/24"),
            MeteringRule(direction="egress", source="fd00::/64", destination="::/0"),
        ],
    )
]
CASES = {
    "router_metered": msgspec.structs.replace(WHOLE, metering=METERED),
    "router": WHOLE,
    "router_alone": LONELY,
    "router_untranslated": msgspec.structs.replace(WHOLE, source_nat=False),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_tables_are_the_golden_ones(name: str) -> None:
    commands = nft.transaction(router_tables.build(CASES[name]), [])
    path = GOLDEN / f"{name}.json"
    if os.environ.get("CUMULET_UPDATE_GOLDEN"):
        path.write_text("[\n" + ",\n".join(json.dumps(each) for each in commands) + "\n]\n")
    assert json.loads(path.read_text()) == json.loads(json.dumps(commands))


@pytest.mark.parametrize(
    ("asked", "answered", "permitted"),
    [
        (("10.0.0.9", "10.0.1.9"), ("10.0.1.9", "10.0.0.9"), True),  # between two networks
        (("10.0.0.9", "192.0.2.1"), ("192.0.2.1", "172.24.4.7"), True),
        (("10.0.0.5", "192.0.2.1"), ("192.0.2.1", "172.24.4.20"), True),
        (("10.0.0.5", "192.0.2.1"), ("192.0.2.1", "172.24.4.7"), False),  # it has an address of its own now
        (("10.0.0.5", "192.0.2.1"), ("192.0.2.1", "172.24.4.99"), False),
        (("192.0.2.1", "172.24.4.20"), ("10.0.0.5", "192.0.2.1"), True),
        (("192.0.2.1", "172.24.4.20"), ("10.0.0.8", "192.0.2.1"), False),  # it led elsewhere
        (("192.0.2.1", "172.24.4.21"), ("10.0.0.6", "192.0.2.1"), True),
        (("10.0.0.9", "172.24.4.20"), ("10.0.0.5", "172.24.4.7"), True),  # a neighbour by the floating address
    ],
)
def test_flows_live_by_the_translations_there_are(
    asked: tuple[str, str], answered: tuple[str, str], permitted: bool
) -> None:
    assert router_flows.translations(WHOLE).permit(asked, answered) == permitted


def test_without_source_nat_the_gateway_address_is_for_neighbours_only() -> None:
    now = router_flows.translations(CASES["router_untranslated"])
    assert not now.permit(("10.0.0.9", "192.0.2.1"), ("192.0.2.1", "172.24.4.7"))
    assert now.permit(("10.0.0.9", "172.24.4.20"), ("10.0.0.5", "172.24.4.7"))


def test_filters_see_a_router_as_open_ports_reachable_at_the_floating_addresses() -> None:
    inside, outside = state.router_ports([WHOLE])
    assert (inside.port_security, [each.ip_address for each in inside.addresses]) == (False, ["10.0.0.1"])
    assert [each.ip_address for each in outside.address_pairs] == ["172.24.4.20", "172.24.4.21"]
    assert inside.address_pairs == []


def test_a_network_stays_for_its_router_when_its_last_guest_goes() -> None:
    networks = [NetworkSpec(id=each.network_id, vni=1, mtu=1450) for each in (INSIDE, OUTSIDE)]
    guest = msgspec.structs.replace(state.router_ports([LONELY])[0], instance_id="guest")
    given = NetworkState(version=1, networks=networks, ports=[guest], routers=[WHOLE])
    assert state.without_instance(given, "guest").networks == networks
    alone = msgspec.structs.replace(given, routers=[])
    assert [each.id for each in state.without_instance(alone, "guest").networks] == [OUTSIDE.network_id]


def test_an_announcement_is_a_request_for_the_own_address() -> None:
    frame = announce.frame("fa:16:3e:00:00:01", "172.24.4.20")
    assert frame[:14] == b"\xff" * 6 + bytes.fromhex("fa163e000001") + b"\x08\x06"
    assert frame[28:32] == frame[38:42] == bytes([172, 24, 4, 20])


@pytest.mark.parametrize(("vlan_id", "uplink"), [(0, "eth1"), (17, "cmlvl-b1b2c3d4")])
def test_physical_networks_are_joined_by_their_device_or_a_tagging_one_on_it(vlan_id: int, uplink: str) -> None:
    spec = NetworkSpec(id=OUTSIDE.network_id, vni=1, mtu=1450, physical_network="physnet1", vlan_id=vlan_id)
    devices = physical_networks.devices("physnet1:eth1, physnet2:none")
    assert devices == {"physnet1": "eth1", "physnet2": ""}
    assert plan.uplink(spec, devices) == uplink
    assert plan.uplink(msgspec.structs.replace(spec, physical_network="physnet2"), devices) == ""
    assert links.vlan_facts(3, 17) == {"kind": "vlan", "link": 3, "vlan_id": 17}


@pytest.mark.parametrize("text", ["physnet1:eth1,physnet1:eth2", ":eth1", "a b:eth1", "x:device-name-too-long"])
def test_names_of_physical_networks_are_checked(text: str) -> None:
    with pytest.raises(ConfigError, match="physical_networks"):
        physical_networks.devices(text)


def test_counts_are_read_by_label() -> None:
    router = CASES["router_metered"]
    name = router_meter.counter(METERED[0].id)
    held = {"family": "inet", "table": router_meter.METER, "packets": 3, "bytes": 252}
    listed = [{"metainfo": {}}, {"counter": {**held, "name": name}}, {"counter": {**held, "name": "another"}}]
    assert router_meter.counts(router, listed) == [router_meter.Count(router.id, METERED[0].id, 3, 252)]
