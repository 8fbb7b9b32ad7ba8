"""The broker or the database goes away under load: what was accepted is done, the rest was refused in a proper way."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tests.faults.cloud import FaultCloud
from tests.faults.load import Load
from tests.fixtures.survived import survived

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.slow]
BAD_EVENTS = ("api.unexpected_error", "operation.step_crashed")


def _bad_lines(cloud: FaultCloud) -> list[dict[str, Any]]:
    """What the services logged that nobody foresaw."""
    found = []
    for name in ("api", "s1", "s2"):
        for line in cloud.supervisor.log(name).read_text().splitlines():
            if line.startswith("{") and (record := json.loads(line)).get("event") in BAD_EVENTS:
                found.append(record)
    return found


def _go_on(seconds: float) -> None:
    """The outage's length is the fault, so here time itself is what is waited for."""
    threading.Event().wait(seconds)


@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.full)])
def test_the_broker_is_away_and_loses_everything(cloud: FaultCloud, seconds: int) -> None:
    with Load(cloud) as load:
        load.wait_for_more()
        cloud.rabbitmq.stop()
        cloud.rabbitmq.wipe()
        _go_on(seconds)
        cloud.rabbitmq.start()
        load.wait_for_more()
    load.check(f"{seconds} s without the broker")
    survived("outages of RabbitMQ with all data lost")


@pytest.mark.parametrize("mode", ["immediate", pytest.param("fast", marks=pytest.mark.full)])
def test_the_database_is_restarted(cloud: FaultCloud, mode: str) -> None:
    before = len(_bad_lines(cloud))
    with Load(cloud) as load:
        load.wait_for_more()
        for _ in range(2):
            cloud.postgresql.stop(mode)
            _go_on(2)
            cloud.postgresql.start()
            load.wait_for_more()
    load.check(f"a {mode} restart of the database")
    assert _bad_lines(cloud)[before:] == []
    survived("restarts of PostgreSQL under load", 2)


@pytest.mark.full
def test_broker_and_database_are_away_at_once(cloud: FaultCloud) -> None:
    with Load(cloud) as load:
        load.wait_for_more()
        cloud.rabbitmq.stop()
        cloud.postgresql.stop()
        _go_on(3)
        cloud.postgresql.start()
        cloud.rabbitmq.start()
        load.wait_for_more()
    load.check("both stores away")
    survived("outages of RabbitMQ and PostgreSQL at once")
