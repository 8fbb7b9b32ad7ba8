"""The bus of the embedded profile as operators see it: messages are files, and there are no dead letters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from common.config import BusConfig, Config
from common.rpc.bus import SCHEDULERS
from common.secret import Secret
from tests.fixtures.api import ApiClient

BUS = "/cumulet/v1/bus"


@pytest.fixture
def config(config: Config, tmp_path: Path) -> Config:
    return replace(config, bus=BusConfig(url=Secret("filesystem://"), folder=str(tmp_path / "bus")))


def test_waiting_messages_are_counted(api_client: ApiClient) -> None:
    assert api_client.get(BUS, "admin").json["bus"] == {"transport": "filesystem", "queues": [], "dead_letters": None}
    for number in range(3):
        api_client.services.bus.hint(str(number))
    (queue,) = api_client.get(BUS, "admin").json["bus"]["queues"]
    assert (queue["name"], queue["messages"], queue["consumers"]) == (SCHEDULERS, 3, None)
    assert api_client.get(f"{BUS}/dead-letters", "admin").json == {"dead_letters": []}


def test_nodes_can_not_join_by_token(api_client: ApiClient) -> None:
    reply = api_client.post("/cumulet/v1/nodes/tokens", "admin", json={"token": {"node": "n1"}})
    assert reply.status_code == 409
    assert "management_url" in reply.json["error"]["message"]
