"""Commands and reports delivered twice, out of order and late, by republishing what was really sent."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import msgspec
import pytest

from common.rpc.bus import REPORTS, Bus, node_queue
from common.rpc.transport import Incoming
from tests.faults.cloud import NODES, SCHEDULERS, FaultCloud
from tests.fixtures.survived import survived

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.slow]
SERVERS = 9
TAKEN_S = 20.0


class Tap:
    """Takes all messages of some queues, so that the test can put them back as it likes."""

    def __init__(self, cloud: FaultCloud, queues: list[str]) -> None:
        self._cloud, self._queues = cloud, queues
        self.taken: list[tuple[str, bytes]] = []

    def take(self, enough: Callable[[list[tuple[str, bytes]]], bool]) -> None:
        """Until there are enough."""
        stop, bus = threading.Event(), self._cloud.broker()

        def keep(queue: str) -> Callable[[Incoming], None]:
            return lambda incoming: self.taken.append((queue, incoming.body))

        threads = [threading.Thread(target=bus.consume, args=(queue, keep(queue), stop)) for queue in self._queues]
        for thread in threads:
            thread.start()
        try:
            self._cloud.wait("all messages", lambda: enough(self.taken), TAKEN_S, lambda: self.taken)
        finally:
            stop.set()
            for thread in threads:
                thread.join(TAKEN_S)
            bus.close()

    def put_back(self, rng: random.Random, times: int = 2) -> None:
        """Each so many times, in an order of their own; reports as the node they are from, or they would be refused."""
        again = self.taken * times
        rng.shuffle(again)
        buses: dict[str, Bus] = {}
        for queue, body in again:
            node = msgspec.json.decode(body)["node"] if queue == REPORTS else ""
            if node not in buses:
                buses[node] = self._cloud.broker(node)
            buses[node].transport.publish(queue, body)
        for bus in buses.values():
            bus.close()


def _fleet(cloud: FaultCloud) -> list[str]:
    """Running servers, some of them on every node."""
    server_ids = [cloud.create(f"fleet-{number}") for number in range(SERVERS)]
    cloud.wait_rest(server_ids)
    assert {cloud.row(one).vm_state for one in server_ids} == {"active"}
    return server_ids


def _ask_all(cloud: FaultCloud, server_ids: list[str]) -> dict[str, str]:
    """A stop, a reboot and a deletion in turns; the state that each server must end in."""
    wanted = {}
    for number, server_id in enumerate(server_ids):
        if number % 3 == 0:
            cloud.act(server_id, "os-stop")
            wanted[server_id] = "stopped"
        elif number % 3 == 1:
            cloud.act(server_id, "reboot", {"type": "SOFT"})
            wanted[server_id] = "active"
        else:
            cloud.delete(server_id)
            wanted[server_id] = "deleted"
    return wanted


def _about(messages: list[tuple[str, bytes]], kinds: set[str]) -> set[str]:
    """The instances that messages of these kinds are about."""
    found = set()
    for _, body in messages:
        message = msgspec.json.decode(body)
        if message.get("kind") in kinds:
            found.add(message["instance_id"])
    return found


def _states(cloud: FaultCloud, server_ids: list[str]) -> dict[str, str]:
    return {server_id: cloud.row(server_id).vm_state for server_id in server_ids}


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 6))])
def test_commands_twice_out_of_order_and_late(cloud: FaultCloud, seed: int) -> None:
    rng, server_ids = random.Random(seed), _fleet(cloud)
    for node in NODES:
        cloud.supervisor.halt(node)
    wanted = _ask_all(cloud, server_ids)
    tap = Tap(cloud, [node_queue(node) for node in NODES])
    tap.take(lambda taken: _about(taken, {"ensure_stopped", "reboot_instance", "ensure_absent"}) == set(server_ids))
    tap.put_back(rng)
    for node in NODES:
        cloud.supervisor.resume(node)
    cloud.wait_rest(server_ids)
    assert _states(cloud, server_ids) == wanted
    cloud.wait_sound("repeated commands")
    started = [one for one, state in wanted.items() if state == "stopped"]
    for server_id in started:
        cloud.act(server_id, "os-start")
    cloud.wait_rest(server_ids)
    tap.put_back(rng)  # late: what they ask for is over, and the opposite has been done since
    left = [one for one, state in wanted.items() if state != "deleted"]
    for server_id in left:  # by the same lanes, so it is done after what was put back
        cloud.act(server_id, "reboot", {"type": "HARD"})
    cloud.wait_rest(server_ids)
    assert set(_states(cloud, left).values()) == {"active"}
    cloud.wait_sound("late commands")
    survived("commands delivered twice, out of order and late", 4 * len(tap.taken))
    _clean_up(cloud, left)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 6))])
def test_reports_twice_out_of_order_and_late(cloud: FaultCloud, seed: int) -> None:
    rng, server_ids = random.Random(seed), _fleet(cloud)
    for node in NODES:
        cloud.supervisor.halt(node)
    wanted = _ask_all(cloud, server_ids)
    commands = Tap(cloud, [node_queue(node) for node in NODES])
    commands.take(
        lambda taken: _about(taken, {"ensure_stopped", "reboot_instance", "ensure_absent"}) == set(server_ids)
    )
    for scheduler in SCHEDULERS:
        cloud.supervisor.halt(scheduler)
    commands.put_back(rng, times=1)
    for node in NODES:
        cloud.supervisor.resume(node)
    reports = Tap(cloud, [REPORTS])
    reports.take(lambda taken: _about(taken, {"done", "failed"}) >= set(server_ids))
    reports.put_back(rng)
    for scheduler in SCHEDULERS:
        cloud.supervisor.resume(scheduler)
    cloud.wait_rest(server_ids)
    assert _states(cloud, server_ids) == wanted
    reports.put_back(rng)
    cloud.wait_sound("repeated reports")
    assert _states(cloud, server_ids) == wanted
    survived("reports delivered twice, out of order and late", 4 * len(reports.taken))
    _clean_up(cloud, [one for one, state in wanted.items() if state != "deleted"])


def _clean_up(cloud: FaultCloud, server_ids: list[str]) -> None:
    for server_id in server_ids:
        cloud.delete(server_id)
    cloud.wait_rest(server_ids)
