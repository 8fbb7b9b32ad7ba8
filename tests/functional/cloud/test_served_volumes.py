"""Volumes served over NBD on the whole cloud: by type, to a server on another node, and what becomes of the exports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from common.db.models import VolumeExport
from tests.fixtures.cloud import COMPUTE, Cloud, CloudNode
from tests.functional.cloud.test_boot_from_volume import attached, disk, on_volume, root, root_of
from tests.functional.cloud.test_volumes import NEWEST, VOLUME, act, attach, devices, make, show, used

DETACH = "/compute/v2.1/servers/{}/os-volume_attachments/{}"


def serve(cloud: Cloud, *, certificates: bool = True) -> None:
    """Both nodes have the back ends files and nbd, and the type `anywhere` asks for the second."""
    for node in cloud.nodes.values():
        told = replace(
            node.config.storage, volume_backends="files,nbd", nbd_cert_file="node.pem" if certificates else ""
        )  # fmt: skip
        node.config = replace(node.config, storage=told)
        node.restart()
    cloud.run_for(10)
    body = {"volume_type": {"name": "anywhere", "extra_specs": {"volume_backend_name": "nbd"}}}
    cloud.ok(cloud.api.post(f"{VOLUME}/types", "admin", json=body))


def elsewhere(cloud: Cloud) -> tuple[str, str, CloudNode]:
    """A server, a volume of the type on the other node, and that node."""
    server_id = cloud.active()
    for _ in range(6):
        volume_id = make(cloud, volume_type="anywhere")
        host = show(cloud, volume_id, "admin")["os-vol-host-attr:host"]
        assert host.endswith("@nbd#nbd")
        if host.partition("@")[0] != cloud.node_of(server_id).name:
            return server_id, volume_id, cloud.nodes[host.partition("@")[0]]
    raise AssertionError("no volume came to the other node")


def exports(cloud: Cloud) -> dict[str, str]:
    """The node that has each, by the node that serves it; the database knows the same ones."""
    served = {
        node.name: {path.name for path in (node.state_dir / "volumes-served" / "exports").iterdir()}
        for node in cloud.nodes.values()
    }
    with cloud.db.read() as session:
        rows = session.scalars(sa.select(VolumeExport)).all()
    assert {row.id for row in rows} == {each for found in served.values() for each in found}
    return {name: row.client_name for row in rows for name, found in served.items() if row.id in found}


def connections(node: CloudNode) -> int:
    return len(list((node.state_dir / "volumes-served" / "connections").iterdir()))


def test_a_volume_is_served_to_the_node_of_its_server(cloud: Cloud) -> None:
    serve(cloud)
    server_id, volume_id, store = elsewhere(cloud)
    cloud.ok(attach(cloud, server_id, volume_id))
    cloud.run_until_idle()
    assert show(cloud, volume_id)["status"] == "in-use"
    node = cloud.node_of(server_id)
    assert (exports(cloud), connections(node), devices(cloud, server_id)) == ({store.name: node.name}, 1, ["vdb"])
    cloud.ok(act(cloud, volume_id, "os-extend", new_size=2))
    cloud.run_until_idle()
    grown = show(cloud, volume_id)
    assert (grown["status"], grown["size"]) == ("in-use", 2)
    assert (exports(cloud), connections(node)) == ({store.name: node.name}, 1)
    reply = cloud.api.post(f"{VOLUME}/snapshots", json={"snapshot": {"volume_id": volume_id, "force": True}})
    cloud.run_until_idle()
    snapshot = cloud.ok(cloud.api.get(f"{VOLUME}/snapshots/{cloud.ok(reply)['snapshot']['id']}"))["snapshot"]
    assert snapshot["status"] == "available"
    for action in ("os-stop", "os-start"):  # the spec of every start says how the volume is reached
        cloud.do(server_id, action)
    assert devices(cloud, server_id) == ["vdb"]
    cloud.ok(cloud.api.delete(DETACH.format(server_id, volume_id)))
    cloud.run_until_idle()
    assert show(cloud, volume_id)["status"] == "available"
    assert (exports(cloud), connections(node), devices(cloud, server_id)) == ({}, 0, [])
    assert act(cloud, volume_id, "os-extend", new_size=3).status_code == 202
    cloud.run_until_idle()
    cloud.assert_sound()


def test_a_server_boots_from_what_another_node_serves(cloud: Cloud) -> None:
    """And has a second disk that is made for it, wherever there is room."""
    serve(cloud)
    server_id, root_id, store = elsewhere(cloud)
    (node,) = (each for each in cloud.nodes.values() if each is not store)
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert act(cloud, root_id, "os-set_bootable", bootable=True).status_code == 200
    second = disk("blank", volume_size=1, volume_type="anywhere", delete_on_termination=True)
    body = {"binary": "nova-compute", "host": store.name}
    cloud.ok(cloud.api.put(f"{COMPUTE}/os-services/disable", "admin", json=body))
    server_id = on_volume(cloud, root("volume", root_id), second)
    assert cloud.node_of(server_id) is node
    ids = attached(cloud, server_id)
    assert [show(cloud, each, "admin")["status"] for each in ids] == ["in-use", "in-use"]
    assert devices(cloud, server_id) == ["vda", "vdb"]
    assert (set(exports(cloud).values()), connections(node)) == ({node.name}, 2)
    for action, value in (("os-stop", None), ("os-start", None), ("rebuild", {"imageRef": cloud.image_id})):
        cloud.do(server_id, action, value)
        assert cloud.operations(server_id)[-1].state == "done", (action, cloud.operations(server_id)[-1].error)
    assert (root_of(cloud, server_id), connections(node), len(exports(cloud))) == (root_id, 2, 2)
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert (show(cloud, root_id)["status"], exports(cloud), connections(node)) == ("available", {}, 0)
    assert cloud.api.get(f"{VOLUME}/volumes/{ids[1]}").status_code == 404, "it was to go with the server"
    cloud.assert_sound()


def test_a_shelved_server_gets_its_volumes_on_whichever_node_it_comes_back(cloud: Cloud) -> None:
    serve(cloud)
    server_id, volume_id, store = elsewhere(cloud)
    cloud.ok(attach(cloud, server_id, volume_id))
    cloud.run_until_idle()
    former = cloud.node_of(server_id)
    cloud.do(server_id, "shelve")
    assert cloud.status(server_id) == "SHELVED_OFFLOADED"
    assert (show(cloud, volume_id)["status"], exports(cloud), connections(former)) == ("in-use", {}, 0)
    later_id = make(cloud, volume_type="anywhere")
    cloud.ok(attach(cloud, server_id, later_id))
    cloud.run_until_idle()
    body = {"binary": "nova-compute", "host": former.name}
    cloud.ok(cloud.api.put(f"{COMPUTE}/os-services/disable", "admin", json=body))
    cloud.do(server_id, "unshelve")
    assert (cloud.status(server_id), cloud.node_of(server_id)) == ("ACTIVE", store)
    assert (set(exports(cloud).values()), len(exports(cloud)), connections(store)) == ({store.name}, 2, 2)
    assert devices(cloud, server_id) == ["vdb", "vdc"]
    for each in (volume_id, later_id):
        cloud.ok(cloud.api.delete(DETACH.format(server_id, each)))
        cloud.run_until_idle()
        assert show(cloud, each)["status"] == "available"
    assert (exports(cloud), connections(store)) == ({}, 0)
    cloud.assert_sound()


@pytest.mark.parametrize("ends", ["confirmResize", "revertResize", "in failure"])
def test_a_server_that_migrates_takes_its_volumes_along(cloud: Cloud, ends: str) -> None:
    """One is on the node that it comes to, one on the node that it leaves."""
    serve(cloud)
    server_id, volume_id, store = elsewhere(cloud)
    former, near_id = cloud.node_of(server_id), ""
    while not near_id or show(cloud, near_id, "admin")["os-vol-host-attr:host"] != f"{former.name}@nbd#nbd":
        near_id = make(cloud, volume_type="anywhere")
    for each in (volume_id, near_id):
        cloud.ok(attach(cloud, server_id, each))
        cloud.run_until_idle()
    if ends == "in failure":
        store.fault(ensure_running={"code": "hypervisor_error"})
    cloud.ok(cloud.act(server_id, "migrate", as_="admin"))
    cloud.run_until_idle()
    if ends != "in failure":
        assert (cloud.status(server_id), cloud.node_of(server_id)) == ("VERIFY_RESIZE", store)
        assert (set(exports(cloud).values()), connections(store), connections(former)) == ({store.name}, 2, 0)
        cloud.do(server_id, ends)
    here, other = (store, former) if ends == "confirmResize" else (former, store)
    assert (cloud.status(server_id), cloud.node_of(server_id)) == ("ACTIVE", here), cloud.operations(server_id)[0].error
    assert (set(exports(cloud).values()), len(exports(cloud))) == ({here.name}, 2)
    assert (connections(here), connections(other), devices(cloud, server_id)) == (2, 0, ["vdb", "vdc"])
    assert [show(cloud, each)["status"] for each in (volume_id, near_id)] == ["in-use", "in-use"]
    cloud.assert_sound()


def test_a_server_that_fails_is_served_nothing_any_more(cloud: Cloud) -> None:
    serve(cloud)
    kept_id = make(cloud, volume_type="anywhere")
    before = used(cloud)
    for node in cloud.nodes.values():
        node.fault(ensure_running={"code": "hypervisor_error"})
    mapping = [root("image", cloud.image_id, destination_type="local"), disk("volume", kept_id)]
    mapping.append(disk("blank", volume_size=1, volume_type="anywhere"))
    server_id = cloud.create(block_device_mapping_v2=mapping)
    cloud.run_until_idle()
    assert cloud.status(server_id) == "ERROR"
    assert (show(cloud, kept_id)["status"], used(cloud), exports(cloud)) == ("available", before, {})
    cloud.assert_sound()


def test_each_back_end_is_a_service_and_a_pool(cloud: Cloud) -> None:
    serve(cloud)
    found = cloud.ok(cloud.api.get(f"{VOLUME}/os-services", "admin", headers=NEWEST))["services"]
    hosts = {each["host"] for each in found if each["binary"] == "cinder-volume"}
    assert hosts == {"n1@files", "n1@nbd", "n2@files", "n2@nbd"}
    pools = cloud.ok(cloud.api.get(f"{VOLUME}/scheduler-stats/get_pools?detail=True", "admin"))["pools"]
    protocols = {each["name"]: each["capabilities"]["storage_protocol"] for each in pools}
    assert protocols["n1@nbd#nbd"] == "nbd"
    assert len(protocols) == 4
    assert "@files#files" in show(cloud, make(cloud), "admin")["os-vol-host-attr:host"], "files stays the default"
    for host in ("n1@nbd", "n2@nbd"):
        body = {"binary": "cinder-volume", "host": host}
        cloud.ok(cloud.api.put(f"{VOLUME}/os-services/disable", "admin", json=body))
    assert show(cloud, make(cloud, volume_type="anywhere"))["status"] == "error"
    assert show(cloud, make(cloud))["status"] == "available", "the other back end is open"


def test_both_ends_need_a_certificate(cloud: Cloud) -> None:
    serve(cloud, certificates=False)
    server_id, volume_id, _ = elsewhere(cloud)
    mapping = [root("image", cloud.image_id, destination_type="local"), disk("volume", volume_id)]
    for refused in (attach(cloud, server_id, volume_id), cloud.ask_for(block_device_mapping_v2=mapping)):
        assert (refused.status_code, "nbd_cert_file" in refused.text) == (409, True)


@pytest.mark.parametrize("silent", [False, pytest.param(True, marks=pytest.mark.full)])
def test_a_deleted_server_s_export_is_withdrawn(cloud: Cloud, silent: bool) -> None:
    serve(cloud)
    server_id, volume_id, store = elsewhere(cloud)
    cloud.ok(attach(cloud, server_id, volume_id))
    cloud.run_until_idle()
    node = cloud.node_of(server_id)
    if silent:
        store.die()
        cloud.run_for(40)
    cloud.ok(cloud.api.delete(f"/compute/v2.1/servers/{server_id}"))
    cloud.run_for(20)
    assert (show(cloud, volume_id)["status"], connections(node)) == ("available", 0)
    assert exports(cloud) == ({store.name: node.name} if silent else {})
    if silent:
        store.revive()
        cloud.run_for(90)
    assert exports(cloud) == {}
    cloud.assert_sound()


@pytest.mark.full
def test_a_disk_can_be_detached_while_the_node_that_serves_it_is_silent(cloud: Cloud) -> None:
    serve(cloud)
    server_id, volume_id, store = elsewhere(cloud)
    cloud.ok(attach(cloud, server_id, volume_id))
    cloud.run_until_idle()
    store.die()
    cloud.run_for(40)
    cloud.ok(cloud.api.delete(DETACH.format(server_id, volume_id)))
    cloud.run_for(20)
    assert show(cloud, volume_id)["status"] == "available"
    again: Any = attach(cloud, server_id, volume_id)
    cloud.ok(again)
    cloud.run_for(20)
    assert show(cloud, volume_id)["status"] == "available", "a silent node serves nothing"
    store.revive()
    cloud.run_for(90)
    assert exports(cloud) == {}
    cloud.ok(attach(cloud, server_id, volume_id))
    cloud.run_until_idle()
    assert exports(cloud) == {store.name: cloud.node_of(server_id).name}
    cloud.assert_sound()
