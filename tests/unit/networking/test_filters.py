"""The nft trees, against golden copies, and what must hold for any plan.

A golden copy is written anew with CUMULET_UPDATE_GOLDEN=1 and read by a person before it is kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.rpc.compute_v1 import AddressPair, FixedAddress, GroupMembers, PortSpec
from compute_agent.networking import filters, nft, plan
from tests.unit.networking.samples import ISOLATED, NETWORK, egress, ingress, network, port

GOLDEN = Path(__file__).parents[2] / "golden" / "nft"


SURROUNDINGS = plan.Surroundings(underlay=("10.99.0.0/24",), resolvers=("10.99.0.53",))


def build(
    ports: list[PortSpec], groups: list[GroupMembers] | None = None, *, gateway: bool = True
) -> tuple[plan.FilterPlan, list[Any]]:
    main = network(peers=["10.99.0.12"], nat=gateway, gateway_elsewhere=not gateway)
    networks = [main, network(nat=False, id=ISOLATED, subnets=[])]
    indices = {each.id: number for number, each in enumerate(ports, start=1)}
    made = plan.build(
        networks, ports, groups or [], indices=indices, zones={NETWORK: 1, ISOLATED: 2}, surroundings=SURROUNDINGS
    )
    return made, nft.transaction(filters.build(made), listed=[])


CASES = {
    "no_ports": ([], []),
    "rules": (
        [
            port(
                3,
                rules=[
                    egress(),
                    egress(ethertype="IPv6"),
                    ingress(protocol="tcp", port_min=22, port_max=22),
                    ingress(protocol="17", port_min=5000, port_max=5010, remote_cidr="192.0.2.7/24"),
                    ingress(protocol="icmp", port_min=8, port_max=0),
                    ingress(protocol="icmp", ethertype="IPv6", port_min=128),
                    ingress(protocol="112"),
                    ingress(protocol="132", port_min=1, port_max=2),
                    ingress(remote_group="group-1"),
                ],
            ),
            port(4),
            port(5, rules=[egress()], stateful=False),
        ],
        [GroupMembers(id="group-1", addresses=["10.88.0.3", "10.88.0.4", "10.88.0.5", "fd00::5"])],
    ),
    "kinds_of_port": (
        [
            port(3, rules=[egress()]),
            port(4, rules=[egress(), ingress(protocol="112", port_min=1, port_max=2)]),
            port(5, port_security=False),
            port(6, admin_up=False),
            port(
                7,
                address_pairs=[
                    AddressPair(ip_address="10.88.0.200/30", mac_address=""),
                    AddressPair(ip_address="10.88.0.9", mac_address="fa:16:3e:00:00:99"),
                    AddressPair(ip_address="0.0.0.0/0", mac_address="fa:16:3e:00:00:98"),
                    AddressPair(ip_address="fd00:1::/64", mac_address=""),
                ],
            ),
            port(8, network_id=ISOLATED, rules=[egress()]),
        ],
        [],
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_tree_is_the_golden_one(name: str) -> None:
    ports, groups = CASES[name]
    _, commands = build(ports, groups)
    path = GOLDEN / f"{name}.json"
    if os.environ.get("CUMULET_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[\n" + ",\n".join(json.dumps(each) for each in commands) + "\n]\n")
    assert json.loads(path.read_text()) == json.loads(json.dumps(commands))


def test_tree_of_a_node_whose_gateway_is_elsewhere_is_the_golden_one() -> None:
    _, commands = build([port(3, rules=[egress()])], gateway=False)
    path = GOLDEN / "gateway_elsewhere.json"
    if os.environ.get("CUMULET_UPDATE_GOLDEN"):
        path.write_text("[\n" + ",\n".join(json.dumps(each) for each in commands) + "\n]\n")
    assert json.loads(path.read_text()) == json.loads(json.dumps(commands))


def test_base_chains_stay_while_their_contents_are_exchanged() -> None:
    made, first = build(*CASES["rules"])
    held = [each["add"] for each in first if "add" in each and "rule" not in each["add"]]
    again = nft.transaction(filters.build(made), held)
    deleted = [each["delete"] for each in again if "delete" in each]
    assert not any("table" in each for each in deleted)
    assert {each["chain"]["name"] for each in deleted if "chain" in each}.isdisjoint({"prerouting", "forward", "input"})
    assert len(deleted) == sum(1 for each in held if "table" not in each and "hook" not in next(iter(each.values())))
    assert [each for each in again if each not in first] == [{"delete": each} for each in deleted]


def test_table_with_other_hooks_is_replaced_whole() -> None:
    made, first = build([])
    held = [each["add"] for each in first if "add" in each and "rule" not in each["add"]]
    other = [{"chain": {**each["chain"], "prio": 7}} if "hook" in each.get("chain", {}) else each for each in held]
    again = nft.transaction(filters.build(made), other)
    assert [next(iter(each["delete"])) for each in again if "delete" in each] == ["table"] * len(filters.TABLES)


def test_every_base_chain_accepts_by_policy_and_ends_in_a_drop() -> None:
    """A policy of drop would begin a moment later, or hold a moment longer, than the rules of its chain."""
    _, commands = build([port(3)])
    chains = [each["add"]["chain"] for each in commands if "chain" in each.get("add", {})]
    assert all(chain.get("policy", "accept") == "accept" for chain in chains)


def test_names_of_jumps_and_sets_exist() -> None:
    _, commands = build(*CASES["rules"])
    known: set[tuple[str, str]] = set()
    used: set[tuple[str, str]] = set()
    for each in commands:
        kind, body = next(iter(each["add"].items())) if "add" in each else ("", {})
        if kind in ("chain", "set", "map"):
            known.add((body["table"], ("" if kind == "chain" else "@") + body["name"]))
        used |= {(body["table"], name) for name in _names(body)} if "table" in body else set()
    assert used <= known


def _names(tree: Any) -> Iterator[str]:
    if isinstance(tree, str) and tree.startswith("@"):
        yield tree
    elif isinstance(tree, list):
        for each in tree:
            yield from _names(each)
    elif isinstance(tree, dict):
        for key, value in tree.items():
            if key in ("goto", "jump"):
                yield value["target"]
            else:
                yield from _names(value)


def test_ports_with_the_same_rules_share_their_chains() -> None:
    rules = [egress(), ingress(protocol="tcp", port_min=22, port_max=22)]
    few = len(build([port(number, rules=rules) for number in (3, 4)])[1])
    many = len(build([port(number, rules=rules) for number in range(3, 203)])[1])
    assert many - few == 2 * 198  # a chain and a rule that stamp the destination, per port


def test_members_are_elements_not_rules() -> None:
    rules = [ingress(remote_group="group-1")]
    none = len(build([port(3, rules=rules)])[1])
    members = [f"10.{high}.{low}.1" for high in range(40) for low in range(250)]
    many = build([port(3, rules=rules)], [GroupMembers(id="group-1", addresses=members)])[1]
    assert len(many) == none


def test_bad_rule_closes_its_port_alone() -> None:
    made, commands = build([port(3, rules=[egress(), ingress(protocol="vrrp!")]), port(4, rules=[egress()])])
    assert list(made.faults) == [port(3).id]
    closed = {each.id: each.egress is None for each in made.ports}
    assert closed == {port(3).id: True, port(4).id: False}
    bodies = [each["add"]["rule"] for each in commands if "rule" in each.get("add", {})]
    assert [rule["expr"][-1] for rule in bodies if rule["chain"] == "ingress_closed"] == [{"drop": None}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"mac_address": "fa:16:3e:00:00"},
        {"mac_address": "01:00:5e:00:00:01"},
        {"addresses": [FixedAddress(subnet_id="s4", ip_address="10.88.0.3; drop")]},
        {"address_pairs": [AddressPair(ip_address="10.0.0.0/40", mac_address="")]},
        {"id": "not-an-id"},
    ],
)
def test_port_that_makes_no_sense_is_left_out(wrong: dict[str, object]) -> None:
    bad = port(3, **wrong)
    made, _ = build([bad, port(4)])
    assert [each.id for each in made.ports] == [port(4).id]
    assert bad.id in made.faults


def test_two_ids_that_give_one_device_name_are_not_mixed_up() -> None:
    other = port(3, id="00000003-ffff-4000-8000-000000000001")
    made, _ = build([port(3), other])
    assert len(made.ports) == 1
    assert other.id in made.faults


def test_link_local_follows_the_mac() -> None:
    assert str(plan.link_local("fa:16:3e:00:00:0a")) == "fe80::f816:3eff:fe00:a"


@settings(deadline=None)
@given(st.lists(st.ip_addresses(network="10.0.0.0/28").map(str) | st.sampled_from(["10.0.0.0/29", "10.0.0.4/30"])))
def test_collapsed_ranges_never_overlap_and_lose_nothing(texts: list[str]) -> None:
    """nft refuses overlapping intervals in a concatenation, and with them everybody's rules."""
    ranges = plan.collapse(texts)
    for number, one in enumerate(ranges):
        assert not any(one.overlaps(other) for other in ranges[number + 1 :])
    wanted = {str(each) for text in texts for each in plan.collapse([text])[0]}
    assert {str(each) for one in ranges for each in one} == wanted
