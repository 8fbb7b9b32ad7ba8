"""Pause and suspend on the whole cloud: the states they show, and that no reconciler takes them for something else."""

from __future__ import annotations

import pytest

from scheduler.reconcilers.domains import SETTLE_S
from tests.fixtures.cloud import Cloud

PAUSED, OFF, RUNNING = 3, 4, 1


def look_around(cloud: Cloud) -> None:
    """Long enough for every reconciler to have looked twice."""
    cloud.run_for(SETTLE_S + 12)
    cloud.run_until_idle()


def shown(cloud: Cloud, server_id: str) -> tuple[str, int]:
    body = cloud.show(server_id)
    return body["status"], body["OS-EXT-STS:power_state"]


@pytest.mark.parametrize(
    ("there", "back", "status", "power"),
    [("pause", "unpause", "PAUSED", PAUSED), ("suspend", "resume", "SUSPENDED", OFF)],
)
def test_there_and_back_without_a_boot(cloud: Cloud, there: str, back: str, status: str, power: int) -> None:
    server_id = cloud.active()
    boots = cloud.node_of(server_id).hypervisor.boots(server_id)
    assert cloud.act(server_id, back).status_code == 409
    cloud.do(server_id, there)
    assert shown(cloud, server_id) == (status, power)
    look_around(cloud)
    assert shown(cloud, server_id) == (status, power)
    for refused in (there, "os-start", "os-stop"):
        assert cloud.act(server_id, refused).status_code == 409, refused
    assert cloud.act(server_id, "reboot", {"type": "SOFT"}).status_code == 409
    cloud.do(server_id, back)
    assert shown(cloud, server_id) == ("ACTIVE", RUNNING)
    assert cloud.node_of(server_id).hypervisor.boots(server_id) == boots


@pytest.mark.parametrize("there", ["pause", "suspend"])
def test_a_hard_reboot_ends_it_with_a_boot(cloud: Cloud, there: str) -> None:
    server_id = cloud.active()
    boots = cloud.node_of(server_id).hypervisor.boots(server_id)
    cloud.do(server_id, there)
    cloud.do(server_id, "reboot", {"type": "HARD"})
    assert shown(cloud, server_id) == ("ACTIVE", RUNNING)
    assert cloud.node_of(server_id).hypervisor.boots(server_id) == boots + 1


@pytest.mark.parametrize("there", ["pause", "suspend"])
def test_it_can_be_deleted(cloud: Cloud, there: str) -> None:
    server_id = cloud.active()
    cloud.do(server_id, there)
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.status(server_id) == ""


def test_a_paused_guest_that_is_killed_is_shut_off(cloud: Cloud) -> None:
    server_id = cloud.active()
    cloud.do(server_id, "pause")
    cloud.node_of(server_id).hypervisor.power_off_from_inside(server_id)
    look_around(cloud)
    assert shown(cloud, server_id) == ("SHUTOFF", OFF)


def test_what_was_saved_survives_a_reboot_of_the_host_and_what_was_paused_does_not(cloud: Cloud) -> None:
    paused, suspended = cloud.active(), cloud.active()
    cloud.do(paused, "pause")
    cloud.do(suspended, "suspend")
    boots = cloud.node_of(suspended).hypervisor.boots(suspended)
    for node in cloud.nodes.values():
        node.restart(host_too=True)
    look_around(cloud)
    assert (cloud.status(paused), cloud.status(suspended)) == ("SHUTOFF", "SUSPENDED")
    cloud.do(suspended, "resume")
    assert cloud.status(suspended) == "ACTIVE"
    assert cloud.node_of(suspended).hypervisor.boots(suspended) == boots


@pytest.mark.parametrize("there", ["pause", "suspend"])
def test_a_domain_that_vanishes_meanwhile_comes_back_switched_off(cloud: Cloud, there: str) -> None:
    server_id = cloud.active()
    cloud.do(server_id, there)
    cloud.node_of(server_id).hypervisor.ensure_absent(server_id)
    look_around(cloud)
    look_around(cloud)
    assert shown(cloud, server_id) == ("SHUTOFF", OFF)


@pytest.mark.parametrize(("action", "verb"), [("pause", "ensure_paused"), ("suspend", "ensure_saved")])
def test_a_failure_leaves_the_server_as_it_was(cloud: Cloud, action: str, verb: str) -> None:
    server_id = cloud.active()
    cloud.node_of(server_id).fault(**{verb: {"code": "hypervisor_error", "message": "no"}})
    cloud.do(server_id, action)
    cloud.node_of(server_id).fault()
    assert shown(cloud, server_id) == ("ACTIVE", RUNNING)
    assert {each.action: each.state for each in cloud.operations(server_id)}[action] == "failed"


@pytest.mark.parametrize("action", ["pause", "suspend"])
def test_the_agent_killed_in_it_does_it_once(cloud: Cloud, action: str) -> None:
    server_id = cloud.active()
    verb = {"pause": "ensure_paused", "suspend": "ensure_saved"}[action]
    cloud.node_of(server_id).kill_in(verb, after=True)
    cloud.do(server_id, action)
    assert cloud.status(server_id) == {"pause": "PAUSED", "suspend": "SUSPENDED"}[action]
