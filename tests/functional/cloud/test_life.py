"""A server's life through the HTTP API, on the whole cloud."""

from __future__ import annotations

import pytest

from common.db.models import Image
from tests.fixtures.cloud import COMPUTE, NEWEST, Cloud


def test_a_whole_life(cloud: Cloud) -> None:
    server_id = cloud.create(name="web", metadata={"role": "web"})
    assert cloud.status(server_id) == "BUILD"
    cloud.run_until_idle()
    shown = cloud.show(server_id)
    assert (shown["status"], shown["OS-EXT-STS:power_state"], shown["key_name"]) == ("ACTIVE", 1, "demo")
    [address] = shown["addresses"]["shared"]
    assert address["addr"].startswith("10.88.0.")
    assert shown["OS-SRV-USG:launched_at"]
    cloud.do(server_id, "os-stop")
    assert (cloud.status(server_id), cloud.show(server_id)["OS-EXT-STS:power_state"]) == ("SHUTOFF", 4)
    cloud.do(server_id, "os-start")
    assert (cloud.status(server_id), cloud.show(server_id)["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.status(server_id) == ""
    assert cloud.used() == {"Instances": 0, "Cores": 0, "RAM": 0}


def test_lists_show_what_show_shows(cloud: Cloud) -> None:
    ids = [cloud.create(name=f"s{number}") for number in range(3)]
    cloud.run_until_idle()
    summary = cloud.ok(cloud.api.get(f"{COMPUTE}/servers"))["servers"]
    assert {each["id"] for each in summary} == set(ids)
    for each in cloud.ok(cloud.api.get(f"{COMPUTE}/servers/detail", headers=NEWEST))["servers"]:
        shown = cloud.show(each["id"])
        assert each == {key: shown[key] for key in each}
    assert cloud.ok(cloud.api.get(f"{COMPUTE}/servers/detail", "other"))["servers"] == []


def test_the_nodes_take_turns(cloud: Cloud) -> None:
    ids = [cloud.create() for _ in range(4)]
    cloud.run_until_idle()
    assert sorted(cloud.row(each).node_name or "" for each in ids) == ["n1", "n1", "n2", "n2"]


@pytest.mark.parametrize("how", ["SOFT", "HARD"])
def test_reboot(cloud: Cloud, how: str) -> None:
    server_id = cloud.active()
    driver = cloud.node_of(server_id).hypervisor
    before = driver.boots(server_id)
    cloud.ok(cloud.act(server_id, "reboot", {"type": how}))
    assert cloud.status(server_id) == ("REBOOT" if how == "SOFT" else "HARD_REBOOT")
    cloud.run_until_idle()
    assert (cloud.status(server_id), driver.boots(server_id)) == ("ACTIVE", before + 1)


def test_a_guest_that_ignores_the_button(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.node_of(server_id).fault(request_shutdown={"ignore": True})
    cloud.do(server_id, "reboot", {"type": "SOFT"})
    assert cloud.status(server_id) == "ACTIVE"
    cloud.do(server_id, "os-stop")
    assert cloud.status(server_id) == "SHUTOFF"


def test_an_image_says_how_long_a_guest_may_ignore_the_button(cloud: Cloud) -> None:
    with cloud.db.write() as session:
        session.get_one(Image, cloud.image_id).properties = {"os_shutdown_timeout": "7"}
    server_id = cloud.active()
    cloud.node_of(server_id).fault(request_shutdown={"ignore": True})
    begun = cloud.clock.now()
    cloud.do(server_id, "os-stop")
    assert cloud.status(server_id) == "SHUTOFF"
    assert 7 <= (cloud.clock.now() - begun).total_seconds() < 20


def test_a_hard_reboot_ends_a_soft_one_that_hangs(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.ok(cloud.act(server_id, "reboot", {"type": "SOFT"}))
    cloud.tick()
    cloud.ok(cloud.act(server_id, "reboot", {"type": "HARD"}))
    cloud.run_until_idle()
    assert cloud.status(server_id) == "ACTIVE"
    assert sorted(each.state for each in cloud.operations(server_id)) == ["cancelled", "done", "done"]


def test_console_log(cloud: Cloud) -> None:
    server_id = cloud.active()
    assert "started" in cloud.ok(cloud.act(server_id, "os-getConsoleOutput", {}))["output"]
    cloud.node_of(server_id).die()
    refused = cloud.act(server_id, "os-getConsoleOutput", {})
    assert refused.status_code == 409, refused.text
    cloud.node_of(server_id).revive()


def test_instance_actions(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.run_for(1)
    cloud.do(server_id, "os-stop")
    cloud.run_for(1)
    path = f"{COMPUTE}/servers/{server_id}/os-instance-actions"
    actions = cloud.ok(cloud.api.get(path, headers=NEWEST))["instanceActions"]
    assert [each["action"] for each in actions] == ["stop", "create"]
    events = cloud.ok(cloud.api.get(f"{path}/{actions[1]['request_id']}", headers=NEWEST))["instanceAction"]["events"]
    assert {each["event"]: each["result"] for each in events} == {
        "claim": "Success", "ensure_instance": "Success", "finish": "Success", "transition": "Success",
    }  # fmt: skip
    cloud.delete(server_id)
    cloud.run_until_idle()
    left = cloud.ok(cloud.api.get(path, headers=NEWEST))["instanceActions"]  # since 2.21 also of what is gone
    assert [each["action"] for each in left] == ["delete", "stop", "create"]


def test_many_at_once(cloud: Cloud) -> None:
    reply = cloud.ok(cloud.ask_for(name="many", min_count=2, max_count=4, return_reservation_id=True))
    cloud.run_until_idle()
    reserved = [
        each for each in cloud.ok(cloud.api.get(f"{COMPUTE}/servers/detail", "admin", query_string={"all_tenants": 1},
                                                headers=NEWEST))["servers"]
        if each["OS-EXT-SRV-ATTR:reservation_id"] == reply["reservation_id"]
    ]  # fmt: skip
    assert sorted(each["name"] for each in reserved) == [f"many-{number}" for number in range(1, 5)]
    assert {each["status"] for each in reserved} == {"ACTIVE"}
    addresses = [each["addresses"]["shared"][0]["addr"] for each in reserved]
    assert len(set(addresses)) == 4


def test_more_than_fits(cloud: Cloud) -> None:
    """Two nodes hold one large guest each (7680 MiB may be claimed of each); the third is told why not."""
    ids = [cloud.create(flavorRef="c1.large") for _ in range(3)]
    cloud.run_until_idle()
    assert sorted(cloud.status(each) for each in ids) == ["ACTIVE", "ACTIVE", "ERROR"]
    [lost] = [each for each in ids if cloud.status(each) == "ERROR"]
    assert "No valid host was found" in cloud.show(lost)["fault"]["message"]
    assert cloud.why(lost, "admin")["nearest_fix"]
    assert cloud.row(lost).node_name is None


def test_a_host_that_reboots_brings_its_guests_back(cloud: Cloud) -> None:
    running, stopped = cloud.active(), cloud.active()
    cloud.do(stopped, "os-stop")
    for node in cloud.nodes.values():
        node.restart(host_too=True)
    cloud.run_for(60)
    cloud.run_until_idle()
    assert (cloud.status(running), cloud.status(stopped)) == ("ACTIVE", "SHUTOFF")
