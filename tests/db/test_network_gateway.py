"""A network over several nodes: who is its gateway, who are whose peers, and which nodes a change concerns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from common.config import DatabaseConfig, SchedulerConfig
from common.db import network_state, nodes, ports, services
from common.db.models import Node
from common.db.paging import Page
from common.db.session import Database
from common.ids import new_id
from common.placement.view import NodeViews
from tests.db.test_network_state import Cloud

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INVENTORY = {"vcpus": 0, "memory_mib": 0, "disk_gib": 0}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(DatabaseConfig(url=database_url))
    yield database
    database.close()


@pytest.fixture
def cloud(database: Database) -> Cloud:
    """Nodes a to d, of which c and d are gateways: c is the one, as the first by name."""
    return Cloud(database, "abcd", gateways="cd", nat=True)


def test_the_gateway_has_networks_of_ports_elsewhere_and_alone_translates(cloud: Cloud) -> None:
    assert cloud.spec("c") is None
    first = cloud.boot("a")
    assert {name: spec.nat if spec else None for name, spec in ((name, cloud.spec(name)) for name in "abcd")} == {
        "a": False, "b": None, "c": True, "d": None,
    }  # fmt: skip
    assert cloud.state("c").ports == []
    with cloud.database.read() as session:
        _, told, _ = network_state.for_instance(session, first)
    assert told == cloud.state("a").networks
    cloud.database.run(lambda session: ports.release(session, first, NOW))
    assert cloud.spec("c") is None


def test_peers_are_all_who_have_the_network(cloud: Cloud) -> None:
    cloud.boot("a")
    cloud.boot("b")
    peers = {name: spec.peers for name in "abcd" if (spec := cloud.spec(name))}
    a, b, c = "10.99.0.11", "10.99.0.12", "10.99.0.13"
    assert peers == {"a": [b, c], "b": [a, c], "c": [a, b]}


def test_networks_without_nat_have_no_gateway(database: Database) -> None:
    cloud = Cloud(database, "abc", gateways="c")
    cloud.boot("a")
    spec = cloud.spec("a")
    assert spec is not None
    assert (spec.nat, spec.peers, cloud.spec("c")) == (False, [], None)


def test_one_node_that_is_all_has_neither_peers_nor_tunnels(database: Database) -> None:
    cloud = Cloud(database, "a", gateways="a", nat=True)
    cloud.boot("a")
    spec = cloud.spec("a")
    assert spec is not None
    assert (spec.nat, spec.peers) == (True, [])


def test_a_gateway_with_ports_of_its_own_has_the_network_once(database: Database) -> None:
    cloud = Cloud(database, "ab", gateways="b", nat=True)
    cloud.boot("b")
    cloud.boot("a")
    assert [(spec.nat, spec.peers) for spec in cloud.state("b").networks] == [(True, ["10.99.0.11"])]
    assert len(cloud.state("b").ports) == 1


def test_only_nodes_for_which_something_changes_are_touched(cloud: Cloud) -> None:
    plain: dict[str, Any] = {"security_groups": ()}  # a group's members concern other nodes by themselves
    assert cloud.touched_by(lambda: cloud.boot("a", **plain)) == "acd"  # the gateways learn of the network
    assert cloud.touched_by(lambda: cloud.boot("a", **plain)) == "a"
    second = cloud.boot("b", **plain)
    third: list[str] = []
    assert cloud.touched_by(lambda: third.append(cloud.boot("b", **plain))) == "b"
    release = ports.release
    assert cloud.touched_by(lambda: cloud.database.run(lambda s: release(s, third[0], NOW))) == "abcd"
    assert cloud.touched_by(lambda: cloud.database.run(lambda s: release(s, second, NOW))) == "abcd"


def test_a_new_gateway_and_a_new_address_concern_everybody(cloud: Cloud) -> None:
    cloud.boot("b")

    def enrol(session: Session) -> None:
        nodes.enrol(
            session, node_id=new_id(), name="a", address="10.99.0.11", secret_hash="", config=SchedulerConfig(),
            now=NOW, is_compute=False, is_gateway=True,
        )  # fmt: skip

    assert cloud.touched_by(lambda: cloud.database.run(enrol)) == "abcd"
    assert cloud.touched_by(lambda: cloud.database.run(enrol)) == ""
    spec, former = cloud.spec("a"), cloud.spec("c")
    assert spec is not None
    assert (spec.nat, former) == (True, None)

    def beat(session: Session) -> None:
        node = session.get(Node, "b")
        assert node is not None
        nodes.heartbeat(
            session, node, address="10.99.0.99", inventory=INVENTORY, boot_id="", domains=0, network_applied=0, now=NOW
        )

    assert cloud.touched_by(lambda: cloud.database.run(beat)) == "abcd"
    assert cloud.touched_by(lambda: cloud.database.run(beat)) == ""
    spec = cloud.spec("a")
    assert spec is not None
    assert spec.peers == ["10.99.0.99"]


def test_an_address_that_nobody_uses_concerns_nobody_else(cloud: Cloud) -> None:
    cloud.boot("a")

    def beat(session: Session) -> None:
        node = session.get(Node, "b")
        assert node is not None
        nodes.heartbeat(
            session, node, address="10.99.0.99", inventory=INVENTORY, boot_id="", domains=0, network_applied=0, now=NOW
        )

    assert cloud.touched_by(lambda: cloud.database.run(beat)) == ""


def test_a_node_that_only_does_networking_is_no_hypervisor(cloud: Cloud) -> None:
    def enrol(session: Session, *, is_compute: bool) -> None:
        nodes.enrol(
            session, node_id=new_id(), name="ctl", address="10.99.0.254", secret_hash="", config=SchedulerConfig(),
            now=NOW, is_compute=is_compute, is_gateway=True,
        )  # fmt: skip

    views = NodeViews()
    for is_compute in (False, True, False):
        cloud.database.run(lambda session, is_compute=is_compute: enrol(session, is_compute=is_compute))
        with cloud.database.read() as session:
            shown = {service.host for service in services.list_all(session)}
            hypervisors = {node.name for node, _ in services.node_page(session, Page(limit=100))}
            candidates = {view.name for view in views.current(session, NOW)}
        assert ["ctl" in each for each in (shown, hypervisors, candidates)] == [is_compute] * 3
