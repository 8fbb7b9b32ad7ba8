"""Rows that other services would have made: a node, an instance on it, the operation that placed it."""

from __future__ import annotations

import hashlib
from typing import Any

from api.request import Services
from common.db import nodes, operations
from common.db.models import Instance, Node, Operation
from common.db.nodes import Amounts
from common.ids import new_id
from common.states import OperationState
from tests.fixtures.api import ApiClient

SECRET = "a node's secret"
INVENTORY: dict[str, Any] = {
    "vcpus": 4, "memory_mib": 4096, "disk_gib": 100, "hypervisor_type": "QEMU", "hypervisor_version": 7002000,
    "cpu_arch": "x86_64", "cpu_model": "qemu64", "virt_type": "qemu", "memory_used_mib": 1500, "disk_free_gib": 80,
    "load_1m": 0.25,
}  # fmt: skip


def add_node(services: Services, name: str, *, heartbeat: bool = True) -> str:
    now = services.clock.now()
    node_id = new_id()
    with services.db.write() as session:
        node = nodes.enrol(
            session, node_id=node_id, name=name, address="10.0.0.1",
            secret_hash=hashlib.sha256(SECRET.encode()).hexdigest(), config=services.config.scheduler, now=now,
        )  # fmt: skip
        if heartbeat:
            nodes.heartbeat(
                session,
                node,
                address="10.0.0.1",
                inventory=INVENTORY,
                boot_id="b",
                domains=3,
                network_applied=0,
                now=now,
            )
    return node_id


def add_instance(client: ApiClient, persona: str, image_id: str | None = None, node_id: str | None = None) -> str:
    now = client.services.clock.now()
    instance_id = new_id()
    with client.services.db.write() as session:
        node = session.get(Node, node_id) if node_id else None
        session.add(Instance(
            id=instance_id, project_id=client.project_id(persona), user_id=client.user_id(persona), name="server",
            hostname="server", vm_state="active", flavor_id="f", image_id=image_id, node_id=node_id,
            flavor={"id": "f", "name": "f", "vcpus": 1, "memory_mib": 64, "root_gib": 1}, image={"id": image_id},
            node_name=node.name if node else None, created_at=now, updated_at=now,
        ))  # fmt: skip
    return instance_id


def add_operation(client: ApiClient, instance_id: str, **values: Any) -> str:
    now = client.services.clock.now()
    operation_id = new_id()
    with client.services.db.write() as session:
        instance = session.get(Instance, instance_id)
        assert instance is not None
        row = {
            "id": operation_id, "request_id": "req-1", "kind": "server_create", "action": "create",
            "operation_class": "exclusive", "resource_type": "instance", "resource_id": instance_id,
            "project_id": instance.project_id, "user_id": instance.user_id, "state": OperationState.DONE, "run_at": now,
            "created_at": now, "updated_at": now, **values,
        }  # fmt: skip
        session.add(Operation(**row))
        session.flush()
        operations.add_event(
            session, operation_id=operation_id, resource_id=instance_id, name="claim", now=now, result="Success",
            node_name="node1", message="claimed", detail="for administrators only",
        )  # fmt: skip
    return operation_id


def claim(services: Services, instance_id: str, node_id: str) -> None:
    with services.db.write() as session:
        assert nodes.claim(
            session, consumer_id=instance_id, node_id=node_id, amounts=Amounts(1, 64, 1), project_id="p", user_id="u",
            now=services.clock.now(),
        )  # fmt: skip
