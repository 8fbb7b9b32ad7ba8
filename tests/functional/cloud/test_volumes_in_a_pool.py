"""Volumes in a Ceph pool on the whole cloud: any node that reaches the pool has them, and they take no node's disk.

A folder stands for the pool; tests/functional/test_rbd_volumes.py is about a real one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.db import node_life, nodes
from tests.fixtures.cloud import COMPUTE, Cloud
from tests.functional.cloud.test_boot_from_volume import disk, on_volume, root, root_of
from tests.functional.cloud.test_volume_moves import another, files, host_of, kind, migrate, refused, retype
from tests.functional.cloud.test_volumes import NEWEST, VOLUME, act, attach, devices, make, show, used

DETACH = "/compute/v2.1/servers/{}/os-volume_attachments/{}"


def reach(cloud: Cloud, *names: str, backends: str = "files,rbd") -> None:
    """These nodes have the back end rbd, too."""
    for name in names:
        node = cloud.nodes[name]
        told = replace(node.config.storage, volume_backends=backends, fake_pool=str(pool_of(cloud)))
        node.config = replace(node.config, storage=told)
        node.restart()
    cloud.run_for(10)


def pool_of(cloud: Cloud) -> Path:
    return next(iter(cloud.nodes.values())).state_dir.parent / "pool"


def in_pool(cloud: Cloud, volume_id: str) -> list[str]:
    return [path.name for path in pool_of(cloud).glob(f"{volume_id}*")]


@pytest.fixture
def pool(cloud: Cloud) -> Cloud:
    """Both nodes reach one pool, and the type `ceph` asks for it."""
    reach(cloud, *cloud.nodes)
    kind(cloud, "ceph", volume_backend_name="rbd")
    return cloud


def elsewhere(cloud: Cloud) -> tuple[str, str]:
    """A server, and a volume in the pool that another node works on."""
    server_id = cloud.active()
    for _ in range(8):
        volume_id = make(cloud, volume_type="ceph")
        if host_of(cloud, volume_id) != f"{cloud.node_of(server_id).name}@rbd#rbd":
            return server_id, volume_id
    raise AssertionError("no volume came to the other node")


def test_a_volume_is_a_disk_on_any_node_and_takes_none_of_its_room(pool: Cloud) -> None:
    server_id, volume_id = elsewhere(pool)
    assert (len(in_pool(pool, volume_id)), files(pool, volume_id)) == (1, {})
    with pool.db.read() as session:
        before = sum(node.used_disk_gib for node, _ in nodes.with_services(session))
    pool.ok(attach(pool, server_id, volume_id))
    pool.run_until_idle()
    assert devices(pool, server_id) == ["vdb"]
    assert act(pool, volume_id, "os-extend", new_size=5).status_code == 202  # attached
    pool.run_until_idle()
    reply = pool.api.post(f"{VOLUME}/snapshots", json={"snapshot": {"volume_id": volume_id, "force": True}})
    pool.run_until_idle()
    snapshot = pool.ok(pool.api.get(f"{VOLUME}/snapshots/{pool.ok(reply)['snapshot']['id']}"))["snapshot"]
    assert (snapshot["status"], show(pool, volume_id)["size"]) == ("available", 5)
    kind(pool, "plain", storage_protocol="file")
    clone_id = make(pool, size=5, snapshot_id=snapshot["id"], volume_type="ceph")
    local_id = make(pool, size=5, source_volid=volume_id, volume_type="plain")
    assert [show(pool, each)["status"] for each in (clone_id, local_id)] == ["available", "available"]
    assert (len(in_pool(pool, clone_id)), in_pool(pool, local_id)) == (1, [])
    with pool.db.read() as session:
        assert sum(node.used_disk_gib for node, _ in nodes.with_services(session)) == before + 5  # local_id's
    pool.ok(pool.api.delete(DETACH.format(server_id, volume_id)))
    pool.run_until_idle()
    back = pool.api.post(
        f"{VOLUME}/volumes/{volume_id}/action", headers=NEWEST, json={"revert": {"snapshot_id": snapshot["id"]}}
    )
    assert back.status_code == 202, back.text
    pool.run_until_idle()
    assert show(pool, volume_id)["status"] == "available"
    refused(act(pool, volume_id, "os-unmanage", "admin"), "come from no files")
    pool.ok(pool.api.delete(f"{VOLUME}/snapshots/{snapshot['id']}"))
    pool.run_until_idle()
    for each in (volume_id, clone_id, local_id):
        pool.ok(pool.api.delete(f"{VOLUME}/volumes/{each}"))
    pool.run_until_idle()
    assert (in_pool(pool, ""), used(pool)) == (["notes"], (0, 0, 0))
    pool.assert_sound()


def test_only_nodes_that_reach_the_pool_get_servers_with_its_volumes(cloud: Cloud) -> None:
    reach(cloud, "n1")
    kind(cloud, "ceph", volume_backend_name="rbd")
    volume_id = make(cloud, volume_type="ceph")
    while cloud.node_of(server_id := cloud.active()).name == "n1":
        pass
    reply = attach(cloud, server_id, volume_id)
    assert (reply.status_code, "does not reach" in reply.text) == (409, True)
    refused(migrate(cloud, volume_id, "n2"), "does not reach")
    assert act(cloud, volume_id, "os-set_bootable", bootable=True).status_code == 200
    second = disk("blank", volume_size=1, volume_type="ceph", delete_on_termination=True)
    booted = on_volume(cloud, root("volume", volume_id), second)
    assert (cloud.node_of(booted).name, devices(cloud, booted)) == ("n1", ["vda", "vdb"])
    cloud.ok(cloud.api.put(f"{COMPUTE}/os-services/disable", "admin", json={"binary": "nova-compute", "host": "n1"}))
    other_id = make(cloud)
    assert host_of(cloud, other_id).startswith("n2@files")
    cloud.ok(cloud.act(booted, "migrate", as_="admin"))
    cloud.run_until_idle()
    assert (cloud.node_of(booted).name, cloud.status(booted)) == ("n1", "ACTIVE")
    assert "on_same_node" in str(cloud.why(booted, "admin"))
    cloud.assert_sound()


@pytest.mark.full
@pytest.mark.parametrize("how", ["migrate", "shelve"])
def test_a_server_moves_and_keeps_its_volumes(pool: Cloud, how: str) -> None:
    server_id = on_volume(pool, root("image", pool.image_id, volume_size=1, volume_type="ceph"))
    root_id, former = root_of(pool, server_id), pool.node_of(server_id)
    second_id = make(pool, volume_type="ceph")
    pool.ok(attach(pool, server_id, second_id))
    pool.run_until_idle()
    if how == "migrate":
        pool.ok(pool.act(server_id, "migrate", as_="admin"))
        pool.run_until_idle()
        pool.do(server_id, "confirmResize")
    else:
        pool.do(server_id, "shelve")
        body = {"binary": "nova-compute", "host": former.name}
        pool.ok(pool.api.put(f"{COMPUTE}/os-services/disable", "admin", json=body))
        pool.do(server_id, "unshelve")
    assert pool.status(server_id) == "ACTIVE", pool.operations(server_id)[0].error
    assert pool.node_of(server_id) is not former
    assert devices(pool, server_id) == ["vda", "vdb"]
    assert [show(pool, each)["status"] for each in (root_id, second_id)] == ["in-use", "in-use"]
    pool.assert_sound()


def test_a_cloud_without_local_volumes_makes_what_servers_boot_from_in_the_pool(cloud: Cloud) -> None:
    reach(cloud, *cloud.nodes, backends="rbd")
    server_id = on_volume(cloud, root("image", cloud.image_id, volume_size=1))
    root_id = root_of(cloud, server_id)
    assert (len(in_pool(cloud, root_id)), files(cloud, root_id)) == (1, {})
    assert host_of(cloud, root_id) == f"{cloud.node_of(server_id).name}@rbd#rbd"
    assert devices(cloud, server_id) == ["vda"]
    cloud.assert_sound()


def test_volumes_come_from_files_and_go_back(pool: Cloud) -> None:
    """By another type, and by the name of a back end; what is claimed on the nodes follows."""

    def claimed() -> dict[str, int]:
        with pool.db.read() as session:
            return {node.name: node.used_disk_gib for node, _ in nodes.with_services(session)}

    volume_id = make(pool, size=3)
    home = host_of(pool, volume_id).partition("@")[0]
    assert retype(pool, volume_id, "ceph", "on-demand").status_code == 202
    pool.run_until_idle()
    assert host_of(pool, volume_id) == f"{home}@rbd#rbd", show(pool, volume_id, "admin")
    assert (len(in_pool(pool, volume_id)), files(pool, volume_id), set(claimed().values())) == (1, {}, {0})
    other = another(pool, volume_id).name
    assert migrate(pool, volume_id, f"{other}@rbd").status_code == 202
    pool.run_until_idle()
    assert (host_of(pool, volume_id), len(in_pool(pool, volume_id))) == (f"{other}@rbd#rbd", 1)
    kind(pool, "plain", storage_protocol="file")
    assert retype(pool, volume_id, "plain", "on-demand").status_code == 202
    pool.run_until_idle()
    assert (host_of(pool, volume_id), in_pool(pool, volume_id)) == (f"{other}@files#files", [])
    assert (list(files(pool, volume_id)), claimed()) == ([other], {other: 3, home: 0})
    pool.assert_sound()


@pytest.mark.full
def test_when_its_node_is_off_another_works_on_a_volume(pool: Cloud) -> None:
    server_id, volume_id = elsewhere(pool)
    snapshot = pool.api.post(f"{VOLUME}/snapshots", json={"snapshot": {"volume_id": volume_id}})
    snapshot_id = pool.ok(snapshot)["snapshot"]["id"]
    pool.run_until_idle()
    dead = pool.nodes[host_of(pool, volume_id).partition("@")[0]]
    dead.die()
    pool.run_for(100)
    pool.ok(pool.api.delete(f"{VOLUME}/snapshots/{snapshot_id}"))
    pool.run_for(5)
    assert status_of(pool, snapshot_id) == "error_deleting", "a node that is silent may still write"
    with pool.db.write() as session:
        row = nodes.by_name(session, dead.name)
        assert row is not None
        assert node_life.give_up(session, row.id, pool.clock.now())
    pool.ok(pool.api.delete(f"{VOLUME}/snapshots/{snapshot_id}"))
    pool.run_for(5)
    assert status_of(pool, snapshot_id) == ""
    assert host_of(pool, volume_id) == f"{pool.node_of(server_id).name}@rbd#rbd"
    pool.ok(attach(pool, server_id, volume_id))
    pool.run_for(5)
    assert (show(pool, volume_id)["status"], devices(pool, server_id)) == ("in-use", ["vdb"])


def status_of(cloud: Cloud, snapshot_id: str) -> str:
    reply = cloud.api.get(f"{VOLUME}/snapshots/{snapshot_id}")
    return "" if reply.status_code == 404 else str(cloud.ok(reply)["snapshot"]["status"])


def test_a_pool_says_that_no_node_knows_its_room(pool: Cloud) -> None:
    found: Any = pool.ok(pool.api.get(f"{VOLUME}/scheduler-stats/get_pools?detail=true", "admin", headers=NEWEST))[
        "pools"
    ]
    said = {each["name"]: each["capabilities"] for each in found}["n1@rbd#rbd"]
    wanted = {"storage_protocol": "ceph", "free_capacity_gb": "unknown", "online_extend_support": True}
    assert {name: said[name] for name in wanted} == wanted
