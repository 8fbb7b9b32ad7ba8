"""Merging, forgetting, numbering and keeping the desired state; the networking that only records."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from common.errors import NetworkingError
from common.rpc.compute_v1 import GroupMembers, NetworkState
from compute_agent.networking import links, names, state, store, subports
from compute_agent.networking.none import NoNetworking
from tests.unit.networking.samples import ISOLATED, NETWORK, ingress, network, port


def test_merge_replaces_by_id_and_keeps_the_rest() -> None:
    before = NetworkState(version=4, networks=[network()], ports=[port(3), port(4)])
    after = state.merged(before, [network(mtu=1400)], [port(4, hostname="new")], [GroupMembers(id="g")])
    assert (after.version, [each.mtu for each in after.networks]) == (4, [1400])
    assert [each.hostname for each in after.ports] == ["guest-3", "new"]


def test_instance_leaves_with_what_was_there_for_it_alone() -> None:
    shared, own = ingress(remote_group="shared"), ingress(remote_group="own")
    full = NetworkState(
        version=1,
        networks=[network(), network(id=ISOLATED)],
        ports=[port(3, rules=[shared]), port(4, rules=[shared, own], network_id=ISOLATED)],
        groups=[GroupMembers(id="shared"), GroupMembers(id="own")],
    )
    left = state.without_instance(full, "instance-4")
    assert [each.id for each in left.networks] == [NETWORK]
    assert [each.id for each in left.groups] == ["shared"]
    assert [each.instance_id for each in left.ports] == ["instance-3"]


def test_a_gateway_keeps_the_network_that_others_still_have() -> None:
    full = NetworkState(version=1, networks=[network(peers=["10.99.0.12"]), network(id=ISOLATED, nat=False, peers=["x"])],
                        ports=[port(3), port(4, instance_id="instance-3", network_id=ISOLATED)])  # fmt: skip
    left = state.without_instance(full, "instance-3")
    assert [each.id for each in left.networks] == [NETWORK]


def test_port_is_found_by_network_and_address() -> None:
    both = NetworkState(version=1, ports=[port(3), port(4, network_id=ISOLATED, addresses=port(3).addresses)])
    found = state.port_at(both, ISOLATED, "10.88.0.3")
    assert found is not None
    assert found.id == port(4).id
    assert state.port_at(both, NETWORK, "10.88.0.4") is None
    assert state.port_at(both, NETWORK, "nonsense") is None


def test_numbers_stay_and_are_not_given_out_again_at_once() -> None:
    first = store.number({}, ["a", "b", "c"], 10)
    assert first == {"a": 1, "b": 2, "c": 3}
    second = store.number(first, ["a", "c", "d"], 10)
    assert second == {"a": 1, "c": 3, "d": 4}
    assert store.number({"a": 1, "z": 3}, ["a", "d"], 3) == {"a": 1, "d": 2}
    with pytest.raises(NetworkingError):
        store.number({}, ["a", "b", "c"], 2)


def test_state_is_kept_for_root_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "networking.json"
    kept = store.Stored(state=NetworkState(version=7, networks=[network()], ports=[port(3)]), indices={"a": 1})
    store.save(path, kept)
    assert store.load(path) == kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("{")
    with pytest.raises(NetworkingError):
        store.load(path)


@pytest.mark.parametrize("make", [names.bridge, names.namespace, names.veth, names.inside, names.tunnel, names.tap])
def test_device_names_fit_and_bear_the_prefix(make: object) -> None:
    name = make(NETWORK)  # type: ignore[operator]
    assert name.startswith("cml")
    assert len(name) <= 15
    with pytest.raises(NetworkingError):
        make("x; reboot")  # type: ignore[operator]


def test_networking_of_records_survives_its_agent(tmp_path: Path) -> None:
    recorded = NoNetworking(tmp_path)
    (nic,) = recorded.ensure_ports([network()], [port(3)], [])
    assert (nic.tap, nic.bridge, nic.mtu) == (names.tap(port(3).id), names.bridge(NETWORK), 1450)
    recorded.apply(NetworkState(version=3, networks=[network()], ports=[port(3), port(4)]))
    recorded.apply(NetworkState(version=2))
    again = NoNetworking(tmp_path)
    assert again.applied_version() == 3
    assert again.port_at(NETWORK, "10.88.0.4") is not None
    again.remove_ports("instance-4")
    assert again.port_at(NETWORK, "10.88.0.4") is None
    with pytest.raises(NetworkingError):
        again.ensure_ports([], [port(5, network_id=ISOLATED)], [])
    again.teardown()
    assert NoNetworking(tmp_path).applied_version() == 0


def test_a_subport_becomes_a_tagging_device_above_its_parents_tap() -> None:
    other = network(id=ISOLATED, mtu=1400)
    child = port(8, network_id=ISOLATED, trunk_port=port(7).id, vlan_id=12)
    off = port(9, network_id=ISOLATED, trunk_port=port(7).id, vlan_id=13, admin_up=False)
    (made,) = subports.planned([port(7), child, off], [network(), other])
    assert made == subports.Subport(
        child.id, device="cmltap00000008", tap="cmltap00000007", tag=12, bridge="cmlbr-b1b2c3d4", mtu=1400
    )
    assert links.vlan_facts(3, made.tag) == {"kind": "vlan", "link": 3, "vlan_id": 12}
    assert subports.planned([child], [network()]) == []
