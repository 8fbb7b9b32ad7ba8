"""Shelving on the whole cloud: what a shelved server holds, where it comes back, and what a failure leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from common.config import ComputeConfig
from common.db.models import Allocation
from common.deadlines import NODE_DOWN_S
from tests.fixtures.cloud import COMPUTE, Cloud

IMAGE = "/image/v2/images"


def keep_place(cloud: Cloud, seconds: int) -> None:
    """[compute] shelved_offload_time_s of a scheduler that is started with it."""
    cloud.config = replace(cloud.config, compute=ComputeConfig(shelved_offload_time_s=seconds))
    cloud.schedulers = [cloud._scheduler(number) for number in range(len(cloud.schedulers))]


def images(cloud: Cloud) -> list[str]:
    found = cloud.ok(cloud.api.get(IMAGE, query_string={"owner": cloud.api.project_id("demo")}))["images"]
    return [each["name"] for each in found]


def claims(cloud: Cloud) -> int:
    with cloud.db.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Allocation)) or 0


def guests(cloud: Cloud) -> int:
    return sum(len(node.domains()) for node in cloud.nodes.values())


@pytest.mark.parametrize("state", ["", "os-stop", "pause", "suspend"])
def test_it_leaves_its_node_and_comes_back_with_its_addresses(cloud: Cloud, state: str) -> None:
    server_id = cloud.active(name="web")
    before = cloud.show(server_id)
    if state:
        cloud.do(server_id, state)
    cloud.do(server_id, "shelve")
    shown = cloud.show(server_id, "admin")
    assert (shown["status"], shown["OS-EXT-SRV-ATTR:host"], shown["OS-EXT-STS:power_state"]) == (
        "SHELVED_OFFLOADED", None, 4,
    )  # fmt: skip
    assert (claims(cloud), guests(cloud), images(cloud)) == (0, 0, ["web-shelved"])
    assert cloud.used() == {"Instances": 1, "Cores": 1, "RAM": 128}
    for refused in ("os-start", "shelve", "pause"):
        assert cloud.act(server_id, refused).status_code == 409, refused
    cloud.do(server_id, "unshelve")
    after = cloud.show(server_id)
    assert (after["status"], after["addresses"], after["image"]) == ("ACTIVE", before["addresses"], before["image"])
    assert (claims(cloud), guests(cloud), images(cloud)) == (1, 1, [])
    cloud.do(server_id, "reboot", {"type": "HARD"})
    assert cloud.status(server_id) == "ACTIVE"


def test_it_keeps_its_place_for_a_time(cloud: Cloud) -> None:
    keep_place(cloud, 600)
    server_id = cloud.active()
    boots = cloud.node_of(server_id).hypervisor.boots(server_id)
    cloud.do(server_id, "shelve")
    assert (cloud.status(server_id), claims(cloud), guests(cloud)) == ("SHELVED", 1, 1)
    for scheduler in cloud.schedulers:
        assert scheduler.shelved.run() == 0
    assert cloud.act(server_id, "unshelve", {"availability_zone": "nova"}).status_code == 409
    cloud.do(server_id, "unshelve")
    assert cloud.status(server_id) == "ACTIVE"
    assert cloud.node_of(server_id).hypervisor.boots(server_id) == boots + 1
    assert images(cloud) == []
    cloud.do(server_id, "shelve")
    cloud.run_for(601)
    assert sum(scheduler.shelved.run() for scheduler in cloud.schedulers) == 1
    cloud.run_until_idle()
    assert (cloud.status(server_id), claims(cloud), guests(cloud)) == ("SHELVED_OFFLOADED", 0, 0)


def test_an_administrator_takes_it_from_its_node_at_once(cloud: Cloud) -> None:
    keep_place(cloud, -1)
    server_id = cloud.active()
    cloud.do(server_id, "shelve")
    assert sum(scheduler.shelved.run() for scheduler in cloud.schedulers) == 0
    assert cloud.act(server_id, "shelveOffload").status_code == 403
    cloud.ok(cloud.act(server_id, "shelveOffload", as_="admin"))
    cloud.run_until_idle()
    assert cloud.status(server_id) == "SHELVED_OFFLOADED"


@pytest.mark.parametrize("offloaded", [False, True])
def test_deleting_it_deletes_its_image(cloud: Cloud, offloaded: bool) -> None:
    keep_place(cloud, 0 if offloaded else -1)
    server_id = cloud.active()
    cloud.do(server_id, "shelve")
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert (cloud.status(server_id), images(cloud), claims(cloud)) == ("", [], 0)
    assert cloud.used() == {"Instances": 0, "Cores": 0, "RAM": 0}


def test_a_failure_of_the_image_leaves_a_server_that_is_off(cloud: Cloud) -> None:
    server_id = cloud.active()
    upload = cloud.node_of(server_id).agent.storage.upload

    def refused(*_: Any) -> None:
        raise OSError("no image service")

    cloud.node_of(server_id).agent.storage.upload = refused  # type: ignore[method-assign]
    cloud.do(server_id, "shelve")
    cloud.run_for(30)
    assert (cloud.status(server_id), images(cloud)) == ("SHUTOFF", [])
    cloud.node_of(server_id).agent.storage.upload = upload  # type: ignore[method-assign]
    cloud.do(server_id, "shelve")
    assert cloud.status(server_id) == "SHELVED_OFFLOADED"


def test_without_room_it_stays_shelved_and_says_so(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.do(server_id, "shelve")
    for service in cloud.ok(cloud.api.get(f"{COMPUTE}/os-services", "admin"))["services"]:
        if service["binary"] == "nova-compute":
            headers = {"OpenStack-API-Version": "compute 2.53"}
            listed = cloud.ok(cloud.api.get(f"{COMPUTE}/os-services", "admin", headers=headers))["services"]
            for each in listed:
                cloud.api.put(
                    f"{COMPUTE}/os-services/{each['id']}", "admin", headers=headers, json={"status": "disabled"}
                )
            break
    cloud.do(server_id, "unshelve")
    assert (cloud.status(server_id), claims(cloud)) == ("SHELVED_OFFLOADED", 0)
    failed = {each.action: each for each in cloud.operations(server_id)}["unshelve"]
    assert "No valid host was found" in (failed.error or {})["message"]


def test_a_node_that_fails_is_left_for_another(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.do(server_id, "shelve")
    for node in cloud.nodes.values():
        node.fault(ensure_running={"code": "hypervisor_error", "fail_times": 1, "message": "no"})
        break
    cloud.do(server_id, "unshelve")
    assert (cloud.status(server_id), claims(cloud), guests(cloud)) == ("ACTIVE", 1, 1)


def test_a_node_that_is_down_keeps_it_from_being_shelved(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.node_of(server_id).die()
    cloud.run_for(NODE_DOWN_S + 10)
    assert cloud.act(server_id, "shelve").status_code == 409
    cloud.node_of(server_id).revive()
    cloud.run_for(10)


def test_bodies_by_microversion(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.do(server_id, "shelve")
    at = f"{COMPUTE}/servers/{server_id}/action"
    nowhere = {"unshelve": {"availability_zone": "nowhere"}}
    zoned = {"OpenStack-API-Version": "compute 2.77"}  # the zone must be named until 2.91
    assert cloud.api.post(at, headers=zoned, json={"unshelve": {}}).status_code == 400
    assert cloud.act(server_id, "unshelve", {"availability_zone": "nowhere"}).status_code == 400
    cloud.do(server_id, "unshelve", {"availability_zone": "nova"})
    assert cloud.status(server_id) == "ACTIVE"
    cloud.do(server_id, "shelve")
    old = {"OpenStack-API-Version": "compute 2.76"}
    assert cloud.api.post(at, headers=old, json=nowhere).status_code == 202, "of which nothing is read"
    cloud.run_until_idle()
    assert cloud.status(server_id) == "ACTIVE"
