"""Rescue, and deletion that can be taken back, on the whole cloud."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.app import create_app
from tests.fixtures.api import ApiClient
from tests.fixtures.cloud import COMPUTE, NEWEST, Cloud
from tests.functional.cloud.test_resize import claims, configure, guests

IMAGE = "/image/v2/images"


def keep_deleted(cloud: Cloud, seconds: int) -> None:
    """[compute] reclaim_deleted_after_s of API and schedulers."""
    configure(cloud, reclaim_deleted_after_s=seconds)
    cloud.services = replace(cloud.services, config=cloud.config)
    cloud.api = ApiClient(cloud.services, create_app(cloud.services))


def test_rescued_and_back(cloud: Cloud) -> None:
    server_id = cloud.active()
    boots = cloud.node_of(server_id).hypervisor.boots(server_id)
    answer = cloud.ok(cloud.act(server_id, "rescue", {"adminPass": "let me in"}))
    assert answer == {"adminPass": "let me in"}
    cloud.run_until_idle()
    assert (cloud.status(server_id), cloud.row(server_id).power_state) == ("RESCUE", 1)
    assert cloud.node_of(server_id).agent.specs.get(server_id).spec.rescue is not None  # type: ignore[union-attr]
    for refused in ("os-stop", "rescue", "pause", "shelve", "resize"):
        value = {"flavorRef": "c1.large"} if refused == "resize" else None
        assert cloud.act(server_id, refused, value).status_code == 409, refused
    cloud.do(server_id, "unrescue")
    assert cloud.status(server_id) == "ACTIVE"
    assert cloud.node_of(server_id).agent.specs.get(server_id).spec.rescue is None  # type: ignore[union-attr]
    assert cloud.node_of(server_id).hypervisor.boots(server_id) > boots


@pytest.mark.parametrize(
    ("properties", "kind", "bus", "first"),
    [
        ({}, "disk", "", True),
        ({"hw_rescue_device": "cdrom"}, "cdrom", "sata", False),
        ({"hw_rescue_bus": "virtio"}, "disk", "virtio", False),
        ({"hw_rescue_device": "disk", "hw_rescue_bus": "scsi"}, "disk", "scsi", False),
    ],
)
def test_an_image_says_how_it_is_plugged_in(
    cloud: Cloud, properties: dict[str, str], kind: str, bus: str, first: bool
) -> None:
    server_id = cloud.active()
    image_id = cloud._image()
    changes = [{"op": "add", "path": f"/{name}", "value": value} for name, value in properties.items()]
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    cloud.ok(cloud.api.patch(f"{IMAGE}/{image_id}", "admin", headers=headers, json=changes))
    cloud.do(server_id, "rescue", {"rescue_image_ref": image_id})
    spec = cloud.node_of(server_id).agent.specs.get(server_id).spec  # type: ignore[union-attr]
    assert spec is not None
    assert spec.rescue is not None
    assert (spec.rescue.image.id, spec.rescue.kind, spec.rescue.bus, spec.rescue.first) == (image_id, kind, bus, first)


def test_a_rescue_that_fails_leaves_it_running_from_its_own_disk(cloud: Cloud) -> None:
    server_id = cloud.active()
    node = cloud.node_of(server_id)
    node.fault(ensure_running={"code": "hypervisor_error", "fail_times": 1, "message": "no"})
    cloud.do(server_id, "rescue")
    assert (cloud.status(server_id), cloud.row(server_id).rescue) == ("ACTIVE", None)
    assert node.agent.specs.get(server_id).spec.rescue is None  # type: ignore[union-attr]
    assert guests(cloud) == 1


def test_deleted_for_a_time(cloud: Cloud) -> None:
    keep_deleted(cloud, 600)
    server_id = cloud.active()
    addresses = cloud.show(server_id)["addresses"]
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.status(server_id) == "SOFT_DELETED"
    assert (claims(cloud), guests(cloud)) == ({"instance": 1}, 1)
    assert cloud.used() == {"Instances": 0, "Cores": 0, "RAM": 0}
    listed = cloud.ok(cloud.api.get(f"{COMPUTE}/servers", headers=NEWEST))["servers"]
    assert listed == []
    asked = cloud.ok(
        cloud.api.get(f"{COMPUTE}/servers", "admin", query_string={"status": "SOFT_DELETED", "all_tenants": 1})
    )
    assert [each["id"] for each in asked["servers"]] == [server_id]
    assert cloud.act(server_id, "os-start").status_code == 409
    cloud.do(server_id, "restore")
    assert (cloud.status(server_id), cloud.show(server_id)["addresses"]) == ("ACTIVE", addresses)
    assert cloud.used() == {"Instances": 1, "Cores": 1, "RAM": 128}
    assert cloud.act(server_id, "restore").status_code == 409


def test_gone_for_good_after_the_time_or_when_it_is_forced(cloud: Cloud) -> None:
    keep_deleted(cloud, 600)
    late, forced = cloud.active(name="late"), cloud.active(name="forced")
    cloud.delete(late, forced)
    cloud.run_until_idle()
    cloud.do(forced, "forceDelete")
    assert cloud.status(forced) == ""
    assert [each.passing.run() for each in cloud.schedulers] == [0]
    cloud.run_for(601)
    assert [each.passing.run() for each in cloud.schedulers] == [1]
    cloud.run_until_idle()
    assert (cloud.status(late), claims(cloud), guests(cloud)) == ("", {}, 0)


def test_restoring_needs_quota(cloud: Cloud) -> None:
    keep_deleted(cloud, 600)
    server_id = cloud.active()
    cloud.delete(server_id)
    cloud.run_until_idle()
    quota = f"{COMPUTE}/os-quota-sets/{cloud.api.project_id('demo')}"
    cloud.ok(cloud.api.put(quota, "admin", json={"quota_set": {"instances": 0}}))
    assert cloud.act(server_id, "restore").status_code == 403
    assert cloud.status(server_id) == "SOFT_DELETED"


def test_two_deletions_at_once_wait_for_each_other_in_order(cloud: Cloud) -> None:
    keep_deleted(cloud, 600)
    server_id = cloud.active()
    cloud.delete(server_id)
    cloud.ok(cloud.act(server_id, "forceDelete"))
    cloud.run_until_idle()
    assert (cloud.status(server_id), claims(cloud)) == ("", {})
    assert cloud.used() == {"Instances": 0, "Cores": 0, "RAM": 0}
