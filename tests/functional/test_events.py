"""cumulet.events on a real RabbitMQ: what anyone with a queue of their own is told, and that nothing waits for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import kombu
import pytest
from amqp.exceptions import AccessRefused

from api.request import Services
from common.clock import ManualClock
from common.config import Config
from common.db import instances
from common.deadlines import CUT_OFF_S, NODE_DOWN_S
from common.rpc import events_v1, topology
from common.rpc.bus import Bus
from common.rpc.events_v1 import InstanceChanged, NodeChanged, NodeState
from common.rpc.transport import Transport
from common.secret import Secret
from common.states import VmState
from scheduler.service import Scheduler
from tests.fixtures.api import ApiClient
from tests.fixtures.ports import free_port
from tests.fixtures.rabbitmq import RabbitServer, Vhost
from tests.functional.cumulet.rows import add_instance, add_node
from tests.functional.test_bus import DEADLINE_S, until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.xdist_group("rabbitmq")]
USER, PASSWORD = "listener", "listens"  # of docs/operations.md, with the rights that stand there
RIGHTS = {"configure": r"^listener\.", "write": r"^listener\.", "read": r"^(listener\..*|cumulet\.events)$"}


@pytest.fixture
def config(config: Config, rabbitmq_vhost: Vhost) -> Config:
    return replace(config, bus=rabbitmq_vhost.config)


class Subscriber:
    """A program that knows nothing of Cumulet but what docs/operations.md says."""

    def __init__(self, url: str, *keys: str) -> None:
        self._connection = kombu.Connection(url)
        self._channel = self._connection.channel()
        self.queue = kombu.Queue("listener.all", durable=True)(self._channel)
        self.queue.declare()
        self.bind(*keys)

    def bind(self, *keys: str) -> None:
        for key in keys:
            self.queue.bind_to(topology.EVENTS, routing_key=key)

    def take(self) -> tuple[str, dict[str, Any]] | None:
        """Routing key and body of the next message."""
        message = self.queue.get(no_ack=True)
        return (message.delivery_info["routing_key"], json.loads(message.body)) if message else None

    def wait(self) -> tuple[str, dict[str, Any]]:
        found: list[tuple[str, dict[str, Any]]] = []

        def taken() -> bool:
            message = self.take()
            found.extend([message] if message else [])
            return bool(message)

        until(taken)
        return found[0]

    def close(self) -> None:
        self._connection.release()


@pytest.fixture
def listener_url(rabbitmq_server: RabbitServer, rabbitmq_vhost: Vhost, services: Services) -> str:
    """Of a user with the documented rights, on a broker that has been set up."""
    services.bus.transport.declare_again([])
    rabbitmq_server.api("PUT", f"users/{USER}", {"password": PASSWORD, "tags": ""}).raise_for_status()
    rabbitmq_server.api("PUT", f"permissions/{rabbitmq_vhost.name}/{USER}", RIGHTS).raise_for_status()
    return rabbitmq_server.url(rabbitmq_vhost.name, user=f"{USER}:{PASSWORD}")


@pytest.fixture
def subscriber(listener_url: str) -> Iterator[Subscriber]:
    found = Subscriber(listener_url, "instance.#", "node.#")
    yield found
    found.close()


def move(services: Services, instance_id: str, to: VmState, start: VmState = VmState.ACTIVE) -> None:
    now = services.clock.now()
    moved = services.db.run(
        lambda session: instances.transition(
            session, instance_id, to, expect=[start], operation_id=None, now=now, reason="seen"
        )
    )
    assert moved


def test_a_subscriber_is_told_what_became_of_an_instance(api_client: ApiClient, subscriber: Subscriber) -> None:
    services = api_client.services
    node_id = add_node(services, "n1")
    instance_id = add_instance(api_client, "demo", node_id=node_id)
    move(services, instance_id, VmState.STOPPED)
    key, body = subscriber.wait()
    assert key == "instance.stopped"
    at = body.pop("at")
    assert at.endswith("Z")
    assert body == {
        "kind": "instance", "instance_id": instance_id, "project_id": api_client.project_id("demo"),
        "vm_state": "stopped", "reason": "seen", "node": "n1", "operation_id": None,
    }  # fmt: skip
    event = events_v1.decode(json.dumps({**body, "at": at}).encode())
    assert isinstance(event, InstanceChanged)
    assert events_v1.routing_key(event) == key


def test_nothing_is_told_of_what_was_rolled_back(api_client: ApiClient, subscriber: Subscriber) -> None:
    services = api_client.services
    kept, undone = (add_instance(api_client, "demo") for _ in range(2))

    def work(session: Any) -> None:
        instances.transition(
            session, undone, VmState.STOPPED, expect=[VmState.ACTIVE], operation_id=None, now=services.clock.now(),
            reason="undone",
        )  # fmt: skip
        raise LookupError("too late")

    with pytest.raises(LookupError):
        services.db.run(work)
    move(services, kept, VmState.STOPPED)
    assert subscriber.wait()[1]["instance_id"] == kept
    assert subscriber.take() is None


def test_a_subscriber_is_told_of_nodes(services: Services, manual_clock: ManualClock, subscriber: Subscriber) -> None:
    scheduler = Scheduler(config=services.config, db=services.db, bus=services.bus, clock=manual_clock)
    node_id = add_node(services, "n1")
    scheduler.liveness.run()
    told = []
    for silent_s in (NODE_DOWN_S + 1, CUT_OFF_S):
        manual_clock.advance(silent_s)
        scheduler.liveness.run()
        told.append(subscriber.wait())
    assert [key for key, _ in told] == ["node.down", "node.cut_off"]
    event = events_v1.decode(json.dumps(told[0][1]).encode())
    assert isinstance(event, NodeChanged)
    assert (event.node_id, event.node, event.state) == (node_id, "n1", NodeState.DOWN)
    assert event.at == manual_clock.now() - timedelta(seconds=CUT_OFF_S)
    assert subscriber.take() is None


def test_work_goes_on_without_listeners_exchange_and_makes_it_again(
    api_client: ApiClient, rabbitmq_server: RabbitServer, rabbitmq_vhost: Vhost, subscriber: Subscriber
) -> None:
    services = api_client.services
    instance_id = add_instance(api_client, "demo")
    move(services, instance_id, VmState.STOPPED)
    assert subscriber.wait()[0] == "instance.stopped"
    exchange = f"exchanges/{rabbitmq_vhost.name}/{topology.EVENTS}"
    rabbitmq_server.api("DELETE", exchange).raise_for_status()

    def there_again() -> bool:  # the first message is lost, and the broker closes the channel that it came by
        for to, start in ((VmState.ACTIVE, VmState.STOPPED), (VmState.STOPPED, VmState.ACTIVE)):
            move(services, instance_id, to, start)
            with services.db.read() as session:
                assert instances.get(session, instance_id).vm_state == to
        return rabbitmq_server.api("GET", exchange).status_code == 200

    until(there_again)
    subscriber.bind("instance.#")
    move(services, instance_id, VmState.ACTIVE, VmState.STOPPED)
    assert subscriber.wait()[0] == "instance.active"


def test_work_goes_on_without_a_broker(api_client: ApiClient, rabbitmq_vhost: Vhost) -> None:
    services = api_client.services
    nowhere = replace(rabbitmq_vhost.config, url=Secret(f"amqp://guest:guest@127.0.0.1:{free_port()}/"))
    bus = Bus(Transport(nowhere), services.clock)
    services.db.tell_by(bus.tell)
    instance_id = add_instance(api_client, "demo")
    move(services, instance_id, VmState.STOPPED)
    with services.db.read() as session:
        assert instances.get(session, instance_id).vm_state == VmState.STOPPED
    bus.close()


def test_a_subscriber_reads_nothing_else(listener_url: str) -> None:
    with kombu.Connection(listener_url) as connection:
        for exchange in (topology.COMMANDS, topology.REPORTS):
            queue = kombu.Queue("listener.other")(connection.channel())
            queue.declare()
            with pytest.raises(AccessRefused):
                queue.bind_to(exchange, routing_key="#")
        with pytest.raises(AccessRefused):
            connection.channel().basic_get(topology.REPORTS)
        channel = connection.channel()
        kombu.Producer(channel, auto_declare=False).publish(b"{}", exchange=topology.EVENTS, routing_key="node.up")
        with pytest.raises(AccessRefused):
            connection.drain_events(timeout=DEADLINE_S)
