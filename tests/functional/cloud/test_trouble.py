"""Letters lost, doubled and shuffled; brokers, schedulers and agents that die: the end is always the same (BUS-03)."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.rpc.compute_v1 import PowerState
from tests.fixtures.cloud import COMPUTE, Cloud, MakeCloud
from tests.fixtures.cloud_bus import Trouble

pytestmark = pytest.mark.slow

STORY = ("os-stop", "os-start", "reboot", "os-stop", "os-start")


def live_and_die(cloud: Cloud) -> list[tuple[str, PowerState]]:
    """A server's story, told in the states it went through."""
    server_id = cloud.create()
    cloud.run_until_idle()
    states = [(cloud.status(server_id), cloud.node_of(server_id).power(server_id))]
    for action in STORY[:3]:
        cloud.do(server_id, action, {"type": "SOFT"} if action == "reboot" else None)
        states.append((cloud.status(server_id), cloud.node_of(server_id).power(server_id)))
    node = cloud.node_of(server_id)
    cloud.delete(server_id)
    cloud.run_until_idle()
    return [*states, (cloud.status(server_id), node.power(server_id))]


EXPECTED = [
    ("ACTIVE", PowerState.RUNNING), ("SHUTOFF", PowerState.SHUTDOWN), ("ACTIVE", PowerState.RUNNING),
    ("ACTIVE", PowerState.RUNNING), ("", PowerState.ABSENT),
]  # fmt: skip


@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)  # fmt: skip
@given(seed=st.integers(0, 2**32), lost=st.sampled_from([0.0, 0.2, 0.5]), doubled=st.sampled_from([0.0, 0.4]))
def test_any_broker_will_do(cloud: Cloud, seed: int, lost: float, doubled: float) -> None:
    cloud.bus.trouble = Trouble(random.Random(seed), lost=lost, doubled=doubled, shuffled=True)
    assert live_and_die(cloud) == EXPECTED
    cloud.run_for(30)  # what still lies about is delivered, and changes nothing
    cloud.run_until_idle()
    cloud.assert_sound()


@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)  # fmt: skip
@given(data=st.data())
def test_many_users_and_any_broker(cloud: Cloud, data: Any) -> None:
    """Requests come whenever they like, also while others are worked on; whatever is accepted ends."""
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    cloud.bus.trouble = Trouble(rng, lost=0.15, doubled=0.15, shuffled=True)
    ids: list[str] = []
    for _ in range(12):
        choice = rng.randrange(4)
        if choice == 0 or not ids:
            reply = cloud.ask_for()
            assert reply.status_code in (202, 403), reply.text
            ids += [reply.get_json()["server"]["id"]] if reply.status_code == 202 else []
        elif choice == 1:
            assert cloud.api.delete(f"{COMPUTE}/servers/{rng.choice(ids)}").status_code in (204, 404)
        else:
            action: tuple[str, Any] = rng.choice(
                [("os-stop", None), ("os-start", None), ("reboot", {"type": "HARD"}), ("reboot", {"type": "SOFT"})]
            )
            assert cloud.act(rng.choice(ids), *action).status_code in (202, 404, 409)
        for _ in range(rng.randrange(12)):
            cloud.tick()
    cloud.run_until_idle()
    cloud.assert_sound()
    assert {cloud.status(each) for each in ids} <= {"ACTIVE", "SHUTOFF", ""}
    cloud.delete(*[each for each in ids if cloud.status(each)])
    cloud.run_until_idle()
    assert cloud.used() == {"Instances": 0, "Cores": 0, "RAM": 0}


def test_without_any_hint(cloud: Cloud) -> None:
    """The hint only makes it quick."""
    server_id = cloud.create()
    cloud.bus.waiting.clear()
    cloud.run_until_idle()
    assert cloud.status(server_id) == "ACTIVE"


def test_the_broker_is_down_for_a_while(cloud: Cloud) -> None:
    running = cloud.active()
    cloud.bus.broker.down = True
    server_id = cloud.create()
    assert cloud.act(running, "os-stop").status_code == 202
    assert cloud.act(running, "os-getConsoleOutput", {}).status_code == 409
    health = cloud.api.get("/healthz", None)
    assert (health.status_code, health.get_json()["status"]) == (200, "ok")
    cloud.run_for(20)
    assert cloud.status(server_id) == "BUILD"
    cloud.bus.broker.down = False
    cloud.run_until_idle()
    assert (cloud.status(server_id), cloud.status(running)) == ("ACTIVE", "SHUTOFF")


def test_two_schedulers_side_by_side(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(schedulers=2, node_count=3)
    cloud.bus.trouble = Trouble(random.Random(5), doubled=0.5, shuffled=True)
    ids = [cloud.create() for _ in range(9)]
    cloud.run_until_idle()
    assert {cloud.status(each) for each in ids} == {"ACTIVE"}
    for server_id in ids:
        [creation] = cloud.operations(server_id)
        assert (creation.state, cloud.row(server_id).epoch) == ("done", 1)
    assert sum(len(node.domains()) for node in cloud.nodes.values()) == 9
    owners = {each.host for each in _schedulers(cloud)}
    assert owners == {"s1", "s2"}


def _schedulers(cloud: Cloud) -> list[Any]:
    from common.db.models import Service

    cloud.beat()
    with cloud.db.read() as session:
        return list(session.query(Service).where(Service.binary == "nova-scheduler"))


def test_a_scheduler_that_died_holding_the_lease(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(schedulers=2)
    server_id = cloud.create()
    from common.db import operations

    operation_id = cloud.operations(server_id)[0].id
    with cloud.db.write() as session:
        assert operations.lease(session, operation_id, "a worker that is gone", cloud.clock.now())
    cloud.run_for(25)
    assert cloud.status(server_id) == "BUILD"
    cloud.run_until_idle()
    assert cloud.status(server_id) == "ACTIVE"


@pytest.mark.parametrize("verb", ["ensure_running", "state", "ensure_absent"])
@pytest.mark.parametrize("after", [False, True])
def test_an_agent_killed_in_the_middle_of_a_verb(cloud: Cloud, verb: str, after: bool) -> None:
    for node in cloud.nodes.values():
        node.kill_in(verb, after=after)
    server_id = cloud.active()
    cloud.delete(server_id)
    cloud.run_until_idle()
    assert cloud.status(server_id) == ""


def test_an_agent_killed_after_each_step(cloud: Cloud) -> None:
    """A new agent over the same folder goes on where the last one was, at every point of a life."""
    for point in range(1, 12, 3):
        server_id = cloud.create()
        for _ in range(point):
            cloud.tick()
        for node in cloud.nodes.values():
            node.restart()
        cloud.run_until_idle()
        assert cloud.status(server_id) == "ACTIVE", point
        assert cloud.node_of(server_id).hypervisor.boots(server_id) == 1
        cloud.ok(cloud.act(server_id, "reboot", {"type": "HARD"}))
        for _ in range(point):
            cloud.tick()
        for node in cloud.nodes.values():
            node.restart()
        cloud.run_until_idle()
        assert cloud.node_of(server_id).hypervisor.boots(server_id) == 2, point
        cloud.delete(server_id)
        cloud.run_until_idle()
        cloud.assert_sound()


def test_quota_is_exact_in_the_end(cloud: Cloud) -> None:
    """Four servers are allowed: the fifth is refused, also when some of them have failed; deletes give back."""
    limits = {"quota_set": {"instances": 4}}
    cloud.ok(cloud.api.put(f"{COMPUTE}/os-quota-sets/{cloud.api.project_id('demo')}", "admin", json=limits))
    for node in cloud.nodes.values():
        node.fault(ensure_running={"code": "hypervisor_error", "fail_times": 1})
    ids = [cloud.create() for _ in range(4)]
    refused = cloud.ask_for()
    assert (refused.status_code, "Quota exceeded for instances" in refused.text) == (403, True)
    cloud.run_until_idle()
    assert cloud.ask_for().status_code == 403
    cloud.delete(*ids[:2])
    assert cloud.ask_for().status_code == 403  # not before they are gone
    cloud.run_until_idle()
    ids += [cloud.create() for _ in range(2)]
    assert cloud.ask_for().status_code == 403
    cloud.run_until_idle()
    cloud.delete(*ids[2:])
    cloud.run_until_idle()
    assert cloud.used() == {"Instances": 0, "Cores": 0, "RAM": 0}


def test_no_secret_travels(cloud: Cloud) -> None:
    """BUS-07: no token is ever in a letter."""
    server_id = cloud.active()
    cloud.delete(server_id)
    cloud.run_until_idle()
    for token in (cloud.api.token("demo"), cloud.api.token("admin")):
        assert not [letter for letter in cloud.bus.sent if token.encode() in letter.body]
