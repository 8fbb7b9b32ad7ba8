"""Address allocation under contention, on both databases: nothing twice, exact exhaustion, all given back (NET-08)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.config import DatabaseConfig, QuotaConfig
from common.db import addresses, network_quota, networks, ports, quotas, security_groups, subnets
from common.db.models import IpAllocation, Port, SecurityGroup
from common.db.networks import NewNetwork
from common.db.ports import NewPort
from common.db.session import Database
from common.db.subnets import NewSubnet
from common.errors import CloudError, NoAddressLeft, QuotaExceeded
from common.ids import new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = network_quota.defaults(QuotaConfig())
PREFIX = "fa:16:3e"
THREADS = 50
DEADLINE_S = 60.0


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(DatabaseConfig(url=database_url, pool_size=10, max_overflow=THREADS, busy_timeout_ms=60_000))
    yield database
    database.close()


@pytest.fixture
def network_id(database: Database) -> str:
    """A network with a /26: 61 addresses without the gateway, one of which DHCP has."""

    def make(session: Session) -> str:
        network = networks.create(session, NewNetwork(project_id="p", mtu=1450), NOW, LIMITS)
        new = NewSubnet(
            network_id=network.id, project_id="p", ip_version=4, cidr="10.0.0.0/26", gateway_ip="10.0.0.1",
            allocation_pools=({"start": "10.0.0.2", "end": "10.0.0.62"},),
        )  # fmt: skip
        subnets.create(session, new, NOW, mac_prefix=PREFIX, limits=LIMITS)
        return network.id

    return database.run(make)


def _in_threads(work: Callable[[int], None], count: int = THREADS) -> None:
    workers = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(DEADLINE_S)
        assert not worker.is_alive(), "a thread did not finish"


def _count(database: Database, model: type[IpAllocation] | type[Port] | type[SecurityGroup]) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(model)) or 0


def test_fifty_threads_exhaust_a_subnet_exactly(database: Database, network_id: str) -> None:
    made: list[str] = []
    refused: list[CloudError] = []

    def work(number: int) -> None:
        for _ in range(2):
            new = NewPort(id=new_id(), network_id=network_id, project_id=f"p{number % 3}")
            try:
                database.run(
                    lambda session, new=new: ports.create(  # type: ignore[misc]
                        session, new, NOW, mac_prefix=PREFIX, quota=LIMITS
                    )
                )
                made.append(new.id)
            except NoAddressLeft as err:
                refused.append(err)

    _in_threads(work)
    assert (len(made), len(refused)) == (60, 40)
    with database.read() as session:
        given = list(session.scalars(sa.select(IpAllocation.ip_address)))
        assert len(given) == len(set(given)) == 61
        used = [quotas.usage(session, f"p{number}")["port"] for number in range(3)]
    assert sum(used) == 60
    assert _count(database, SecurityGroup) == 3  # each project's default group, made once

    def remove(number: int) -> None:
        for port_id in made[number::THREADS] + made[number // 2 :: THREADS]:  # most of them twice
            database.run(lambda session, port_id=port_id: ports.delete(session, port_id, NOW))  # type: ignore[misc]

    _in_threads(remove)
    assert _count(database, IpAllocation) == _count(database, Port) == 1  # DHCP
    with database.read() as session:
        assert [quotas.usage(session, f"p{number}")["port"] for number in range(3)] == [0, 0, 0]


def test_quota_holds_under_threads(database: Database, network_id: str) -> None:
    made, refused = [], []

    def work(_number: int) -> None:
        new = NewPort(id=new_id(), network_id=network_id, project_id="q", fixed_ips=())
        try:
            database.run(
                lambda session: ports.create(session, new, NOW, mac_prefix=PREFIX, quota={**LIMITS, "port": 7})
            )
            made.append(new.id)
        except QuotaExceeded as err:
            refused.append(err)

    _in_threads(work, 30)
    assert (len(made), len(refused)) == (7, 23)


def test_the_default_group_is_made_once(database: Database) -> None:
    found: list[str] = []
    _in_threads(
        lambda _number: found.append(database.run(lambda session: security_groups.ensure_default(session, "p", NOW))),
        20,
    )
    assert len(found) == 20
    assert len(set(found)) == 1
    with database.read() as session:
        usage = quotas.usage(session, "p")
        assert (usage["security_group"], usage["security_group_rule"]) == (1, 4)
        assert len(security_groups.rules_of(session, found[:1])[found[0]]) == 4


def test_a_network_being_deleted_takes_no_port(database: Database, network_id: str) -> None:
    """Ports made and the network deleted at once: either it had ports and stays, or it is gone with all of them."""
    outcomes: list[str] = []

    def work(number: int) -> None:
        try:
            if number % 5 == 0:
                database.run(lambda session: networks.delete(session, network_id))
                outcomes.append("deleted")
            else:
                new = NewPort(id=new_id(), network_id=network_id, project_id="p")
                database.run(lambda session: ports.create(session, new, NOW, mac_prefix=PREFIX, quota=LIMITS))
                outcomes.append("made")
        except CloudError as err:
            outcomes.append(str(err.facts["neutron_type"]))

    _in_threads(work, 20)
    assert len(outcomes) == 20
    assert set(outcomes) <= {"deleted", "made", "NetworkInUse", "NetworkNotFound"}
    left = _count(database, Port)
    assert left == 0 if "deleted" in outcomes else left == outcomes.count("made") + 1


def test_eui64_follows_the_rfc() -> None:
    assert addresses.eui64("2001:db8::/64", "34:56:78:9a:bc:de") == "2001:db8::3656:78ff:fe9a:bcde"


def test_a_failed_request_gives_everything_back(database: Database, network_id: str) -> None:
    new = NewPort(id=new_id(), network_id=network_id, project_id="p",
                  fixed_ips=(ports.RequestedAddress(), ))  # fmt: skip
    for _ in range(20):
        with pytest.raises(CloudError):
            database.run(
                lambda session: ports.create(session, replace(new, id=new_id()), NOW, mac_prefix=PREFIX, quota=LIMITS)
            )
    assert _count(database, IpAllocation) == 1
    with database.read() as session:
        assert quotas.usage(session, "p")["port"] == 1
