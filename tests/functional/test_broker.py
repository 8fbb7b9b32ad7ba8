"""RabbitMQ with a hostile node on it: what a node's user may do, whom the schedulers believe, what a wiped broker gets back."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kombu
import pytest
from amqp.exceptions import AccessRefused, AMQPError, ChannelError, NotAllowed, PreconditionFailed

from api.request import Services
from common.clock import SystemClock
from common.config import BusConfig, Config
from common.db import node_tokens, nodes
from common.errors import BusUnavailable, NodeUnreachable
from common.ids import new_id
from common.rpc import compute_v1, credentials, queries_v1, topology
from common.rpc.broker import Broker
from common.rpc.bus import Bus
from common.rpc.topology import DEAD, REPORTS, SCHEDULERS, node_queue, node_user, query_queue
from common.rpc.transport import Incoming, Transport
from common.secret import Secret
from scheduler.service import Scheduler
from tests.fixtures import certificates
from tests.fixtures.api import ApiClient
from tests.fixtures.rabbitmq import RabbitServer, Vhost
from tests.functional.cumulet.rows import INVENTORY, add_node
from tests.functional.test_bus import Consumer, command, until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.xdist_group("rabbitmq")]
Channel = Any


@pytest.fixture
def config(config: Config, rabbitmq_vhost: Vhost) -> Config:
    return replace(config, bus=rabbitmq_vhost.config)


def make_node(services: Services, name: str) -> Secret:
    """Enrol a node; the URL of its broker user, which the next reconciliation makes."""
    password = credentials.make_password()
    add_node(services, name, heartbeat=False)
    with services.db.write() as session:
        node = nodes.by_name(session, name)
        assert node is not None
        node_tokens.set_broker_password(session, node.id, credentials.password_hash(password))
    return credentials.node_url(services.config.bus, name, password)


def agent_bus(url: Secret) -> Bus:
    return Bus(Transport(BusConfig(url=url), declares=False), SystemClock())


def sync(services: Services) -> int:
    scheduler = Scheduler(config=services.config, db=services.db, bus=services.bus, clock=services.clock)
    return scheduler.broker_sync.run()


def heartbeat(node: str) -> compute_v1.Heartbeat:
    inventory = compute_v1.Inventory(**INVENTORY, address="10.66.6.6")
    now = datetime.now(UTC)
    return compute_v1.Heartbeat(
        node=node, node_id=new_id(), boot_id="b", sent_at=now, agent_started_at=now, inventory=inventory
    )


# What a node's user may do


@pytest.fixture
def two_nodes(services: Services) -> dict[str, Secret]:
    urls = {name: make_node(services, name) for name in ("n1", "n2")}
    assert sync(services) == 2
    assert sync(services) == 0
    return urls


@pytest.fixture
def hostile(two_nodes: dict[str, Secret]) -> Iterator[kombu.Connection]:
    """n1's own credentials in the wrong hands."""
    with kombu.Connection(two_nodes["n1"].reveal(), transport_options={"confirm_publish": True}) as connection:
        yield connection


def write(exchange: str, key: str, **properties: Any) -> Callable[[Channel], object]:
    return lambda channel: kombu.Producer(channel, auto_declare=False).publish(
        b"{}",
        exchange=exchange,
        routing_key=key,
        content_type="application/json",
        content_encoding="utf-8",
        **properties,
    )


REFUSED: dict[str, Callable[[Channel], object]] = {
    "read another's commands": lambda channel: channel.basic_get(node_queue("n2")),
    "read another's questions": lambda channel: channel.basic_get(query_queue("n2")),
    "consume another's commands": lambda channel: channel.basic_consume(node_queue("n2")),
    "read reports": lambda channel: channel.basic_get(REPORTS),
    "read hints": lambda channel: channel.basic_get(SCHEDULERS),
    "read dead letters": lambda channel: channel.basic_get(DEAD),
    "empty another's queue": lambda channel: channel.queue_purge(node_queue("n2")),
    "command another": write(topology.COMMANDS, node_queue("n2")),
    "command itself": write(topology.COMMANDS, node_queue("n1")),
    "hint": write(topology.COMMANDS, SCHEDULERS),
    "write past the exchanges": write("", node_queue("n2")),
    "notify": write(topology.EVENTS, "instance.active"),
    "declare a queue": lambda channel: channel.queue_declare("cumulet.node.n3"),
    "declare a queue without name": lambda channel: channel.queue_declare(""),
    "declare an exchange": lambda channel: channel.exchange_declare("cumulet.mine", "direct"),
    "bind its queue to reports": lambda channel: channel.queue_bind(node_queue("n1"), REPORTS, REPORTS),
    "unbind another": lambda channel: channel.queue_unbind(node_queue("n2"), topology.COMMANDS, node_queue("n2")),
    "delete its queue": lambda channel: channel.queue_delete(node_queue("n1")),
    "delete another's queue": lambda channel: channel.queue_delete(node_queue("n2")),
    "delete an exchange": lambda channel: channel.exchange_delete(REPORTS),
}


def test_a_nodes_user_is_refused_everything_else(hostile: kombu.Connection, services: Services) -> None:
    services.bus.send_command("n2", command(new_id()))
    for what, attempt in REFUSED.items():
        channel = hostile.channel()
        with pytest.raises(ChannelError) as refused:
            attempt(channel)
        assert isinstance(refused.value, AccessRefused), (what, refused.value)
    victim = Consumer(services.bus, node_queue("n2"))
    until(lambda: len(victim.bodies) == 1)
    victim.close()


def test_a_nodes_user_is_let_in_nowhere_else(rabbitmq_server: RabbitServer, two_nodes: dict[str, Secret]) -> None:
    account = two_nodes["n1"].reveal().partition("//")[2].partition("@")[0]
    with pytest.raises(NotAllowed), kombu.Connection(rabbitmq_server.url("/", user=account)) as elsewhere:
        elsewhere.connect()
    users = {each["name"]: each["tags"] for each in rabbitmq_server.api("GET", "users").json()}
    assert users[node_user("n1")] == []


def test_nobody_speaks_in_anothers_name(hostile: kombu.Connection) -> None:
    with pytest.raises(PreconditionFailed, match="user_id"):
        write(REPORTS, REPORTS, user_id=node_user("n2"))(hostile.channel())
    write(REPORTS, REPORTS, user_id=node_user("n1"))(hostile.channel())


def test_renewed_credentials_cut_off_the_old_ones(services: Services, two_nodes: dict[str, Secret]) -> None:
    before = kombu.Connection(two_nodes["n1"].reveal())
    before.connect()
    fresh = make_node(services, "n1")
    assert sync(services) == 1
    with pytest.raises(AMQPError):
        before.drain_events(timeout=10)
    with pytest.raises(AccessRefused):
        kombu.Connection(two_nodes["n1"].reveal()).connect()
    agent_bus(fresh).send_report(heartbeat("n1"))


def test_a_removed_nodes_user_goes_and_others_stay(
    services: Services, two_nodes: dict[str, Secret], rabbitmq_server: RabbitServer
) -> None:
    elsewhere = {"configure": "^$", "write": "^$", "read": "^$"}
    for name, vhost in (("cumulet-node-old", services.bus.transport), ("cumulet-node-theirs", None)):
        rabbitmq_server.api("PUT", f"users/{name}", {"password": "x", "tags": ""})
        at = services.config.bus.url.reveal().rpartition("/")[2] if vhost else "%2F"
        rabbitmq_server.api("PUT", f"permissions/{at}/{name}", elsewhere)
    assert sync(services) == 1
    users = {each["name"] for each in rabbitmq_server.api("GET", "users").json()}
    assert users == {"guest", "cumulet-node-n1", "cumulet-node-n2", "cumulet-node-theirs"}


# Whom the schedulers believe


@pytest.fixture
def listening(services: Services, two_nodes: dict[str, Secret]) -> Iterator[Scheduler]:
    """A scheduler that takes reports from the real broker."""
    scheduler = Scheduler(config=services.config, db=services.db, bus=services.bus, clock=services.clock)
    thread = threading.Thread(
        target=services.bus.consume, args=(REPORTS, scheduler.reports.handle, scheduler.stop_event)
    )
    thread.start()
    yield scheduler
    scheduler.stop_event.set()
    thread.join(10)


def seen(services: Services, name: str) -> tuple[object, str]:
    with services.db.read() as session:
        node = nodes.by_name(session, name)
    assert node is not None
    return node.last_heartbeat_at, node.address


def test_a_node_speaks_for_itself_alone(
    services: Services, two_nodes: dict[str, Secret], listening: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    n1 = agent_bus(two_nodes["n1"])
    before = seen(services, "n2")
    n1.send_report(heartbeat("n2"))
    n1.send_report(
        compute_v1.PowerEvent(
            node="n2", instance_id=new_id(), epoch=1, generation=1, power=compute_v1.PowerState.SHUTDOWN,
            at=datetime.now(UTC),
        )
    )  # fmt: skip
    services.bus.send_report(heartbeat("n2"))  # whoever holds the control plane's password is no node either
    with kombu.Connection(two_nodes["n2"].reveal(), transport_options={"confirm_publish": True}) as connection:
        kombu.Producer(connection.channel(), auto_declare=False).publish(
            compute_v1.encode(heartbeat("n2")), exchange=REPORTS, routing_key=REPORTS,
            content_type="application/json", content_encoding="utf-8",
        )  # fmt: skip
    n1.send_report(heartbeat("n1"))
    until(lambda: seen(services, "n1")[0])
    assert seen(services, "n2") == before
    assert len([record for record in caplog.records if record.message == "report.forged"]) == 4
    agent_bus(two_nodes["n2"]).send_report(heartbeat("n2"))
    until(lambda: seen(services, "n2")[0])


def test_an_answer_of_another_node_is_none(services: Services, two_nodes: dict[str, Secret]) -> None:
    stop, liar, honest = threading.Event(), agent_bus(two_nodes["n1"]), agent_bus(two_nodes["n2"])
    answerers: list[Bus] = [liar]

    def answer(incoming: Incoming) -> None:
        answerers[0].answer(incoming, queries_v1.Answer(text="said"))

    thread = threading.Thread(target=honest.consume, args=(query_queue("n2"), answer, stop))
    thread.start()
    with pytest.raises(NodeUnreachable):
        services.bus.ask("n2", queries_v1.ConsoleLog(instance_id="i"), timeout_s=1.0)
    answerers[0] = honest
    assert services.bus.ask("n2", queries_v1.ConsoleLog(instance_id="i")).text == "said"
    stop.set()
    thread.join(10)


# A broker that lost its data, or is not there


def test_a_wiped_broker_gets_everything_back(
    services: Services, two_nodes: dict[str, Secret], rabbitmq_vhost: Vhost
) -> None:
    agent = agent_bus(two_nodes["n1"])
    consumer = Consumer(agent, node_queue("n1"))
    services.bus.send_command("n1", command(new_id()))
    until(lambda: len(consumer.bodies) == 1)
    rabbitmq_vhost.remove()
    for name in ("n1", "n2"):
        rabbitmq_vhost.server.api("DELETE", f"users/{node_user(name)}").raise_for_status()
    assert sync(services) == 0  # nothing there to mend it on, and no error leaves
    rabbitmq_vhost.make()
    assert sync(services) == 2
    services.bus.send_command("n1", command(new_id()))
    until(lambda: len(consumer.bodies) == 2)
    agent.send_report(heartbeat("n1"))
    consumer.close()


@pytest.mark.slow
def test_a_broker_that_lost_its_disk(tmp_path: Path) -> None:
    """A real stop and a real loss: publishers and consumers find their way back by themselves."""
    server = RabbitServer(tmp_path)
    password = credentials.make_password()
    accounts = {"n1": credentials.password_hash(password)}
    config = BusConfig(url=Secret(server.url()), management_url=Secret(server.management_url))
    control = Bus(Transport(config), SystemClock())
    broker = Broker(config, control.transport)
    agent = agent_bus(credentials.node_url(config, "n1", password))
    server.start()
    try:
        assert broker.reconcile(lambda: accounts) == 1
        consumer, hints = Consumer(agent, node_queue("n1")), Consumer(control, SCHEDULERS)
        control.send_command("n1", command(new_id()))
        agent.send_report(heartbeat("n1"))
        control.hint(new_id())
        until(lambda: consumer.bodies and hints.bodies)
        server.stop()
        with pytest.raises(BusUnavailable):
            control.send_command("n1", command(new_id()))
        server.wipe()
        server.start()
        assert broker.reconcile(lambda: accounts) == 1
        consumer.bodies.clear()
        hints.bodies.clear()
        control.send_command("n1", command(new_id()))
        agent.send_report(heartbeat("n1"))
        until(lambda: control.hint(new_id()) or hints.bodies)
        until(lambda: consumer.bodies)
        consumer.close()
        hints.close()
    finally:
        server.stop()


def test_a_publisher_survives_a_connection_that_was_cut(services: Services, rabbitmq_server: RabbitServer) -> None:
    hints, commands = Consumer(services.bus, SCHEDULERS), Consumer(services.bus, node_queue("n1"))
    for _ in range(2):
        services.bus.hint(new_id())
        services.bus.send_command("n1", command(new_id()))
        until(lambda: rabbitmq_server.api("GET", "connections").json())
        for each in rabbitmq_server.api("GET", "connections").json():
            rabbitmq_server.api("DELETE", f"connections/{each['name']}")
    services.bus.hint(new_id())
    services.bus.send_command("n1", command(new_id()))
    until(lambda: len(hints.bodies) == 3 and len(commands.bodies) >= 3)
    hints.close()
    commands.close()


def test_hints_do_not_wait_for_a_broker_that_is_silent() -> None:
    """Who connects gets no answer, as from a frozen broker: one try within a second, then none for a while."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        transport = Transport(BusConfig(url=Secret(f"amqp://guest:guest@127.0.0.1:{port}//")))
        refused: list[str] = []

        def hint() -> None:
            try:
                transport.hint(SCHEDULERS, b"{}")
            except BusUnavailable as err:
                refused.append(err.message)

        threads = [threading.Thread(target=hint) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(refused) == 20
        silent.settimeout(0.2)
        silent.accept()
        with pytest.raises(TimeoutError):
            silent.accept()  # the other 19 did not even try
        transport.close()


# TLS (BUS-05)


def over_tls(server: RabbitServer, *, ca: str, host: str = "127.0.0.1") -> Transport:
    return Transport(BusConfig(url=Secret(server.url(tls=True, host=host)), ca_file=ca))


def test_tls_with_the_right_ca(rabbitmq_server: RabbitServer) -> None:
    transport = over_tls(rabbitmq_server, ca=rabbitmq_server.ca_file)
    transport.ping()
    transport.close()


@pytest.mark.parametrize(
    ("ca", "host", "why"),
    [
        ("another", "127.0.0.1", "verify failed"),
        ("", "127.0.0.1", "verify failed"),
        ("right", "localhost", "mismatch"),
    ],
)
def test_tls_refuses_the_wrong_ca_and_the_wrong_name(
    rabbitmq_server: RabbitServer, tmp_path: Path, ca: str, host: str, why: str
) -> None:
    another = str(certificates.make(tmp_path / "another").ca_file)
    transport = over_tls(
        rabbitmq_server, ca={"right": rabbitmq_server.ca_file, "another": another}.get(ca, ""), host=host
    )
    with pytest.raises(BusUnavailable) as refused:
        transport.ping()
    assert why in refused.value.detail
    transport.close()


# What operators see


def test_the_bus_as_operators_see_it(
    services: Services, api_client: ApiClient, listening: Scheduler, two_nodes: dict[str, Secret]
) -> None:
    instance_id = new_id()
    poison = json.dumps({"type": "report", "instance_id": instance_id, "secret": "hunter2"}, separators=(",", ":"))
    with kombu.Connection(two_nodes["n1"].reveal(), transport_options={"confirm_publish": True}) as connection:
        write_body = kombu.Producer(connection.channel(), auto_declare=False).publish
        write_body(
            poison.encode(), exchange=REPORTS, routing_key=REPORTS, user_id=node_user("n1"),
            content_type="application/json", content_encoding="utf-8",
        )  # fmt: skip
    services.bus.send_command("n2", command(new_id()))

    def letters() -> list[dict[str, Any]]:
        reply = api_client.get("/cumulet/v1/bus/dead-letters", "admin")
        assert reply.status_code == 200, reply.text
        assert "hunter2" not in reply.text
        return list(reply.get_json()["dead_letters"])

    until(letters)
    for _ in range(2):  # looking removes nothing
        (letter,) = letters()
        assert (letter["kind"], letter["instance_id"]) == ("report", instance_id)
        assert (letter["queue"], letter["reason"], letter["user"]) == (REPORTS, "delivery_limit", node_user("n1"))

    def queues() -> dict[str, dict[str, Any]]:
        body = api_client.get("/cumulet/v1/bus", "admin").get_json()["bus"]
        return {queue["name"]: queue for queue in body["queues"]}

    until(lambda: queues()[node_queue("n2")]["messages"] == 1 and queues()[REPORTS]["consumers"] == 1)
    assert queues()[node_queue("n2")]["kind"] == "quorum"
    until(lambda: api_client.get("/cumulet/v1/bus", "admin").get_json()["bus"]["dead_letters"] == 1)
    assert api_client.get("/cumulet/v1/bus", "demo").status_code == 403


def test_the_definitions_are_what_the_services_declare(rabbitmq_server: RabbitServer) -> None:
    """A control plane whose user is the one of etc/rabbitmq/definitions.json finds everything as it would make it."""
    definitions = json.loads((Path(__file__).parents[2] / "etc/rabbitmq/definitions.json").read_text())
    try:
        rabbitmq_server.api("POST", "definitions", definitions).raise_for_status()
        with pytest.raises(BusUnavailable):  # nobody gets in before a password is set
            Transport(BusConfig(url=Secret(rabbitmq_server.url("cumulet", user="cumulet:")))).ping()
        with_password = topology.definitions(credentials.password_hash(Secret("set")))
        rabbitmq_server.api("POST", "definitions", with_password).raise_for_status()
        management = rabbitmq_server.management_url.replace("guest:guest", "cumulet:set")
        config = BusConfig(
            url=Secret(rabbitmq_server.url("cumulet", user="cumulet:set")), management_url=Secret(management)
        )
        bus = Bus(Transport(config), SystemClock())
        accounts = {"n1": credentials.password_hash(credentials.make_password())}
        assert Broker(config, bus.transport).reconcile(lambda: accounts) == 1
        bus.hint(new_id())
        bus.send_command("n1", command(new_id()))
        bus.close()
    finally:
        for path in ("vhosts/cumulet", "users/cumulet", f"users/{node_user('n1')}"):
            rabbitmq_server.api("DELETE", path)
