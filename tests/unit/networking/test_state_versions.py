"""Which of two records of a port wins: the one that was read at the newer version of the node's network state."""

from __future__ import annotations

from pathlib import Path

from common.rpc.compute_v1 import FilterRule, NetworkSpec, NetworkState, PortSpec
from compute_agent.networking.none import NoNetworking

NETWORK = NetworkSpec(id="b7a9d1f0-0000-4000-8000-000000000001", vni=1, mtu=1450)
RULE = FilterRule(direction="ingress", ethertype="IPv4", protocol="tcp", port_min=22, port_max=22)


def port(*rules: FilterRule) -> PortSpec:
    return PortSpec(
        id="c7a9d1f0-0000-4000-8000-000000000002",
        network_id=NETWORK.id,
        mac_address="fa:16:3e:00:00:01",
        addresses=[],
        instance_id="d7a9d1f0-0000-4000-8000-000000000003",
        rules=list(rules),
    )


def known(networking: NoNetworking) -> list[PortSpec]:
    return networking._stored.state.ports


def test_a_late_command_does_not_bring_old_rules_back(tmp_path: Path) -> None:
    networking = NoNetworking(tmp_path)
    networking.apply(NetworkState(version=7, networks=[NETWORK], ports=[port()]))
    networking.ensure_ports([NETWORK], [port(RULE)], [], version=6)
    assert known(networking) == [port()]


def test_a_command_as_new_as_the_state_or_of_unknown_age_wins(tmp_path: Path) -> None:
    networking = NoNetworking(tmp_path)
    networking.apply(NetworkState(version=7, networks=[NETWORK], ports=[port()]))
    networking.ensure_ports([NETWORK], [port(RULE)], [], version=7)
    assert known(networking) == [port(RULE)]
    networking.ensure_ports([NETWORK], [port()], [])
    assert known(networking) == [port()]


def test_a_state_older_than_a_port_s_plugging_can_t_unplug_it(tmp_path: Path) -> None:
    networking = NoNetworking(tmp_path)
    networking.ensure_ports([NETWORK], [port(RULE)], [], version=8)
    networking.apply(NetworkState(version=7))
    assert known(networking) == [port(RULE)]
    restarted = NoNetworking(tmp_path)
    restarted.apply(NetworkState(version=7))
    assert known(restarted) == [port(RULE)]
    restarted.apply(NetworkState(version=8))
    assert known(restarted) == []
