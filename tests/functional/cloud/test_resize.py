"""Resizing and migrating on the whole cloud: where it goes, what is held meanwhile, and both ways it can end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from common.db.models import Allocation
from common.deadlines import NODE_DOWN_S
from common.states import OperationState
from tests.fixtures.cloud import COMPUTE, Cloud

IMAGE = "/image/v2/images"
BIG = "c1.large"  # 4 vCPUs and 4096 MiB instead of 1 and 128


def configure(cloud: Cloud, **compute: Any) -> None:
    """[compute] of schedulers that are started with it."""
    cloud.config = replace(cloud.config, compute=replace(cloud.config.compute, **compute))
    cloud.schedulers = [cloud._scheduler(number) for number in range(len(cloud.schedulers))]


def claims(cloud: Cloud) -> dict[str, int]:
    """vCPUs claimed, by purpose."""
    with cloud.db.read() as session:
        rows = session.execute(sa.select(Allocation.purpose, Allocation.vcpus))
        return {row[0]: row[1] for row in rows}


def guests(cloud: Cloud) -> int:
    return sum(len(node.domains()) for node in cloud.nodes.values())


def images(cloud: Cloud) -> list[str]:
    query = {"owner": cloud.api.project_id("demo"), "os_hidden": "true"}
    return [each["name"] for each in cloud.ok(cloud.api.get(IMAGE, query_string=query))["images"]]


def migrations(cloud: Cloud) -> list[tuple[str, str, bool]]:
    """Type, status, and whether it led to another node; oldest first."""
    found = cloud.ok(cloud.api.get(f"{COMPUTE}/os-migrations", "admin", headers=VERSION))["migrations"]
    return [(one["migration_type"], one["status"], one["source_node"] != one["dest_node"]) for one in reversed(found)]


VERSION = {"OpenStack-API-Version": "compute 2.80"}


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("running", [True, False])
def test_resized_and_confirmed(cloud: Cloud, elsewhere: bool, running: bool) -> None:
    configure(cloud, resize_on_same_node=not elsewhere)
    server_id = cloud.active()
    addresses, node = cloud.show(server_id)["addresses"], cloud.node_of(server_id)
    if not running:
        cloud.do(server_id, "os-stop")
    cloud.do(server_id, "resize", {"flavorRef": BIG})
    shown = cloud.show(server_id, "admin")
    assert (shown["status"], shown["flavor"]["vcpus"], shown["addresses"]) == ("VERIFY_RESIZE", 4, addresses)
    assert shown["OS-EXT-STS:power_state"] == (1 if running else 4)
    assert (cloud.node_of(server_id) is node) is not elsewhere
    assert (claims(cloud), guests(cloud), images(cloud)) == ({"instance": 4, "before_resize": 1}, 1, [])
    assert cloud.used() == {"Instances": 1, "Cores": 4, "RAM": 4096}
    assert cloud.node_of(server_id).domains()[server_id]["vcpus"] == 4
    assert migrations(cloud) == [("resize", "finished", elsewhere)]
    cloud.assert_sound()
    assert cloud.act(server_id, "os-stop").status_code == 409
    cloud.do(server_id, "confirmResize")
    assert cloud.status(server_id) == ("ACTIVE" if running else "SHUTOFF")
    assert (claims(cloud), guests(cloud)) == ({"instance": 4}, 1)
    assert migrations(cloud) == [("resize", "confirmed", elsewhere)]
    cloud.do(server_id, "reboot", {"type": "HARD"})
    assert cloud.status(server_id) == "ACTIVE"


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("running", [True, False])
def test_resized_and_reverted(cloud: Cloud, elsewhere: bool, running: bool) -> None:
    configure(cloud, resize_on_same_node=not elsewhere)
    server_id = cloud.active()
    before, node = cloud.show(server_id), cloud.node_of(server_id)
    if not running:
        cloud.do(server_id, "os-stop")
    cloud.do(server_id, "resize", {"flavorRef": BIG})
    cloud.do(server_id, "revertResize")
    after = cloud.show(server_id)
    assert (after["flavor"], after["addresses"]) == (before["flavor"], before["addresses"])
    assert after["status"] == ("ACTIVE" if running else "SHUTOFF")
    assert cloud.node_of(server_id) is node
    assert (claims(cloud), guests(cloud)) == ({"instance": 1}, 1)
    assert cloud.used() == {"Instances": 1, "Cores": 1, "RAM": 128}
    assert migrations(cloud) == [("resize", "reverted", elsewhere)]
    cloud.do(server_id, "resize", {"flavorRef": BIG})
    assert cloud.status(server_id) == "VERIFY_RESIZE", "and it may be tried again"


def test_an_administrator_migrates_it(cloud: Cloud) -> None:
    server_id = cloud.active()
    node = cloud.node_of(server_id)
    assert cloud.act(server_id, "migrate").status_code == 403
    assert cloud.act(server_id, "migrate", {"host": node.name}, "admin").status_code == 400
    assert cloud.act(server_id, "migrate", {"host": "nowhere"}, "admin").status_code == 400
    first = f"{COMPUTE}/servers/{server_id}/action"
    assert cloud.api.post(first, "admin", json={"migrate": {"host": node.name}}).status_code == 400, "since 2.56"
    cloud.ok(cloud.api.post(first, "admin", json={"migrate": {"host": None}}))
    cloud.run_until_idle()
    assert cloud.status(server_id) == "VERIFY_RESIZE"
    assert cloud.node_of(server_id) is not node
    cloud.do(server_id, "confirmResize")
    assert migrations(cloud) == [("migration", "confirmed", True)]
    cloud.ok(cloud.act(server_id, "migrate", {"host": node.name}, "admin"))
    cloud.run_until_idle()
    assert cloud.node_of(server_id) is node


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("verb", ["ensure_running", "ensure_stopped"])
def test_a_failure_leaves_it_as_it_was(cloud: Cloud, verb: str, elsewhere: bool) -> None:
    """Whatever was done by then is undone: it runs where it was with its old flavor, and nothing else is held."""
    configure(cloud, resize_on_same_node=not elsewhere)
    server_id = cloud.active()
    before, node = cloud.show(server_id), cloud.node_of(server_id)
    fault = {"code": "hypervisor_error", "fail_times": 1, "message": "no"}
    for each in cloud.nodes.values():
        if verb != "ensure_running" or (each is node) is not elsewhere:
            each.fault(
                **{verb: fault, "request_shutdown": {"ignore": True}} if verb == "ensure_stopped" else {verb: fault}
            )
    cloud.do(server_id, "resize", {"flavorRef": BIG})
    after = cloud.show(server_id)
    assert (after["status"], after["flavor"], after["addresses"]) == ("ACTIVE", before["flavor"], before["addresses"])
    assert (cloud.node_of(server_id), claims(cloud), guests(cloud)) == (node, {"instance": 1}, 1)
    assert (cloud.used(), images(cloud)) == ({"Instances": 1, "Cores": 1, "RAM": 128}, [])
    assert [status for _, status, _ in migrations(cloud)] == ["error"]
    for each in cloud.nodes.values():
        each.fault()
    cloud.do(server_id, "resize", {"flavorRef": BIG})
    assert cloud.status(server_id) == "VERIFY_RESIZE"


def test_a_disk_that_can_not_travel_stays_where_it_is(cloud: Cloud) -> None:
    server_id = cloud.active()
    node = cloud.node_of(server_id)
    upload = node.agent.storage.upload

    def refused(*_: Any) -> None:
        raise OSError("no image service")

    node.agent.storage.upload = refused  # type: ignore[method-assign]
    cloud.ok(cloud.act(server_id, "migrate", None, "admin"))
    cloud.run_until_idle()
    assert (cloud.status(server_id), cloud.node_of(server_id), images(cloud)) == ("ACTIVE", node, [])
    assert claims(cloud) == {"instance": 1}
    node.agent.storage.upload = upload  # type: ignore[method-assign]
    cloud.ok(cloud.act(server_id, "migrate", None, "admin"))
    cloud.run_until_idle()
    assert cloud.status(server_id) == "VERIFY_RESIZE"


def test_without_room_it_stays_and_says_so(cloud: Cloud) -> None:
    server_id = cloud.active()
    flavor = {"flavor": {"id": "huge", "name": "huge", "vcpus": 4, "ram": 7500, "disk": 1}}
    cloud.ok(cloud.api.post(f"{COMPUTE}/flavors", "admin", json=flavor))
    cloud.do(server_id, "resize", {"flavorRef": "huge"})
    assert cloud.status(server_id) == "VERIFY_RESIZE"
    cloud.do(server_id, "confirmResize")
    for name in ("a", "b"):
        cloud.create(name=name)
    cloud.run_until_idle()
    other = next(iter(cloud.nodes))
    flavor["flavor"] |= {"id": "huger", "name": "huger", "ram": 8000}
    cloud.ok(cloud.api.post(f"{COMPUTE}/flavors", "admin", json=flavor))
    cloud.do(server_id, "resize", {"flavorRef": "huger"})
    assert (cloud.status(server_id), cloud.show(server_id)["flavor"]["ram"], other) == ("ACTIVE", 7500, other)
    (failed,) = [each for each in cloud.operations(server_id) if each.state == OperationState.FAILED]
    assert "No valid host was found" in (failed.error or {})["message"]


def test_what_is_refused_at_once(cloud: Cloud) -> None:
    server_id = cloud.active()
    flavor = {"flavor": {"id": "zero", "name": "zero", "vcpus": 1, "ram": 128, "disk": 0}}
    cloud.ok(cloud.api.post(f"{COMPUTE}/flavors", "admin", json=flavor))
    for flavor_id in ("c1.tiny", "nothing", "zero"):
        assert cloud.act(server_id, "resize", {"flavorRef": flavor_id}).status_code == 400, flavor_id
    quota = f"{COMPUTE}/os-quota-sets/{cloud.api.project_id('demo')}"
    cloud.ok(cloud.api.put(quota, "admin", json={"quota_set": {"cores": 3}}))
    assert cloud.act(server_id, "resize", {"flavorRef": BIG}).status_code == 403
    assert cloud.act(server_id, "confirmResize").status_code == 409
    assert cloud.act(server_id, "revertResize").status_code == 409
    live = {"host": None, "block_migration": "auto"}
    assert cloud.act(server_id, "os-migrateLive", live, "admin").status_code == 400
    assert cloud.act(server_id, "evacuate", {}, "admin").status_code == 400


def test_it_is_confirmed_after_a_time(cloud: Cloud) -> None:
    configure(cloud, resize_confirm_after_s=60)
    server_id = cloud.active()
    cloud.do(server_id, "resize", {"flavorRef": BIG})
    assert [each.passing.run() for each in cloud.schedulers] == [0]
    cloud.run_for(61)
    assert [each.passing.run() for each in cloud.schedulers] == [1]
    cloud.run_until_idle()
    assert (cloud.status(server_id), claims(cloud)) == ("ACTIVE", {"instance": 4})


@pytest.mark.parametrize("elsewhere", [False, True])
def test_one_that_waits_to_be_confirmed_can_be_deleted(cloud: Cloud, elsewhere: bool) -> None:
    configure(cloud, resize_on_same_node=not elsewhere)
    server_id = cloud.active()
    cloud.do(server_id, "resize", {"flavorRef": BIG})
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert (cloud.status(server_id), claims(cloud), guests(cloud)) == ("", {}, 0)
    assert cloud.used() == {"Instances": 0, "Cores": 0, "RAM": 0}


def test_an_old_node_that_is_down_does_not_keep_it_from_being_confirmed(cloud: Cloud) -> None:
    """What is left there is cleared up when it is back; until then its claim is held."""
    server_id = cloud.active()
    node = cloud.node_of(server_id)
    cloud.ok(cloud.act(server_id, "migrate", None, "admin"))
    cloud.run_until_idle()
    node.die()
    cloud.run_for(NODE_DOWN_S + 10)
    assert cloud.act(server_id, "revertResize").status_code == 409
    cloud.ok(cloud.act(server_id, "confirmResize"))
    cloud.run_for(10)
    assert cloud.status(server_id) == "ACTIVE"
    assert sorted(claims(cloud)) == ["instance", "remains"]
    node.revive()
    cloud.run_until_idle()
    assert sorted(claims(cloud)) == ["instance"]
    assert node.instance_folders() == set()


def test_deleting_it_while_it_goes_on_ends_it(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.ok(cloud.act(server_id, "migrate", None, "admin"))
    for _ in range(6):
        cloud.tick()
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert (cloud.status(server_id), claims(cloud), guests(cloud), images(cloud)) == ("", {}, 0, [])
