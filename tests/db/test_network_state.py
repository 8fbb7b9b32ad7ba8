"""Binding, and the networking state of nodes that follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from common.config import DatabaseConfig, QuotaConfig
from common.db import network_quota, network_state, networks, ports, security_groups, subnets
from common.db.models import Instance, Node, Service
from common.db.networks import NewNetwork
from common.db.ports import NewPort
from common.db.security_groups import NewRule
from common.db.session import Database
from common.db.subnets import NewSubnet
from common.errors import NotFound
from common.ids import new_id
from common.rpc.compute_v1 import NetworkSpec, NetworkState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = network_quota.defaults(QuotaConfig())
PREFIX = "fa:16:3e"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(DatabaseConfig(url=database_url))
    yield database
    database.close()


class Cloud:
    """Nodes and one network of project `p`."""

    def __init__(self, database: Database, names: str = "ab", gateways: str = "", *, nat: bool = False) -> None:
        self.database = database
        self.names = names
        database.run(
            lambda session: [
                _node(session, name, f"10.99.0.{number}", is_gateway=name in gateways)
                for number, name in enumerate(names, start=11)
            ]
        )
        self.network_id = database.run(lambda session: _network(session, nat=nat))

    def boot(self, node_id: str | None = None, **more: object) -> str:
        """A server with one port, bound if a node is named; its id."""
        instance_id = new_id()

        def work(session: Session) -> None:
            session.add(
                Instance(
                    id=instance_id,
                    project_id="p",
                    user_id="u",
                    name="s",
                    hostname=f"h-{node_id}",
                    vm_state="active",
                    flavor_id="1",
                    flavor={},
                    created_at=NOW,
                    updated_at=NOW,
                )
            )
            new = NewPort(
                id=new_id(),
                network_id=self.network_id,
                project_id="p",
                device_id=instance_id,
                device_owner="compute:nova",
                delete_with_instance=True,
                **more,
            )  # type: ignore[arg-type]
            ports.create(session, new, NOW, mac_prefix=PREFIX, quota=LIMITS)
            if node_id is not None:
                ports.bind(session, instance_id, node_id, 1, NOW)

        self.database.run(work)
        return instance_id

    def state(self, node_id: str) -> NetworkState:
        with self.database.read() as session:
            return network_state.for_node(session, node_id)

    def versions(self) -> dict[str, int]:
        return {name: self.state(name).version for name in self.names}

    def spec(self, node_id: str) -> NetworkSpec | None:
        """The one network as a node has it, None when it has none."""
        return next(iter(self.state(node_id).networks), None)

    def touched_by(self, work: Callable[[], object]) -> str:
        """Names of the nodes that must fetch their state again because of this."""
        before = self.versions()
        work()
        return "".join(name for name, version in self.versions().items() if version != before[name])


def _node(session: Session, name: str, address: str, *, is_gateway: bool = False) -> None:
    service = Service(id=new_id(), binary="nova-compute", host=name, created_at=NOW, updated_at=NOW)
    session.add(service)
    session.flush()
    session.add(Node(id=name, name=name, service_number=service.number, address=address, is_gateway=is_gateway,
                     created_at=NOW, updated_at=NOW))  # fmt: skip


def _network(session: Session, *, nat: bool) -> str:
    network = networks.create(session, NewNetwork(project_id="p", mtu=1400, nat=nat), NOW, LIMITS)
    new = NewSubnet(
        network_id=network.id, project_id="p", ip_version=4, cidr="10.0.0.0/24", gateway_ip="10.0.0.1",
        allocation_pools=({"start": "10.0.0.2", "end": "10.0.0.254"},), dns_nameservers=("9.9.9.9",),
        host_routes=({"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"},),
    )  # fmt: skip
    subnets.create(session, new, NOW, mac_prefix=PREFIX, limits=LIMITS)
    return network.id


@pytest.fixture
def cloud(database: Database) -> Cloud:
    return Cloud(database)


def test_a_bound_port_is_told_whole(cloud: Cloud) -> None:
    instance_id = cloud.boot("a", allowed_address_pairs=({"ip_address": "10.0.0.99"},))
    state = cloud.state("a")
    (network,), (port,), (group,) = state.networks, state.ports, state.groups
    (subnet,) = network.subnets
    assert (network.id, network.mtu, network.peers) == (cloud.network_id, 1400, [])
    assert network.vni > 0
    assert (subnet.dhcp_ip, subnet.gateway_ip, subnet.dns_nameservers) == ("10.0.0.2", "10.0.0.1", ["9.9.9.9"])
    assert network.dhcp_mac.startswith(PREFIX)
    assert subnet.host_routes[0].nexthop == "10.0.0.9"
    assert (port.instance_id, port.hostname, port.port_security) == (instance_id, "h-a", True)
    assert port.address_pairs[0].mac_address == port.mac_address
    assert {(rule.direction, rule.ethertype) for rule in port.rules if rule.remote_group == group.id} == {
        ("ingress", "IPv4"), ("ingress", "IPv6"),
    }  # fmt: skip
    assert group.addresses == sorted([port.addresses[0].ip_address, "10.0.0.99"])
    with cloud.database.read() as session:
        assert network_state.for_instance(session, instance_id) == ([port], [network], [group])


def test_unknown_nodes_and_empty_ones(cloud: Cloud) -> None:
    assert cloud.state("a").ports == []
    with pytest.raises(NotFound):
        cloud.state("nowhere")


def test_nodes_become_peers_and_cease_to_be(cloud: Cloud) -> None:
    cloud.boot("a")
    before = cloud.state("a").version
    second = cloud.boot("b")
    assert cloud.state("a").version > before
    assert cloud.state("a").networks[0].peers == ["10.99.0.12"]
    assert cloud.state("b").networks[0].peers == ["10.99.0.11"]
    before = cloud.state("a").version
    cloud.database.run(lambda session: ports.release(session, second, NOW))
    assert cloud.state("a").version > before
    assert cloud.state("a").networks[0].peers == []


def test_members_elsewhere_reach_nodes_that_name_the_group(cloud: Cloud) -> None:
    cloud.boot("a")
    before = cloud.state("a").version
    cloud.boot()  # not bound anywhere yet
    after = cloud.state("a")
    assert after.version > before
    assert len(after.groups[0].addresses) == 2


def test_an_older_epoch_binds_nothing(cloud: Cloud) -> None:
    instance_id = cloud.boot("a")

    def move(session: Session, node_id: str, epoch: int) -> int:
        return ports.bind(session, instance_id, node_id, epoch, NOW).ports

    before = cloud.state("a").version
    assert cloud.database.run(lambda session: move(session, "b", 2)) == 1
    assert cloud.state("a").version > before
    assert cloud.state("a").ports == []
    assert cloud.database.run(lambda session: move(session, "a", 1)) == 0
    assert len(cloud.state("b").ports) == 1
    assert cloud.database.run(lambda session: ports.mark_active(session, instance_id, 1, NOW)) == 0
    assert cloud.database.run(lambda session: ports.mark_active(session, instance_id, 2, NOW)) == 1
    assert cloud.database.run(lambda session: ports.mark_active(session, instance_id, 2, NOW)) == 0
    with cloud.database.read() as session:
        (line,) = ports.info_for_instances(session, [instance_id])[instance_id]
        assert (line.status, line.version) == ("ACTIVE", 4)
    assert cloud.database.run(lambda session: ports.unbind(session, instance_id, NOW)) == 1
    assert cloud.state("b").ports == []


def test_release_deletes_what_was_made_and_frees_what_was_brought(cloud: Cloud) -> None:
    instance_id = cloud.boot("a")

    def bring(session: Session) -> str:
        new = NewPort(id=new_id(), network_id=cloud.network_id, project_id="p", device_id=instance_id,
                      device_owner="compute:nova", nic_order=1)  # fmt: skip
        ports.create(session, new, NOW, mac_prefix=PREFIX, quota=LIMITS)
        ports.bind(session, instance_id, "a", 1, NOW)
        return new.id

    brought = cloud.database.run(bring)
    with cloud.database.read() as session:
        assert [port.nic_order for port in ports.for_instance(session, instance_id)] == [0, 1]
    assert cloud.database.run(lambda session: ports.release(session, instance_id, NOW)) == 2
    assert cloud.database.run(lambda session: ports.release(session, instance_id, NOW)) == 0
    with cloud.database.read() as session:
        port = ports.get(session, brought)
        assert (port.device_id, port.device_owner, port.binding_node_id, port.status) == ("", "", None, "DOWN")
        assert ports.for_instance(session, instance_id) == []
    assert cloud.state("a").ports == []


def test_rules_are_told_in_the_nodes_words(cloud: Cloud) -> None:
    def make(session: Session) -> str:
        group = security_groups.create(session, security_groups.NewGroup("p", "g", stateful=False), NOW, LIMITS)
        rules = [NewRule("ingress", "IPv6", protocol="ipv6-icmp"), NewRule("ingress", "IPv4", protocol="vrrp"),
                 NewRule("ingress", "IPv4", protocol="6", port_range_min=1, port_range_max=2,
                         remote_ip_prefix="10.0.0.7/24")]  # fmt: skip
        security_groups.add_rules(session, group, rules, NOW, LIMITS)
        return group.id

    group_id = cloud.database.run(make)
    cloud.boot("a", security_groups=(group_id,))
    (port,) = cloud.state("a").ports
    told = {(rule.protocol, rule.remote_cidr) for rule in port.rules if rule.direction == "ingress"}
    assert told == {("icmpv6", None), ("112", None), ("tcp", "10.0.0.0/24")}
    assert (port.stateful, port.groups) == (False, [group_id])


def test_the_number_of_statements_does_not_grow(cloud: Cloud) -> None:
    counts = []
    for _ in range(2):
        cloud.boot("a")
        before = cloud.database.statements
        cloud.state("a")
        counts.append(cloud.database.statements - before)
        for _ in range(5):
            cloud.boot("a")
    assert counts[0] == counts[1] <= 18


def test_a_node_knows_names_and_places_of_ports_on_other_nodes(cloud: Cloud) -> None:
    here, there = cloud.boot("a"), cloud.boot("b")
    cloud.boot()  # on no node yet: nobody answers for it
    (port,) = cloud.state("b").ports
    (known,) = cloud.state("a").neighbours
    assert (known.network_id, known.hostname) == (cloud.network_id, "h-b")
    assert [known.behind] == cloud.state("a").networks[0].peers
    assert known.mac_address == port.mac_address
    assert known.addresses == [port.addresses[0].ip_address]
    assert [each.hostname for each in cloud.state("b").neighbours] == ["h-a"]

    def up(instance_id: str) -> str:
        return cloud.touched_by(
            lambda: cloud.database.run(lambda session: network_state.touch_for_name_of(session, instance_id))
        )

    assert (up(here), up(there)) == ("b", "a")
    gone = cloud.touched_by(lambda: cloud.database.run(lambda session: ports.release(session, there, NOW)))
    assert gone == "ab"
    assert cloud.state("a").neighbours == []
    assert up(here) == ""


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_nodes_that_join_a_network_at_the_same_moment_learn_of_each_other(database: Database) -> None:
    """Neither transaction sees the other's port (SQLite has one writer at a time and can't show it)."""
    cloud = Cloud(database)
    one, other = cloud.boot(), cloud.boot()
    with database.write() as first, database.write() as second:
        joined = [ports.bind(first, one, "a", 1, NOW).joined, ports.bind(second, other, "b", 1, NOW).joined]
    assert joined == [(cloud.network_id,), (cloud.network_id,)]
    for networks_joined in joined:

        def tell(session: Session, told: tuple[str, ...] = networks_joined) -> None:
            network_state.touch_for_networks(session, told)

        assert cloud.touched_by(lambda tell=tell: database.run(tell)) == "ab"  # type: ignore[misc]
    for node, peer in (("a", "10.99.0.12"), ("b", "10.99.0.11")):
        spec = cloud.spec(node)
        assert spec is not None
        assert spec.peers == [peer]
