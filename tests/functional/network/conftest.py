"""Fixtures of the network API's tests: requests that state the answer they expect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.orm import Session

from common.db.models import Instance, Node, Service
from common.ids import new_id
from tests.fixtures.api import ApiClient

ROOT = "/network/v2.0"


@dataclass(frozen=True)
class NetworkClient:
    """Calls below /network/v2.0; every one names the status it expects and gives the decoded body."""

    api: ApiClient

    def get(self, path: str, as_: str | None = "demo", expect: int = 200, **options: Any) -> Any:
        return self.call("GET", path, as_, expect, **options)

    def post(self, path: str, body: Any, as_: str | None = "demo", expect: int = 201) -> Any:
        return self.call("POST", path, as_, expect, json=body)

    def put(self, path: str, body: Any, as_: str | None = "demo", expect: int = 200, **options: Any) -> Any:
        return self.call("PUT", path, as_, expect, json=body, **options)

    def delete(self, path: str, as_: str | None = "demo", expect: int = 204, **options: Any) -> Any:
        return self.call("DELETE", path, as_, expect, **options)

    def call(self, method: str, path: str, as_: str | None, expect: int, **options: Any) -> Any:
        answer = self.api.request(method, ROOT + path, as_, **options)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json if answer.data else None

    def network(self, as_: str = "demo", **attributes: Any) -> dict[str, Any]:
        body: dict[str, Any] = self.post("/networks", {"network": {"name": "n", **attributes}}, as_)["network"]
        return body

    def subnet(
        self, network_id: str, cidr: str = "10.0.0.0/24", as_: str = "demo", **attributes: Any
    ) -> dict[str, Any]:
        version = 6 if ":" in cidr else 4
        asked = {"network_id": network_id, "cidr": cidr, "ip_version": version, **attributes}
        body: dict[str, Any] = self.post("/subnets", {"subnet": asked}, as_)["subnet"]
        return body

    def port(self, network_id: str, as_: str = "demo", **attributes: Any) -> dict[str, Any]:
        asked = {"network_id": network_id, **attributes}
        body: dict[str, Any] = self.post("/ports", {"port": asked}, as_)["port"]
        return body

    def group(self, as_: str = "demo", **attributes: Any) -> dict[str, Any]:
        asked = {"security_group": {"name": "g", **attributes}}
        body: dict[str, Any] = self.post("/security-groups", asked, as_)["security_group"]
        return body

    def refused(self, method: str, path: str, body: Any, status: int, kind: str, as_: str = "demo") -> str:
        """The message of a refusal of this status and Neutron type."""
        answer = self.call(method, path, as_, status, **({} if body is None else {"json": body}))
        assert set(answer["NeutronError"]) == {"type", "message", "detail"}
        assert answer["NeutronError"]["type"] == kind
        message: str = answer["NeutronError"]["message"]
        return message


@pytest.fixture
def net(api_client: ApiClient) -> NetworkClient:
    return NetworkClient(api_client)


@pytest.fixture
def add_node(api_client: ApiClient) -> Callable[[str], str]:
    """Make a node; its id."""

    def make(name: str) -> str:
        return api_client.services.db.run(lambda session: _node(session, api_client, name))

    return make


def _node(session: Session, api: ApiClient, name: str) -> str:
    now = api.services.clock.now()
    service = Service(id=new_id(), binary="nova-compute", host=name, created_at=now, updated_at=now)
    session.add(service)
    session.flush()
    node = Node(
        id=new_id(),
        name=name,
        service_number=service.number,
        address="10.99.0.11",
        last_heartbeat_at=now,
        created_at=now,
        updated_at=now,
    )
    session.add(node)
    session.flush()
    return node.id


@pytest.fixture
def add_instance(api_client: ApiClient) -> Callable[[str], str]:
    """Make a server of a persona's project; its id."""

    def make(persona: str) -> str:
        instance_id, now = new_id(), api_client.services.clock.now()
        api_client.services.db.run(
            lambda session: session.add(
                Instance(
                    id=instance_id,
                    project_id=api_client.project_id(persona),
                    user_id="u",
                    name="s",
                    hostname="s",
                    vm_state="active",
                    flavor_id="1",
                    flavor={},
                    created_at=now,
                    updated_at=now,
                )
            )
        )
        return instance_id

    return make
