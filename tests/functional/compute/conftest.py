"""A small cloud for the compute API: a flavor, an active image, a network with a subnet, a node."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from api.request import Services
from common.db import instances, networks, nodes
from common.db.models import Flavor, Image, Instance, Subnet
from common.db.networks import NewNetwork
from common.ids import new_id
from common.states import VmState
from tests.fixtures.api import ApiClient, project_id

NEWEST = {"OpenStack-API-Version": "compute 2.104"}
URL = "/compute/v2.1"


def version(text: str) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute {text}"}


@dataclass(frozen=True)
class Cloud:
    """Ids of what there is to begin with. `other_network` and `other_image` belong to the project `other`."""

    api: ApiClient
    services: Services
    flavor_id: str
    image_id: str
    queued_image_id: str
    other_image_id: str
    network_id: str
    other_network_id: str
    node_id: str

    def body(self, **changes: Any) -> dict[str, Any]:
        server = {"name": "web", "imageRef": self.image_id, "flavorRef": self.flavor_id, "networks": "auto"}
        return {"server": {**server, **changes}}

    def create(self, as_: str = "demo", **changes: Any) -> TestResponse:
        return self.api.post(f"{URL}/servers", as_, headers=NEWEST, json=self.body(**changes))

    def server(self, as_: str = "demo", **changes: Any) -> str:
        """A new server's id."""
        reply = self.create(as_, **changes)
        assert reply.status_code == 202, reply.text
        return str(reply.json["server"]["id"])

    def active(self, as_: str = "demo", **changes: Any) -> str:
        """A server as it is after its boot, without the scheduler having done it."""
        server_id = self.server(as_, **changes)
        self.settle(server_id, VmState.ACTIVE)
        return server_id

    def settle(self, server_id: str, state: VmState, **changes: Any) -> None:
        """End whatever is running on the server and put it into a state, as a saga would."""
        with self.services.db.write() as session:
            row = session.get_one(Instance, server_id)
            now = self.services.clock.now()
            instances.transition(
                session, server_id, state, expect=[VmState(row.vm_state)], operation_id=None, now=now, reason="test",
                task_state=None, node_id=self.node_id, node_name="node1", power_state=1, launched_at=now, **changes,
            )  # fmt: skip

    def show(self, server_id: str, as_: str = "demo", microversion: str = "2.104") -> dict[str, Any]:
        reply = self.api.get(f"{URL}/servers/{server_id}", as_, headers=version(microversion))
        assert reply.status_code == 200, reply.text
        body: dict[str, Any] = reply.json["server"]
        return body


@pytest.fixture
def cloud(api_client: ApiClient, services: Services) -> Cloud:
    now = services.clock.now()
    demo, other = project_id(services.config, "demo"), project_id(services.config, "other")
    with services.db.write() as session:
        flavor_id = add_flavor(session, now)
        image_id = add_image(session, now, owner=demo, visibility="public")
        queued = add_image(session, now, owner=demo, status="queued")
        strange = add_image(session, now, owner=other, visibility="private")
        network_id = add_network(session, now, demo, "private", "10.1.0.0/24")
        other_network_id = add_network(session, now, other, "theirs", "10.2.0.0/24")
        node = nodes.enrol(
            session, node_id=new_id(), name="node1", address="10.99.0.11", secret_hash="",
            config=services.config.scheduler, now=now,
        )  # fmt: skip
        node.vcpus, node.memory_mib, node.disk_gib, node.last_heartbeat_at = 8, 16384, 200, now
        node_id = node.id
    return Cloud(api_client, services, flavor_id, image_id, queued, strange, network_id, other_network_id, node_id)


def add_flavor(session: Session, now: datetime, **changes: Any) -> str:
    values = {
        "id": "tiny", "name": "c1.tiny", "vcpus": 1, "memory_mib": 128, "root_gib": 1, "ephemeral_gib": 0,
        "swap_mib": 0, "extra_specs": {"hw:cpu_policy": "shared"}, **changes,
    }  # fmt: skip
    row = Flavor(created_at=now, **values)
    session.add(row)
    session.flush()
    return row.id


def add_image(session: Session, now: datetime, **changes: Any) -> str:
    values = {
        "id": new_id(), "name": "guest", "status": "active", "visibility": "private", "disk_format": "qcow2",
        "container_format": "bare", "size": 4096, "virtual_size": 1024**3, "os_hash_algo": "sha512",
        "os_hash_value": hashlib.sha512(b"guest").hexdigest(), "checksum": "0" * 32, "min_disk": 0, "min_ram": 0,
        "properties": {"hw_disk_bus": "virtio", "secret": "not for nodes"}, **changes,
    }  # fmt: skip
    session.add(Image(created_at=now, updated_at=now, **values))
    session.flush()
    return str(values["id"])


def add_network(session: Session, now: datetime, owner: str, name: str, cidr: str, **changes: Any) -> str:
    subnet_id = new_id()
    network_id = networks.create(
        session, NewNetwork(project_id=owner, name=name, mtu=1450, **changes), now, {"network": -1}
    ).id
    base = cidr.rsplit(".", 1)[0]
    session.add(
        Subnet(
            id=subnet_id, network_id=network_id, project_id=owner, name=name, ip_version=4, cidr=cidr,
            gateway_ip=f"{base}.1", dns_nameservers=[], host_routes=[],
            allocation_pools=[{"start": f"{base}.2", "end": f"{base}.254"}], created_at=now, updated_at=now,
        )
    )  # fmt: skip
    session.flush()
    return network_id
