"""kill -9 at every place of every saga: the server ends as asked or in ERROR with a reason, once, and nothing is left.

The short form is a few of the same; which ones is in SHORT.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from tests.faults import devices
from tests.faults.cloud import FLAVORS, FaultCloud, Refused
from tests.faults.kills import ON_VOLUME, SCENARIOS, Begin, Kill, Pool, Scenario, all_kills, missing_sagas
from tests.fixtures.survived import survived

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.slow]
KILLS = all_kills()
SHORT = {
    "server_create-api:server_create:before_commit",
    "server_create-api:server_create:after_commit",
    "server_create-scheduler:server_create.claim:done:before_commit",
    "server_create-scheduler:server_create.ensure_instance:sent:after_commit",
    "server_create-agent:ensure_instance:written",
    "server_create-agent:ensure_instance:domain:after",
    "server_create_moved-scheduler:server_create.claim:undone:after_commit",
    "server_stop-scheduler:server_stop.finish:done:before_commit",
    "server_reboot-agent:reboot:phase_starting:after",
    "server_delete-agent:ensure_absent:kept",
}
ANSWER_S = 60.0
BROUGHT_BY = {
    Begin.STOPPED: "os-stop",
    Begin.PAUSED: "pause",
    Begin.SUSPENDED: "suspend",
    Begin.SHELVED_OFFLOADED: "shelve",
    Begin.RESCUED: "rescue",
}


def _parameters() -> Iterator[object]:
    for kill in KILLS:
        yield pytest.param(kill, id=str(kill), marks=() if str(kill) in SHORT else pytest.mark.full)


def test_the_short_form_is_part_of_the_long_one_and_every_saga_is_walked() -> None:
    assert {str(kill) for kill in KILLS} >= SHORT
    assert len({str(kill) for kill in KILLS}) == len(KILLS)
    assert missing_sagas() == set(), "a new saga needs a scenario"


@pytest.mark.parametrize("kill", list(_parameters()))
def test_killed_once(cloud: FaultCloud, kill: Kill) -> None:
    scenario = kill.scenario
    server_id = _prepared(cloud, scenario)
    device_id = devices.made_for(cloud, server_id, scenario.action) if scenario.pool == Pool.FURNISHED else ""
    deaths = cloud.supervisor.deaths.total()
    if scenario.moved:
        cloud.fault(ensure_running={"fail_times": 1, "code": "hypervisor_error", "message": f"for {kill}"})
    elif scenario.fails:
        cloud.fault(**{scenario.fails: {"fail_times": 1, "code": "hypervisor_error", "message": f"for {kill}"}})
    elif scenario.cancelled:
        cloud.fault(ensure_running={"delay_ms": 1500})
    cloud.arm(kill.point)
    server_id = _requested(cloud, scenario, server_id, device_id)
    cloud.wait(f"a process dies at {kill.point}", lambda: cloud.fired(kill.point), told=lambda: _told(cloud, server_id))
    cloud.fault()
    cloud.wait_rest([server_id])
    row = cloud.row(server_id)
    assert row.vm_state == scenario.ends, _told(cloud, server_id)
    cloud.wait_sound(str(kill))
    ended_in = devices.reverse(scenario.action) if device_id and scenario.fails else scenario.action
    if device_id:
        devices.check(cloud, server_id, ended_in, device_id)
    assert kill.service == "api" or cloud.supervisor.deaths.total() == deaths + 1, "one process died, once"
    if device_id:
        devices.put_away(cloud, server_id, ended_in, device_id)
    survived(f"kills of {kill.service}")


def _prepared(cloud: FaultCloud, scenario: Scenario) -> str:
    """A server in the state that the scenario begins with; "" for none. An older test's server serves as well."""
    if scenario.begin == Begin.NOTHING:
        return ""
    for server_id in cloud.named(scenario.pool):
        if cloud.row(server_id).vm_state == scenario.begin and cloud.at_rest(server_id):
            return server_id
    server_id = cloud.create(scenario.pool)
    cloud.wait_rest([server_id])
    if scenario.begin in BROUGHT_BY:
        cloud.act(server_id, BROUGHT_BY[scenario.begin])
    elif scenario.begin == Begin.SOFT_DELETED:
        cloud.soft_delete(server_id)
    elif scenario.begin == Begin.RESIZED:
        _resize(cloud, server_id, scenario.pool)
    cloud.wait_rest([server_id])
    assert cloud.row(server_id).vm_state == scenario.begin, cloud.operations(server_id)
    return server_id


def _resize(cloud: FaultCloud, server_id: str, pool: Pool) -> None:
    """To the flavor that it doesn't have, where it is; or to another node."""
    if pool == Pool.MIGRATED:
        cloud.act(server_id, "migrate")
        return
    other = next(name for name in FLAVORS if name != cloud.row(server_id).flavor["name"])
    cloud.act(server_id, "resize", {"flavorRef": other})


def _requested(cloud: FaultCloud, scenario: Scenario, server_id: str, device_id: str) -> str:
    """Ask, as a client does that asks again when it got no answer and sees that nothing has been done."""
    if scenario.begin == Begin.NOTHING:
        name = f"made-{time.monotonic_ns()}"
        server_id = _created(cloud, name, on_volume=scenario == ON_VOLUME)
        if scenario.cancelled:
            cloud.wait("the node is at work", lambda: cloud.row(server_id).task_state == "spawning")
            _until_answered(cloud, lambda: cloud.delete(server_id))
        assert scenario.cancelled or cloud.named(name) == [server_id], "made twice"
        return server_id
    if not scenario.asked:
        cloud.begin(server_id, scenario.action)
        return server_id
    before = len(cloud.operations(server_id))

    def ask() -> None:
        if len(cloud.operations(server_id)) == before:
            _ask(cloud, scenario, server_id, device_id)

    _until_answered(cloud, ask)
    assert len(cloud.operations(server_id)) == before + 1, "done twice"
    return server_id


def _ask(cloud: FaultCloud, scenario: Scenario, server_id: str, device_id: str) -> None:
    if device_id:
        devices.ask(cloud, server_id, scenario.action, device_id)
        return
    match scenario.asks:
        case "server_stop":
            cloud.act(server_id, "os-stop")
        case "server_start":
            cloud.act(server_id, "os-start")
        case "server_reboot":
            cloud.act(server_id, "reboot", {"type": "SOFT"})
        case "server_reboot_hard":
            cloud.act(server_id, "reboot", {"type": "HARD"})
        case (
            "server_pause" | "server_unpause" | "server_suspend" | "server_resume" | "server_shelve" | "server_unshelve"
            | "server_rescue" | "server_unrescue" | "server_restore"
        ):  # fmt: skip
            cloud.act(server_id, scenario.asks.removeprefix("server_"))
        case "server_resize" | "server_migrate":
            _resize(cloud, server_id, scenario.pool)
        case (
            "server_confirmResize" | "server_confirmResize migrated" | "server_revertResize"
            | "server_revertResize migrated"
        ):  # fmt: skip
            cloud.act(server_id, str(scenario.action))
        case "server_soft_delete":
            cloud.soft_delete(server_id)
        case "server_shelve then":  # what follows by itself
            cloud.act(server_id, "shelve")
        case "server_rebuild":
            cloud.act(server_id, "rebuild", {"imageRef": cloud.row(server_id).image_id})
        case "server_createImage":
            cloud.act(server_id, "createImage", {"name": "made"})
        case "server_delete":
            cloud.delete(server_id)
        case _:
            raise AssertionError(f"{scenario.name}: no request for it here, and it is in {SCENARIOS}")


def _created(cloud: FaultCloud, name: str, *, on_volume: bool) -> str:
    made: list[str] = []

    def ask() -> None:
        made[:] = cloud.named(name) or [cloud.create(name, on_volume=on_volume)]

    _until_answered(cloud, ask)
    return made[0]


def _until_answered(cloud: FaultCloud, ask: object) -> None:
    assert callable(ask)

    def answered() -> bool:
        try:
            ask()
        except requests.ConnectionError:
            return False
        except Refused as err:
            if err.status != 503:
                raise
            return False
        return True

    cloud.wait("an answer", answered, ANSWER_S)


def _told(cloud: FaultCloud, server_id: str) -> str:
    row = cloud.row(server_id)
    return f"{server_id} is {row.vm_state}/{row.task_state}, fault {row.fault}; {cloud.operations(server_id)}"
