"""Other types and other nodes for volumes: what changes, what is counted, where files are, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from api.compute.operations import server_volumes
from common.context import RequestContext
from common.db import quotas
from common.errors import Conflict
from common.ids import new_request_id
from tests.fixtures.cloud import COMPUTE, Cloud, CloudNode
from tests.functional.cloud.test_served_volumes import exports, serve
from tests.functional.cloud.test_volumes import VOLUME, act, attach, beside, make, show


def kind(cloud: Cloud, name: str, **extra_specs: str) -> str:
    body = {"volume_type": {"name": name, "extra_specs": extra_specs}}
    return str(cloud.ok(cloud.api.post(f"{VOLUME}/types", "admin", json=body))["volume_type"]["id"])


def files(cloud: Cloud, volume_id: str) -> dict[str, list[str]]:
    """The volume's files, by node."""
    found = {
        node.name: [path.name for path in (node.state_dir / "volumes").glob(f"{volume_id}*")]
        for node in cloud.nodes.values()
    }
    return {name: each for name, each in found.items() if each}


def host_of(cloud: Cloud, volume_id: str) -> str:
    return str(show(cloud, volume_id, "admin")["os-vol-host-attr:host"])


def another(cloud: Cloud, volume_id: str) -> CloudNode:
    return next(node for node in cloud.nodes.values() if node.name != host_of(cloud, volume_id).partition("@")[0])


def refused(reply: Any, *words: str) -> None:
    assert reply.status_code == 400, reply.text
    assert all(word in reply.text for word in words), reply.text


def retype(cloud: Cloud, volume_id: str, new_type: str, policy: str = "never") -> Any:
    return act(cloud, volume_id, "os-retype", new_type=new_type, migration_policy=policy)


def migrate(cloud: Cloud, volume_id: str, host: str, **more: Any) -> Any:
    return act(cloud, volume_id, "os-migrate_volume", "admin", host=host, **more)


def test_another_type_where_it_is(cloud: Cloud) -> None:
    type_id = kind(cloud, "fast", storage_protocol="file")
    volume_id = make(cloud, size=2)
    cloud.ok(cloud.api.post(f"{VOLUME}/snapshots", json={"snapshot": {"volume_id": volume_id}}))
    cloud.run_until_idle()
    assert retype(cloud, volume_id, "fast").status_code == 202
    assert show(cloud, volume_id)["status"] == "retyping"
    cloud.run_until_idle()
    shown = show(cloud, volume_id, "admin")
    assert (shown["status"], shown["volume_type"], shown["migration_status"]) == ("available", "fast", None)
    with cloud.db.read() as session:
        used = quotas.usage(session, cloud.api.project_id("demo"))
    assert (used[f"volumes_{type_id}"], used[f"snapshots_{type_id}"], used[f"gigabytes_{type_id}"]) == (1, 1, 4)
    refused(retype(cloud, volume_id, "fast"), "same as original")
    refused(retype(cloud, volume_id, "none"), "Invalid volume_type")
    kind(cloud, "magic", storage_protocol="telepathy")
    for policy in ("never", "on-demand"):
        assert retype(cloud, volume_id, "magic", policy).status_code == 202
        cloud.run_until_idle()
        assert (show(cloud, volume_id)["status"], show(cloud, volume_id)["volume_type"]) == ("available", "fast")
    messages = cloud.ok(cloud.api.get(f"{VOLUME}/messages", headers={"OpenStack-API-Version": "volume 3.71"}))[
        "messages"
    ]
    assert {each["event_id"].partition("_020_")[0] for each in messages} == {"VOLUME_VOLUME"}
    kind(cloud, "several", multiattach="<is> True")
    assert retype(cloud, volume_id, "several").status_code == 202
    cloud.run_until_idle()
    assert show(cloud, volume_id)["multiattach"] is True
    ((name,),) = files(cloud, volume_id).values()
    assert name.endswith(".raw"), "what several servers have is raw, and the other file is gone"
    secret = kind(cloud, "secret")
    luks = {"encryption": {"provider": "luks", "control_location": "front-end"}}
    cloud.ok(cloud.api.post(f"{VOLUME}/types/{secret}/encryption", "admin", json=luks))
    refused(retype(cloud, volume_id, "secret"), "encrypted")
    cloud.assert_sound()


def test_a_volume_moves_to_another_node_and_leaves_nothing_behind(cloud: Cloud) -> None:
    serve(cloud)
    volume_id = make(cloud)
    before, there = host_of(cloud, volume_id), another(cloud, volume_id)
    assert migrate(cloud, volume_id, f"{there.name}@files#files", lock_volume=True).status_code == 202
    shown = show(cloud, volume_id, "admin")
    assert (shown["status"], shown["migration_status"]) == ("maintenance", "migrating")
    refused(act(cloud, volume_id, "os-extend", new_size=2), "maintenance")
    cloud.run_until_idle()
    shown = show(cloud, volume_id, "admin")
    assert (shown["status"], shown["migration_status"]) == ("available", "success")
    assert shown["os-vol-host-attr:host"] == f"{there.name}@files#files" != before
    assert (list(files(cloud, volume_id)), exports(cloud)) == ([there.name], {})
    refused(migrate(cloud, volume_id, f"{there.name}@files#files"), "must be different")
    refused(migrate(cloud, volume_id, "nowhere@files"), "No available service")
    assert act(cloud, volume_id, "os-migrate_volume", host=before).status_code == 403
    other_id = make(cloud)
    refused(act(cloud, volume_id, "os-migrate_volume_completion", "admin", new_volume=other_id), "no migration")
    assert retype(cloud, volume_id, "anywhere", "on-demand").status_code == 202
    cloud.run_until_idle()
    shown = show(cloud, volume_id, "admin")
    assert (shown["volume_type"], shown["migration_status"]) == ("anywhere", "success")
    assert shown["os-vol-host-attr:host"] == f"{there.name}@nbd#nbd", "another back end of its node will do"
    assert [name[-4:] for names in files(cloud, volume_id).values() for name in names] == [".raw"]
    cloud.assert_sound()


@pytest.mark.full
@pytest.mark.parametrize("dies", ["here", "there"])
def test_a_node_that_falls_silent_loses_nothing_and_is_cleared_when_it_is_back(cloud: Cloud, dies: str) -> None:
    serve(cloud)
    volume_id = make(cloud)
    here, there = cloud.nodes[host_of(cloud, volume_id).partition("@")[0]], another(cloud, volume_id)
    assert migrate(cloud, volume_id, there.name).status_code == 202
    silent = here if dies == "here" else there
    while there.name not in files(cloud, volume_id):
        assert cloud.tick()
    silent.die()
    cloud.run_for(120)
    shown = show(cloud, volume_id, "admin")
    assert shown["status"] == "available"
    at = there if shown["migration_status"] == "success" else here
    assert files(cloud, volume_id)[at.name]
    silent.revive()
    cloud.run_for(120)
    assert (list(files(cloud, volume_id)), exports(cloud)) == ([at.name], {})
    cloud.assert_sound()


def test_what_can_not_move_is_refused(cloud: Cloud) -> None:
    server_id, attached = beside(cloud)
    volume_id = make(cloud)
    there = another(cloud, volume_id)
    refused(migrate(cloud, volume_id, there.name), "nbd_cert_file")
    cloud.ok(attach(cloud, server_id, attached))
    cloud.run_until_idle()
    refused(migrate(cloud, attached, another(cloud, attached).name), "attached")
    swap = f"{COMPUTE}/servers/{server_id}/os-volume_attachments/{attached}"
    assert cloud.api.put(swap, "admin", json={"volumeAttachment": {"volumeId": volume_id}}).status_code == 403
    service = RequestContext(
        request_id=new_request_id(), user_id="", project_id=cloud.api.project_id("demo"), roles=frozenset({"service"})
    )
    with pytest.raises(Conflict, match="is not migrating"):
        server_volumes.refuse_swap(cloud.services, service, server_id, attached)
    kind(cloud, "several", multiattach="<is> True")
    refused(retype(cloud, attached, "several"), "can't change now")
    snapped = make(cloud)
    cloud.ok(cloud.api.post(f"{VOLUME}/snapshots", json={"snapshot": {"volume_id": snapped}}))
    cloud.run_until_idle()
    refused(migrate(cloud, snapped, another(cloud, snapped).name), "snapshots")
    for node in cloud.nodes.values():
        node.share_volumes(node.state_dir.parent / "shared")
    cloud.run_for(10)
    (node.state_dir.parent / "shared" / volume_id).touch()
    refused(migrate(cloud, volume_id, there.name, force_host_copy=True), "one folder")
    assert migrate(cloud, volume_id, there.name).status_code == 202
    cloud.run_until_idle()
    assert host_of(cloud, volume_id).startswith(f"{there.name}@")
    assert (node.state_dir.parent / "shared" / volume_id).exists(), "its file need not move"
    cloud.assert_sound()
