"""Snapshots of attached volumes that another service asks the compute service for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from common.db.models import Operation
from common.ids import new_id
from tests.fixtures.cloud import COMPUTE, Cloud
from tests.functional.cloud.test_volumes import VOLUME, attach, beside, make, show, used

ASSISTED = f"{COMPUTE}/os-assisted-volume-snapshots"


def ask(cloud: Cloud, volume_id: str, snapshot_id: str, as_: str = "service", **more: Any) -> Any:
    info = {"snapshot_id": snapshot_id, "type": "qcow2", "new_file": "volume-1.snap", **more}
    return cloud.api.post(ASSISTED, as_, json={"snapshot": {"volume_id": volume_id, "create_info": info}})


def drop(cloud: Cloud, volume_id: str, snapshot_id: str, as_: str = "service", version: str = "2.1") -> Any:
    info = {"delete_info": json.dumps({"volume_id": volume_id, "type": "qcow2", "file_to_merge": None})}
    headers = {"OpenStack-API-Version": f"compute {version}"}
    return cloud.api.delete(f"{ASSISTED}/{snapshot_id}", as_, query_string=info, headers=headers)


def snapshots(cloud: Cloud, as_: str = "demo") -> dict[str, str]:
    found = cloud.ok(cloud.api.get(f"{VOLUME}/snapshots/detail", as_))["snapshots"]
    return {each["id"]: each["status"] for each in found}


def attached(cloud: Cloud, **wanted: Any) -> tuple[str, str]:
    server_id, volume_id = beside(cloud, **wanted)
    cloud.ok(attach(cloud, server_id, volume_id))
    cloud.run_until_idle()
    return server_id, volume_id


@pytest.mark.parametrize("version", ["2.1", "2.104"])
def test_it_is_a_snapshot_like_any_other_under_the_id_that_was_given(cloud: Cloud, version: str) -> None:
    _server_id, volume_id = attached(cloud)
    first, second, (volumes, _, gib) = new_id(), new_id(), used(cloud)
    assert ask(cloud, volume_id, first.upper()).json == {"snapshot": {"id": first, "volumeId": volume_id}}
    assert snapshots(cloud) == {first: "creating"}
    cloud.run_until_idle()
    assert cloud.ok(ask(cloud, volume_id, second, "admin", id="mine"))["snapshot"]["id"] == "mine"
    cloud.run_until_idle()
    assert snapshots(cloud) == {first: "available", second: "available"}
    assert (snapshots(cloud, "other"), used(cloud)) == ({}, (volumes, 2, gib + 2))
    made = cloud.ok(cloud.api.post(f"{VOLUME}/volumes", json={"volume": {"snapshot_id": first}}))["volume"]["id"]
    cloud.run_until_idle()
    assert show(cloud, made)["status"] == "available"
    assert cloud.api.delete(f"{VOLUME}/snapshots/{first}").status_code == 202, "either service deletes it"
    cloud.run_until_idle()
    gone = drop(cloud, volume_id, second, version=version)
    assert (gone.status_code, gone.data) == (204, b"")
    cloud.run_until_idle()
    assert (snapshots(cloud), used(cloud)) == ({}, (volumes + 1, 0, gib + 1))
    cloud.assert_sound()


def open_kinds(cloud: Cloud) -> list[str]:
    return [each.kind for each in cloud.open_operations()]


def test_it_may_go_while_it_is_made_and_is_gone_before_its_volume_is_free(cloud: Cloud) -> None:
    server_id, volume_id = attached(cloud)
    volumes, _, gib = used(cloud)
    node = cloud.node_of(server_id)
    cloud.ok(ask(cloud, volume_id, snapshot_id := new_id()))
    cloud.tick()
    cloud.tick()
    node.die()  # with the command in its inbox, so that the deletion begins to wait for the creation
    assert drop(cloud, volume_id, snapshot_id).status_code == 204
    cloud.run_for(1)
    node.revive()
    while "snapshot_create" in open_kinds(cloud):
        cloud.tick()
        cloud.clock.advance(0.01)
    assert open_kinds(cloud) == ["snapshot_delete"]
    path = f"{COMPUTE}/servers/{server_id}/os-volume_attachments/{volume_id}"
    assert cloud.api.delete(path).status_code == 202
    while show(cloud, volume_id)["status"] != "available":
        cloud.tick()
        cloud.clock.advance(0.01)
    assert snapshots(cloud) == {}
    assert cloud.api.delete(f"{VOLUME}/volumes/{volume_id}").status_code == 202
    cloud.run_until_idle()
    assert used(cloud) == (volumes - 1, 0, gib - 1)
    cloud.assert_sound()


def test_what_is_refused(cloud: Cloud) -> None:
    server_id, volume_id = attached(cloud)
    free, snapshot_id = make(cloud), new_id()
    for persona in ("demo", "manager", "other"):
        assert ask(cloud, volume_id, new_id(), persona).status_code == 403
        assert drop(cloud, volume_id, snapshot_id, persona).status_code == 403
    cloud.ok(ask(cloud, volume_id, snapshot_id))
    cloud.run_until_idle()
    with cloud.db.read() as session:
        operation_id = session.query(Operation.id).limit(1).scalar()
    for taken in (snapshot_id, server_id, volume_id, free, operation_id, cloud.row(server_id).node_id or ""):
        assert ask(cloud, volume_id, taken).status_code == 400, "an id is given once"
    for of in (new_id(), free):
        refused = ask(cloud, of, new_id())
        assert refused.status_code == 400
        assert "No volume Block Device Mapping" in refused.text
        assert drop(cloud, of, snapshot_id).status_code == 400
    for bad in ({"type": "raw"}, {"new_file": ""}, {"snapshot_id": "x"}, {"more": 1}, {"id": None}):
        assert ask(cloud, volume_id, **{"snapshot_id": new_id(), **bad}).status_code == 400, bad
    assert drop(cloud, volume_id, new_id()).status_code == 404
    other_server, other_volume = attached(cloud)
    assert drop(cloud, other_volume, snapshot_id).status_code == 404, "it is of another volume"
    for bad_info in ("", "x", "[]", "{}", '{"volume_id": 1}', "[" * 100_000):
        reply = cloud.api.delete(f"{ASSISTED}/{snapshot_id}", "service", query_string={"delete_info": bad_info})
        assert reply.status_code == 400, bad_info[:20]
    strange = {"delete_info": json.dumps({"volume_id": volume_id}), "more": "1"}
    newer = {"OpenStack-API-Version": "compute 2.75"}
    assert (
        cloud.api.delete(f"{ASSISTED}/{snapshot_id}", "service", query_string=strange, headers=newer).status_code == 400
    )
    assert cloud.act(other_server, "reboot", {"type": "HARD"}).status_code == 202
    busy = ask(cloud, other_volume, new_id())
    assert (busy.status_code, "task_state" in busy.text) == (400, True)
    cloud.run_until_idle()
    cloud.do(other_server, "shelve")
    assert ask(cloud, other_volume, new_id()).status_code == 400, "its server is on no node"
    limit = {"quota_set": {"snapshots": 1}}
    cloud.ok(cloud.api.put(f"{VOLUME}/os-quota-sets/{cloud.api.project_id('demo')}", "admin", json=limit))
    assert ask(cloud, volume_id, new_id()).status_code == 403
    assert snapshots(cloud) == {snapshot_id: "available"}
