"""The audit finds each kind of difference, names it, and finds none where there is none."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from common.db.models import Allocation, Instance, IpAllocation, Node, Operation, Port, QuotaUsage
from common.ids import new_id
from common.rpc.compute_v1 import PowerState
from common.states import OperationState
from tests.fixtures.api import ApiClient
from tests.fixtures.cloud import Cloud, MakeCloud
from tests.functional.cumulet.rows import add_instance, add_node

PATH = "/cumulet/v1/audit/resources"
REPAIR = {"repair": ["node_used"]}


def _audit(client: ApiClient) -> dict[str, Any]:
    reply = client.get(PATH, "admin")
    assert reply.status_code == 200, reply.text
    return dict(reply.json)


def _kinds(client: ApiClient) -> list[tuple[str, str]]:
    return sorted((row["kind"], row["id"]) for row in _audit(client)["differences"])


@pytest.fixture
def stopped(cloud: Cloud) -> str:
    """A server on a node, shut off, with nothing going on; the cloud is put right by the test or gets what it tolerates."""
    server_id = cloud.active()
    cloud.do(server_id, "os-stop")
    assert _kinds(cloud.api) == []
    cloud.tolerated |= {
        "node_used",
        "allocation",
        "quota",
        "port",
        "address",
        "task",
        "state",
        "domain",
        "open",
        "network",
    }
    return server_id


def _set(cloud: Cloud, model: Any, condition: Any, **values: Any) -> None:
    with cloud.db.write() as session:
        session.execute(sa.update(model).where(condition).values(**values))


def test_a_used_amount_that_drifted_is_found_and_repaired(cloud: Cloud, stopped: str) -> None:
    node = cloud.row(stopped).node_name
    _set(cloud, Node, Node.name == node, used_vcpus=7)
    (row,) = _audit(cloud.api)["differences"]
    assert (row["kind"], row["id"]) == ("node_used", node)
    assert row["expected"].startswith("1 vCPUs")
    assert row["found"].startswith("7 vCPUs")
    assert cloud.api.post(f"{PATH}/repair", "admin", json=REPAIR).json == {"repaired_nodes": 1}
    assert _kinds(cloud.api) == []


def test_claims(cloud: Cloud, stopped: str) -> None:
    other = next(name for name in cloud.nodes if name != cloud.row(stopped).node_name)
    with cloud.db.write() as session:
        there = session.scalars(sa.select(Node.id).where(Node.name == other)).one()
        claim = {"project_id": "p", "vcpus": 0, "memory_mib": 0, "disk_gib": 0, "created_at": cloud.clock.now()}
        session.add(Allocation(consumer_id=stopped, node_id=there, purpose="instance", **claim))
        session.add(Allocation(consumer_id="nobody", node_id=there, purpose="instance", **claim))
    assert _kinds(cloud.api) == [("allocation", stopped), ("allocation", "nobody")]
    with cloud.db.write() as session:
        session.execute(sa.delete(Allocation))
    assert ("allocation", stopped) in _kinds(cloud.api)


def test_a_claim_of_another_size(cloud: Cloud, stopped: str) -> None:
    _set(cloud, Allocation, Allocation.consumer_id == stopped, disk_gib=9)
    assert ("allocation", stopped) in _kinds(cloud.api)


def test_quota(cloud: Cloud, stopped: str) -> None:
    project = cloud.row(stopped).project_id
    _set(cloud, QuotaUsage, QuotaUsage.resource == "ram", in_use=5)
    _set(cloud, QuotaUsage, QuotaUsage.resource == "key_pairs", in_use=9)
    assert [kind for kind, _ in _kinds(cloud.api)] == ["quota", "quota"]
    assert ("quota", project) in _kinds(cloud.api)


def test_ports_and_addresses(cloud: Cloud, stopped: str) -> None:
    with cloud.db.read() as session:
        port = session.scalars(sa.select(Port.id).where(Port.device_id == stopped)).one()
    _set(cloud, Port, Port.id == port, binding_epoch=9)
    assert _kinds(cloud.api) == [("port", port)]
    _set(cloud, Port, Port.id == port, binding_epoch=1)
    _set(cloud, IpAllocation, IpAllocation.port_id == port, ip_address="10.99.0.1")
    assert _kinds(cloud.api) == [("address", port)]


def test_a_port_of_a_server_that_is_gone(cloud: Cloud, stopped: str) -> None:
    with cloud.db.read() as session:
        port = session.scalars(sa.select(Port.id).where(Port.device_id == stopped)).one()
    _set(cloud, Port, Port.id == port, device_id=new_id())
    assert _kinds(cloud.api) == [("port", port)]


def test_tasks_without_operations_and_operations_without_tasks(cloud: Cloud, stopped: str) -> None:
    _set(cloud, Instance, Instance.id == stopped, task_state="powering-on")
    assert _kinds(cloud.api) == [("task", stopped)]
    _set(cloud, Instance, Instance.id == stopped, task_state=None)
    _set(cloud, Operation, Operation.kind == "server_stop", state=OperationState.RUNNING, run_at=cloud.clock.now())
    ((kind, _),) = _kinds(cloud.api)
    assert kind == "task"


def test_a_server_that_is_built_by_nobody(cloud: Cloud, stopped: str) -> None:
    _set(cloud, Instance, Instance.id == stopped, vm_state="building")
    assert _kinds(cloud.api) == [("state", stopped)]


def test_what_the_nodes_hold(make_cloud: MakeCloud) -> None:
    cloud = make_cloud()
    cloud.tolerated |= {"domain", "open"}
    first, second = cloud.active(), cloud.active()
    assert _kinds(cloud.api) == []
    cloud.node_of(first).hypervisor.ensure_absent(first)
    cloud.node_of(second).hypervisor.ensure_stopped(second)
    assert _kinds(cloud.api) == sorted([("domain", first), ("domain", second)])


def test_a_domain_of_a_deleted_server_and_one_that_is_twice(make_cloud: MakeCloud) -> None:
    cloud = make_cloud()
    cloud.tolerated |= {"domain", "open"}
    server_id = cloud.active()
    there = cloud.node_of(server_id)
    other = next(node for node in cloud.nodes.values() if node is not there)
    guest = there.hypervisor._guests[server_id]
    other.hypervisor._keep(guest)
    (row,) = _audit(cloud.api)["differences"]
    assert row["found"] == "on n1, n2"
    cloud.do(server_id, "forceDelete")
    (row,) = _audit(cloud.api)["differences"]
    assert (row["id"], row["expected"]) == (server_id, "no domain: deleted")


def test_a_server_that_is_worked_on_is_not_compared(cloud: Cloud) -> None:
    server_id = cloud.active()
    assert cloud.node_of(server_id).power(server_id) == PowerState.RUNNING
    cloud.node_of(server_id).hypervisor.ensure_stopped(server_id)
    cloud.ok(cloud.act(server_id, "reboot", {"type": "HARD"}))
    assert _kinds(cloud.api) == []
    cloud.run_until_idle()


def test_a_silent_node_is_named_and_no_difference(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.node_of(server_id).die()
    found = _audit(cloud.api)
    assert (found["differences"], found["nodes_silent"]) == ([], [cloud.row(server_id).node_name])
    cloud.node_of(server_id).revive()


def test_every_statement_runs_on_both_databases(api_client: ApiClient, database_url: str) -> None:
    node_id = add_node(api_client.services, "n1")
    placed, lost = add_instance(api_client, "demo", node_id=node_id), add_instance(api_client, "other")
    with api_client.services.db.write() as session:
        session.execute(sa.update(Node).values(used_vcpus=3))
    kinds = _kinds(api_client)
    assert {("allocation", placed), ("node_used", "n1"), ("state", lost)} <= set(kinds)
    assert {kind for kind, _ in kinds} == {"allocation", "node_used", "state", "quota"}
    assert api_client.post(f"{PATH}/repair", "admin", json=REPAIR).json == {"repaired_nodes": 1}


def test_only_administrators(api_client: ApiClient) -> None:
    assert api_client.get(PATH).status_code == 403
    assert api_client.post(f"{PATH}/repair", json=REPAIR).status_code == 403
