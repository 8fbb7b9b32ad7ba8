"""Actions, locks, metadata, tags and history of a server; a stranger's server is as unknown as none."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from common.db.models import Instance, Operation
from common.ids import new_id
from common.rpc import queries_v1
from common.rpc.bus import query_queue
from common.rpc.transport import Incoming
from common.states import VmState
from tests.functional.compute.conftest import NEWEST, URL, Cloud, version


def act(
    cloud: Cloud, server_id: str, action: str, value: Any = None, as_: str = "demo", text: str = "2.104"
) -> TestResponse:
    return cloud.api.post(f"{URL}/servers/{server_id}/action", as_, headers=version(text), json={action: value})


def test_actions_begin_operations(cloud: Cloud) -> None:
    server_id = cloud.active()
    assert act(cloud, server_id, "os-stop").status_code == 202
    busy = act(cloud, server_id, "reboot", {"type": "SOFT"})
    assert busy.status_code == 409
    assert "task_state powering-off" in busy.json["conflictingRequest"]["message"]
    cloud.settle(server_id, VmState.STOPPED)
    assert act(cloud, server_id, "os-stop").status_code == 409
    assert act(cloud, server_id, "os-start").status_code == 202
    cloud.settle(server_id, VmState.ACTIVE)
    assert act(cloud, server_id, "reboot", {"type": "hard"}).status_code == 202
    assert cloud.show(server_id)["status"] == "HARD_REBOOT"
    with cloud.services.db.read() as session:
        kinds = session.scalars(sa.select(Operation.kind).order_by(Operation.created_at)).all()
    assert kinds == ["server_create", "server_stop", "server_start", "server_reboot"]


def test_delete_works_in_every_state(cloud: Cloud) -> None:
    for state in (None, VmState.ACTIVE, VmState.ERROR):
        server_id = cloud.server()
        if state:
            cloud.settle(server_id, state)
        assert cloud.api.delete(f"{URL}/servers/{server_id}", headers=NEWEST).status_code == 204
        assert cloud.show(server_id)["OS-EXT-STS:task_state"] == "deleting"
    assert act(cloud, cloud.server(), "forceDelete").status_code == 202


def test_unknown_actions_and_bad_bodies(cloud: Cloud) -> None:
    server_id = cloud.active()
    unknown = act(cloud, server_id, "levitate", {"to": "a cloud"})
    assert (unknown.status_code, unknown.json["badRequest"]["message"]) == (400, "There is no such action: levitate")
    for action, value in (("reboot", {"type": "GENTLE"}), ("reboot", None), ("lock", {"a": 1})):
        assert act(cloud, server_id, action, value).status_code == 400
    two = cloud.api.post(f"{URL}/servers/{server_id}/action", json={"os-stop": None, "os-start": None})
    assert two.status_code == 400


def test_locks(cloud: Cloud) -> None:
    server_id = cloud.active()
    assert act(cloud, server_id, "lock", {"locked_reason": "test"}, text="2.72").status_code == 202
    assert cloud.show(server_id)["locked_reason"] is None, "no reason was heard of before 2.73"
    assert act(cloud, server_id, "lock", {"locked_reason": "exam"}).status_code == 202
    body = cloud.show(server_id)
    assert (body["locked"], body["locked_reason"]) == (True, "exam")
    refused = act(cloud, server_id, "os-stop")
    assert (refused.status_code, refused.json["conflictingRequest"]["message"]) == (
        409,
        f"Instance {server_id} is locked",
    )
    assert cloud.api.delete(f"{URL}/servers/{server_id}").status_code == 409
    assert cloud.api.put(f"{URL}/servers/{server_id}/metadata", json={"metadata": {}}).status_code == 409
    assert act(cloud, server_id, "unlock").status_code == 202
    act(cloud, server_id, "lock", as_="admin")
    assert act(cloud, server_id, "unlock").status_code == 403  # an administrator's lock
    assert act(cloud, server_id, "os-stop", as_="admin").status_code == 202
    assert act(cloud, server_id, "unlock", as_="admin").status_code == 202


def test_reset_state_is_for_administrators(cloud: Cloud) -> None:
    server_id = cloud.active()
    assert act(cloud, server_id, "os-resetState", {"state": "error"}).status_code == 403
    assert (
        act(cloud, server_id, "os-resetState", {"state": "error"}, "admin").status_code == 409
    )  # its creation is open
    with cloud.services.db.write() as session:
        session.execute(sa.update(Operation).values(state="done"))
    assert act(cloud, server_id, "os-resetState", {"state": "error"}, "admin").status_code == 202
    assert cloud.show(server_id)["status"] == "ERROR"


@pytest.fixture
def console(cloud: Cloud) -> Any:
    """An agent's half of the bus: it answers what it was told to."""
    bus, stop, asked = cloud.services.bus, threading.Event(), []

    def answer(incoming: Incoming) -> None:
        query = queries_v1.decode_query(incoming.body)
        asked.append(query)
        if isinstance(query, queries_v1.Diagnostics):
            data: dict[str, Any] = {"state": "running", "vda_read_bytes": 5, "cpu_time_ns": 7, "memory_rss_kib": 2048}
            bus.answer(incoming, queries_v1.Answer(data=data))
        else:
            bus.answer(incoming, queries_v1.Answer(text="boot\x1b[31m ok\r\nlogin: "))

    thread = threading.Thread(target=bus.consume, args=(query_queue("node1"), answer, stop), daemon=True)
    thread.start()
    yield asked
    stop.set()
    thread.join(10)


def test_console_log_and_diagnostics(cloud: Cloud, console: list[queries_v1.Query]) -> None:
    server_id = cloud.active()
    reply = act(cloud, server_id, "os-getConsoleOutput", {"length": 10})
    assert (reply.status_code, reply.json) == (200, {"output": "boot[31m ok\nlogin: "})
    assert console[0] == queries_v1.ConsoleLog(instance_id=server_id, length=10)
    assert act(cloud, server_id, "os-getConsoleOutput", {"length": "ten"}).status_code == 400
    assert act(cloud, cloud.server(), "os-getConsoleOutput").status_code == 409  # not on a node yet
    url = f"{URL}/servers/{server_id}/diagnostics"
    assert cloud.api.get(url, headers=NEWEST).status_code == 403
    assert cloud.api.get(url, "admin").json["vda_read_bytes"] == 5
    newest = cloud.api.get(url, "admin", headers=NEWEST).json
    assert newest["disk_details"][0]["read_bytes"] == 5
    assert (newest["num_disks"], newest["memory_details"]) == (1, {"maximum": 128, "used": 2})
    assert 0 <= newest["uptime"] < 600


def test_metadata(cloud: Cloud) -> None:
    server_id = cloud.server(metadata={"a": "1"})
    url = f"{URL}/servers/{server_id}/metadata"
    assert cloud.api.get(url).json == {"metadata": {"a": "1"}}
    assert cloud.api.post(url, json={"metadata": {"b": "2"}}).json == {"metadata": {"a": "1", "b": "2"}}
    assert cloud.api.put(f"{url}/a", json={"meta": {"a": "3"}}).json == {"meta": {"a": "3"}}
    assert cloud.api.put(f"{url}/a", json={"meta": {"z": "3"}}).status_code == 400
    assert cloud.api.get(f"{url}/a").json == {"meta": {"a": "3"}}
    assert cloud.api.delete(f"{url}/a").status_code == 204
    assert cloud.api.delete(f"{url}/a").status_code == 404
    assert cloud.api.put(url, json={"metadata": {"c": "4"}}).json == {"metadata": {"c": "4"}}
    many = {f"k{index}": "v" for index in range(129)}
    assert cloud.api.put(url, json={"metadata": many}).status_code == 403
    assert cloud.api.post(url, json={"metadata": {"k" * 256: "v"}}).status_code == 400


def test_tags(cloud: Cloud) -> None:
    server_id = cloud.server()
    url = f"{URL}/servers/{server_id}/tags"
    assert cloud.api.get(url, headers=version("2.25")).status_code == 404
    assert cloud.api.put(f"{url}/blue", headers=NEWEST).status_code == 201
    assert cloud.api.put(f"{url}/blue", headers=NEWEST).status_code == 204
    assert cloud.api.put(f"{url}/{'x' * 61}", headers=NEWEST).status_code == 400
    assert cloud.api.get(f"{url}/blue", headers=NEWEST).status_code == 204
    assert cloud.api.put(url, headers=NEWEST, json={"tags": ["b", "a", "b"]}).json == {"tags": ["a", "b"]}
    assert cloud.api.put(url, headers=NEWEST, json={"tags": [str(n) for n in range(51)]}).status_code == 400
    assert cloud.api.put(url, headers=NEWEST, json={"tags": ["a,b"]}).status_code == 400
    assert cloud.api.delete(f"{url}/a", headers=NEWEST).status_code == 204
    assert cloud.api.delete(f"{url}/a", headers=NEWEST).status_code == 404
    assert cloud.api.delete(url, headers=NEWEST).status_code == 204
    assert cloud.api.get(url, headers=NEWEST).json == {"tags": []}


def test_security_groups(cloud: Cloud) -> None:
    server_id = cloud.active()
    group = {"security_group": {"name": "web"}}
    assert cloud.api.post("/network/v2.0/security-groups", json=group).status_code == 201
    assert act(cloud, server_id, "addSecurityGroup", {"name": "web"}).status_code == 202
    listed = cloud.api.get(f"{URL}/servers/{server_id}/os-security-groups").json["security_groups"]
    assert [row["name"] for row in listed] == ["default", "web"]
    assert act(cloud, server_id, "removeSecurityGroup", {"name": "default"}).status_code == 202
    assert cloud.show(server_id)["security_groups"] == [{"name": "web"}]
    assert act(cloud, server_id, "removeSecurityGroup", {"name": "default"}).status_code == 404
    assert act(cloud, server_id, "addSecurityGroup", {"name": "nope"}).status_code == 404


def test_history(cloud: Cloud) -> None:
    server_id = cloud.active()
    act(cloud, server_id, "os-stop")
    url = f"{URL}/servers/{server_id}/os-instance-actions"
    rows = cloud.api.get(url, headers=NEWEST).json["instanceActions"]
    assert [row["action"] for row in rows] == ["stop", "create"]
    assert "updated_at" not in cloud.api.get(url, headers=version("2.57")).json["instanceActions"][0]
    page = cloud.api.get(url, headers=NEWEST, query_string={"limit": 1}).json
    assert [row["action"] for row in page["instanceActions"]] == ["stop"]
    rest = cloud.api.get(page["links"][0]["href"].removeprefix("http://localhost"), headers=NEWEST).json
    assert [row["action"] for row in rest["instanceActions"]] == ["create"]
    shown = cloud.api.get(f"{url}/{rows[1]['request_id']}", headers=NEWEST).json["instanceAction"]
    assert [event["event"] for event in shown["events"]] == ["transition"] or shown["events"] == []
    assert (
        "events" not in cloud.api.get(f"{url}/{rows[1]['request_id']}", headers=version("2.50")).json["instanceAction"]
    )
    assert cloud.api.get(f"{url}/req-{new_id()}", headers=NEWEST).status_code == 404
    with cloud.services.db.write() as session:
        session.execute(sa.update(Instance).values(deleted=True))
    assert cloud.api.get(url, headers=NEWEST).status_code == 200
    assert cloud.api.get(url, headers=version("2.20")).status_code == 404
    assert cloud.api.get(url, "other", headers=NEWEST).status_code == 404


def test_update(cloud: Cloud) -> None:
    server_id = cloud.active()
    url = f"{URL}/servers/{server_id}"
    change = {
        "name": "new",
        "description": None,
        "accessIPv4": "192.0.2.1",
        "accessIPv6": "2001:DB8::1",
        "OS-DCF:diskConfig": "AUTO",
    }
    body = cloud.api.put(url, headers=NEWEST, json={"server": change}).json["server"]
    assert (body["name"], body["accessIPv4"], body["accessIPv6"]) == ("new", "192.0.2.1", "2001:db8::1")
    for bad in ({"accessIPv4": "::1"}, {"status": "ACTIVE"}, {"tenant_id": "x"}, {"name": ""}):
        assert cloud.api.put(url, headers=NEWEST, json={"server": bad}).status_code == 400, bad
    assert cloud.api.put(url, "reader", headers=NEWEST, json={"server": {"name": "x"}}).status_code == 403


SUB_RESOURCES = [
    ("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/metadata"), ("PUT", "/metadata"), ("POST", "/metadata"),
    ("GET", "/metadata/a"), ("PUT", "/metadata/a"), ("DELETE", "/metadata/a"), ("GET", "/tags"), ("PUT", "/tags"),
    ("DELETE", "/tags"), ("GET", "/tags/a"), ("PUT", "/tags/a"), ("DELETE", "/tags/a"), ("GET", "/ips"),
    ("GET", "/ips/private"), ("GET", "/os-interface"), ("GET", "/os-interface/x"), ("GET", "/os-volume_attachments"),
    ("GET", "/os-instance-actions"), ("GET", "/os-security-groups"), ("POST", "/action"),
]  # fmt: skip
BODIES: dict[str, Any] = {
    "": {"server": {"name": "x"}}, "/metadata": {"metadata": {"a": "b"}}, "/metadata/a": {"meta": {"a": "b"}},
    "/tags": {"tags": ["a"]}, "/action": {"os-stop": None},
}  # fmt: skip


@pytest.mark.parametrize(("method", "path"), SUB_RESOURCES)
def test_a_strangers_server_is_unknown(cloud: Cloud, method: str, path: str) -> None:
    server_id, nobody = cloud.active(metadata={"a": "1"}, tags=["a"]), new_id()
    body = BODIES.get(path) if method in ("PUT", "POST") else None
    found = [
        cloud.api.request(method, f"{URL}/servers/{identity}{path}", "other", headers=NEWEST, json=body)
        for identity in (server_id, nobody)
    ]
    assert [reply.status_code for reply in found] == [404, 404]
    assert found[0].json["itemNotFound"]["message"] == found[1].json["itemNotFound"]["message"].replace(
        nobody, server_id
    )
