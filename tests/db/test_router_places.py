"""Which gateway node has which router, and what nodes are told when one falls silent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.config import DatabaseConfig
from common.db import network_state, router_places, routers
from common.db.models import Node, Router, Subnet
from common.db.routers import NewRouter, PortAsk
from common.db.session import Database
from common.deadlines import GATEWAY_LOST_S
from scheduler.reconcilers.router_places import RouterPlaces
from tests.db.test_network_state import LIMITS, NOW, PREFIX, Cloud


class StoppedClock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at.astimezone(UTC)

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(DatabaseConfig(url=database_url))
    yield database
    database.close()


@pytest.fixture
def cloud(database: Database) -> Cloud:
    """Nodes a to d, of which c and d are gateways."""
    return Cloud(database, "abcd", gateways="cd")


def heard(cloud: Cloud, names: str, at: datetime) -> None:
    """These nodes have sent a heartbeat."""
    wanted = sa.update(Node).where(Node.name.in_(list(names))).values(last_heartbeat_at=at)
    cloud.database.run(lambda session: session.execute(wanted))


def connected_router(cloud: Cloud) -> str:
    """A router on the cloud's network; its id."""

    def work(session: Session) -> str:
        router = routers.create(session, NewRouter(project_id="p"), NOW, LIMITS)
        subnet = session.scalars(sa.select(Subnet).where(Subnet.network_id == cloud.network_id)).first()
        assert subnet is not None
        routers.add_by_subnet(session, router, subnet, NOW, ask=PortAsk(PREFIX, LIMITS))
        return router.id

    return cloud.database.run(work)


def places(cloud: Cloud) -> dict[str, str | None]:
    with cloud.database.read() as session:
        return dict(session.execute(sa.select(Router.id, Router.node_id)).all())


def routers_of(cloud: Cloud, name: str) -> list[str]:
    return [each.id for each in cloud.state(name).routers]


def test_a_router_is_where_its_networks_nodes_find_it(cloud: Cloud) -> None:
    heard(cloud, "cd", NOW)
    cloud.boot("a")
    made: list[str] = []
    assert cloud.touched_by(lambda: made.append(connected_router(cloud))) == "ac"
    assert (routers_of(cloud, "c"), routers_of(cloud, "d")) == (made, [])
    spec, guests = cloud.spec("a"), cloud.state("a")
    assert spec is not None
    assert (spec.peers, guests.routers) == (["10.99.0.13"], [])
    on_gateway = cloud.state("c")
    assert ([each.id for each in on_gateway.networks], on_gateway.ports) == ([cloud.network_id], [])


def test_without_a_gateway_that_is_heard_of_a_router_waits(cloud: Cloud) -> None:
    made, clock = connected_router(cloud), StoppedClock()
    keeper = RouterPlaces(db=cloud.database, clock=clock)
    assert (places(cloud), keeper.run()) == ({made: None}, 0)
    heard(cloud, "d", NOW)
    assert keeper.run() == 1
    assert routers_of(cloud, "d") == [made]


def test_a_silent_gateways_routers_go_to_another_one_and_stay_there(cloud: Cloud) -> None:
    heard(cloud, "cd", NOW)
    cloud.boot("a")
    made, clock = connected_router(cloud), StoppedClock()
    keeper = RouterPlaces(db=cloud.database, clock=clock)
    assert keeper.run() == 0
    clock.at = NOW + timedelta(seconds=GATEWAY_LOST_S + 1)
    heard(cloud, "d", clock.at)
    assert keeper.run() == 1
    assert (routers_of(cloud, "c"), routers_of(cloud, "d")) == ([], [made])
    spec = cloud.spec("a")
    assert spec is not None
    assert spec.peers == ["10.99.0.14"]
    heard(cloud, "cd", clock.at)
    assert keeper.run() == 0
    assert places(cloud) == {made: "d"}


def test_nothing_moves_while_no_gateway_is_heard_of(cloud: Cloud) -> None:
    heard(cloud, "cd", NOW)
    made, clock = connected_router(cloud), StoppedClock()
    clock.at = NOW + timedelta(hours=1)
    assert RouterPlaces(db=cloud.database, clock=clock).run() == 0
    assert places(cloud) == {made: "c"}


def test_the_way_out_of_networks_with_nat_changes_over_with_them(database: Database) -> None:
    cloud = Cloud(database, "abcd", gateways="cd", nat=True)
    heard(cloud, "cd", NOW)
    cloud.boot("a")
    clock = StoppedClock()
    keeper = RouterPlaces(db=database, clock=clock)

    def translating() -> str:
        return "".join(name for name in "abcd" if any(spec.nat for spec in cloud.state(name).networks))

    keeper.run()
    assert translating() == "c"
    clock.at = NOW + timedelta(seconds=GATEWAY_LOST_S + 1)
    heard(cloud, "d", clock.at)
    keeper.run()
    assert translating() == "d"
    heard(cloud, "c", clock.at)
    keeper.run()
    assert translating() == "c"


def test_routers_are_spread_over_the_gateways(cloud: Cloud) -> None:
    heard(cloud, "cd", NOW)
    with cloud.database.read() as session:
        assert router_places.choose(session, NOW) == "c"
    connected_router(cloud)
    with cloud.database.read() as session:
        assert router_places.choose(session, NOW) == "d"
        assert network_state.for_node(session, "d").routers == []
