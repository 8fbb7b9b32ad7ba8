"""The bus on real transports: kombu's files (embedded profile), its in-process one, and RabbitMQ."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import kombu
import pytest
from amqp.exceptions import MessageNacked

from common.clock import SystemClock
from common.config import BusConfig
from common.errors import BusUnavailable, ConfigError, NodeUnreachable
from common.ids import new_id
from common.rpc import credentials, queries_v1
from common.rpc.broker import Broker
from common.rpc.bus import SCHEDULERS, Bus, node_queue, query_queue
from common.rpc.compute_v1 import EnsureAbsent, decode_command
from common.rpc.topology import COMMANDS
from common.rpc.transport import PUBLISH_TRIES, Incoming, Transport
from common.secret import Secret
from tests.fixtures.rabbitmq import Vhost

DEADLINE_S = 20.0


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.01)


@pytest.fixture(
    params=[
        "filesystem",
        "memory",
        pytest.param("rabbitmq", marks=[pytest.mark.rabbitmq, pytest.mark.xdist_group("rabbitmq")]),
    ]
)
def bus_config(request: pytest.FixtureRequest, tmp_path: Path) -> BusConfig:
    if request.param == "filesystem":
        return BusConfig(url=Secret("filesystem://"), folder=str(tmp_path / "bus"))
    if request.param == "memory":
        return BusConfig(url=Secret("memory://"), polling_interval_ms=10)
    vhost: Vhost = request.getfixturevalue("rabbitmq_vhost")
    return vhost.config


@pytest.fixture
def bus(bus_config: BusConfig) -> Iterator[Bus]:
    found = Bus(Transport(bus_config), SystemClock())
    yield found
    found.close()


class Consumer:
    """Collects what arrives on a queue, in a thread."""

    def __init__(self, bus: Bus, queue: str, fail: int = 0) -> None:
        self.bodies: list[bytes] = []
        self.fail = fail
        self.stop = threading.Event()
        self.thread = threading.Thread(target=bus.consume, args=(queue, self._take, self.stop), daemon=True)
        self.thread.start()

    def _take(self, incoming: Incoming) -> None:
        self.bodies.append(incoming.body)
        if self.fail:
            self.fail -= 1
            raise ValueError("poison")

    def close(self) -> None:
        self.stop.set()
        self.thread.join(10)


def command(instance_id: str) -> EnsureAbsent:
    return EnsureAbsent(
        id=new_id(),
        operation_id=new_id(),
        step="s",
        request_id="req-1",
        instance_id=instance_id,
        epoch=3,
        generation=4,
        deadline=datetime(2030, 1, 1, tzinfo=UTC),
    )


def test_commands_arrive_whole_at_their_node_only(bus: Bus) -> None:
    node, other = f"n-{new_id()}", f"n-{new_id()}"
    ours, theirs = Consumer(bus, node_queue(node)), Consumer(bus, node_queue(other))
    sent = [command(new_id()) for _ in range(20)]
    for item in sent:
        bus.send_command(node, item)
    until(lambda: len(ours.bodies) == 20)
    assert {decode_command(body).id for body in ours.bodies} == {item.id for item in sent}
    assert decode_command(ours.bodies[0]).deadline.tzinfo is not None
    assert theirs.bodies == []
    ours.close()
    theirs.close()


def test_a_command_sent_before_the_node_listens_waits_for_it(bus: Bus) -> None:
    node = f"n-{new_id()}"
    bus.send_command(node, command(new_id()))
    late = Consumer(bus, node_queue(node))
    until(lambda: late.bodies)
    late.close()


def test_a_hint_is_json_with_the_operation(bus: Bus) -> None:
    consumer = Consumer(bus, SCHEDULERS)
    wanted = new_id()
    bus.hint(wanted)
    until(lambda: any(json.loads(body)["operation_id"] == wanted for body in consumer.bodies))
    consumer.close()


def test_a_message_that_raises_does_not_stop_the_consumer(bus: Bus) -> None:
    node = f"n-{new_id()}"
    consumer = Consumer(bus, node_queue(node), fail=1)
    for _ in range(3):
        bus.send_command(node, command(new_id()))
    until(lambda: len({decode_command(body).id for body in consumer.bodies}) == 3)
    consumer.close()


def node_bus(bus_config: BusConfig, bus: Bus, node: str) -> Bus:
    """The bus as the node's agent has it: on RabbitMQ, as its own user."""
    if not bus.transport.is_rabbitmq:
        return bus
    password = credentials.make_password()
    Broker(bus_config, bus.transport).ensure_node(node, credentials.password_hash(password))
    url = credentials.node_url(bus_config, node, password)
    return Bus(Transport(BusConfig(url=url), declares=False), SystemClock())


def test_a_question_is_answered_and_silence_names_the_node(bus: Bus, bus_config: BusConfig) -> None:
    node, stop = f"n-{new_id()}", threading.Event()
    agent = node_bus(bus_config, bus, node)

    def answer(incoming: Incoming) -> None:
        query = queries_v1.decode_query(incoming.body)
        agent.answer(incoming, queries_v1.Answer(text=f"log of {query.instance_id}"))

    thread = threading.Thread(target=agent.consume, args=(query_queue(node), answer, stop), daemon=True)
    thread.start()
    assert bus.ask(node, queries_v1.ConsoleLog(instance_id="i1")).text == "log of i1"
    stop.set()
    thread.join(10)
    with pytest.raises(NodeUnreachable, match="nobody-here"):
        bus.ask("nobody-here", queries_v1.ConsoleLog(instance_id="i1"), timeout_s=0.3)


def test_a_pickle_is_never_decoded(bus: Bus, bus_config: BusConfig) -> None:
    node = f"n-{new_id()}"
    consumer = Consumer(bus, node_queue(node))
    bus.send_command(node, command(new_id()))
    until(lambda: consumer.bodies)
    with bus.transport._wire.connection() as connection:
        producer = kombu.Producer(connection.channel())
        exchange = COMMANDS if bus.transport.is_rabbitmq else ""
        producer.publish({"a": 1}, serializer="pickle", routing_key=node_queue(node), exchange=exchange)
    bus.send_command(node, command(new_id()))
    until(lambda: len(consumer.bodies) == 2)
    consumer.close()


@pytest.mark.parametrize("refusals", [1, PUBLISH_TRIES])
def test_a_refused_confirm_is_tried_again_within_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusals: int
) -> None:
    bus = Bus(Transport(BusConfig(url=Secret("filesystem://"), folder=str(tmp_path))), SystemClock())
    publish, calls = kombu.Producer.publish, []

    def refuse_first(self: kombu.Producer, *args: object, **options: object) -> object:
        calls.append(1)
        if len(calls) <= refusals:
            raise MessageNacked()
        return publish(self, *args, **options)

    monkeypatch.setattr(kombu.Producer, "publish", refuse_first)
    node, item = f"n-{new_id()}", command(new_id())
    if refusals == PUBLISH_TRIES:
        with pytest.raises(BusUnavailable, match="refuses to keep"):
            bus.send_command(node, item)
        return
    bus.send_command(node, item)
    consumer = Consumer(bus, node_queue(node))
    until(lambda: [decode_command(body).id for body in consumer.bodies] == [item.id])
    consumer.close()
    bus.close()


def test_a_broker_that_is_not_there_is_said_so_at_once() -> None:
    bus = Bus(Transport(BusConfig(url=Secret("amqp://guest:guest@127.0.0.1:1//"))), SystemClock())
    with pytest.raises(BusUnavailable):
        bus.send_command("n", command(new_id()))
    bus.hint(new_id())  # never raises


@pytest.mark.parametrize(
    ("url", "settings", "said"),
    [
        ("amqps://u:p@h/?ssl_cert_reqs=none", {}, "no parameters"),
        ("amqps://u:p@h/", {"ca_file": "/nowhere/ca.pem"}, "/nowhere/ca.pem"),
        ("amqps://u:p@h/", {"cert_file": "/nowhere/cert.pem"}, "/nowhere/cert.pem"),
    ],
)
def test_settings_that_would_weaken_or_break_tls_are_refused(url: str, settings: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Transport(BusConfig(url=Secret(url), **settings))
