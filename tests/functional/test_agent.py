"""The agent as a process, on driver `fake` and the filesystem:// bus: commands in, reports out, killed at will."""

from __future__ import annotations

import configparser
import json
import os
import random
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.clock import SystemClock
from common.rpc import compute_v1
from common.rpc.bus import REPORTS, Bus, node_queue
from common.rpc.compute_v1 import Command, Heartbeat, PowerEvent, PowerState, RebootMode, Report, ReportKind
from common.rpc.queries_v1 import ConsoleLog
from common.rpc.transport import Incoming, Transport
from tests.fixtures.ports import free_port
from tests.unit.agent.box import CLOUD_UUID, NODE, Orders, settings

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
RESEND_S = 0.5
CLOCK = SystemClock()


class Node:
    """One agent process and the control plane it talks to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        self.health_port = free_port()
        self._config = folder / "cumulet.conf"
        self._write_config()
        self.process: subprocess.Popen[bytes] | None = None
        self.bus = Bus(Transport(settings(folder).bus), CLOCK)
        self.heard: list[compute_v1.FromAgent] = []
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._listener = threading.Thread(target=self.bus.consume, args=(REPORTS, self._hear, self._stop))
        self._listener.start()

    def start(self) -> None:
        words = [sys.executable, "-m", "compute_agent.main", "--config", str(self._config)]
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(words, stderr=log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self._stop.set()
        self._listener.join(PATIENCE_S)
        self.bus.close()

    def do(self, command: Command) -> Report:
        """As a scheduler does: send, and send again until the result is there; the supervisor's part too."""
        again_at, until = 0.0, CLOCK.monotonic() + PATIENCE_S
        while True:
            if self.process is not None and self.process.poll() is not None:
                self.start()
            if CLOCK.monotonic() >= again_at:
                self.bus.send_command(NODE, command)
                again_at = CLOCK.monotonic() + RESEND_S
            with self._changed:
                found = self.result(command)
                if found:
                    return found
                assert CLOCK.monotonic() < until, self.log()
                self._changed.wait(0.1)

    def result(self, command: Command) -> Report | None:
        final = (ReportKind.DONE, ReportKind.FAILED)
        for message in self.heard:
            if isinstance(message, Report) and message.command_id == command.id and message.kind in final:
                return message
        return None

    def wait_for(self, what: Callable[[compute_v1.FromAgent], bool], since: int = 0) -> compute_v1.FromAgent:
        """The first message, after the `since` first ones, that is what is looked for."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(what, self.heard[since:])), PATIENCE_S), self.log()
            return next(message for message in self.heard[since:] if what(message))

    def hears_more(self, since: int) -> bool:
        """Wait a little for a message after the `since` first ones."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.heard) > since, 0.5)

    def fault(self, **verbs: dict[str, Any]) -> None:
        folder = self.state_dir / "fake"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "faults.new").write_text(json.dumps(verbs))
        (folder / "faults.new").rename(folder / "faults.json")

    def domain(self, orders: Orders) -> dict[str, Any] | None:
        path = self.state_dir / "fake" / "domains" / f"{orders.instance_id}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def log(self) -> str:
        return (self.folder / "agent.log").read_text()[-4000:]

    def _hear(self, incoming: Incoming) -> None:
        with self._changed:
            self.heard.append(compute_v1.decode_from_agent(incoming.body))
            self._changed.notify_all()

    def _write_config(self) -> None:
        parser = configparser.ConfigParser()
        parser.read_dict(
            {
                "cloud": {"uuid": CLOUD_UUID, "log_dir": "", "run_dir": str(self.folder / "run")},
                "bus": {"url": "filesystem://", "folder": str(self.folder / "bus")},
                "network": {"networking": "none"},
                "agent": {
                    "node": NODE, "driver": "fake", "state_dir": str(self.state_dir), "heartbeat_interval_s": "0.3",
                    "health_port": str(self.health_port), "image_secret_file": str(self.state_dir / "node.secret"),
                },
            }
        )  # fmt: skip
        with self._config.open("w") as file:
            parser.write(file)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    made.start()
    yield made
    made.close()


@pytest.fixture
def orders() -> Orders:
    return Orders(CLOCK)


def test_a_life(node: Node, orders: Orders) -> None:
    created = node.do(orders.create())
    assert (created.kind, created.power) == (ReportKind.DONE, PowerState.RUNNING)
    assert node.do(orders.halt(generation=2)).power is PowerState.SHUTDOWN
    assert node.do(orders.start(generation=3)).power is PowerState.RUNNING
    assert node.do(orders.reboot(generation=4)).power is PowerState.RUNNING
    answer = node.bus.ask(NODE, ConsoleLog(instance_id=orders.instance_id))
    assert "rebooted" in answer.text or "started" in answer.text
    assert node.do(orders.remove(generation=5)).absent
    beat = node.wait_for(lambda message: isinstance(message, Heartbeat), since=len(node.heard))
    assert isinstance(beat, Heartbeat)
    assert beat.domains == []


def test_a_guest_that_powers_itself_off_is_told_of(node: Node, orders: Orders) -> None:
    node.do(orders.create())
    (node.state_dir / "fake" / "poweroff" / orders.instance_id).touch()
    event = node.wait_for(lambda message: isinstance(message, PowerEvent))
    assert isinstance(event, PowerEvent)
    assert (event.instance_id, event.power) == (orders.instance_id, PowerState.SHUTDOWN)


def test_poison_does_not_stop_the_queue(node: Node, orders: Orders) -> None:
    """BUS-06: giants, depths and nonsense before a good command."""
    for body in (b"nonsense", b"[" * 100_000, b"x" * 9 * 1024 * 1024, b'{"kind":"ensure_absent"}'):
        node.bus.transport.publish(node_queue(NODE), body)
    assert node.do(orders.create()).kind is ReportKind.DONE


def test_sigterm_ends_the_agent_and_no_guest(node: Node, orders: Orders) -> None:
    node.do(orders.create())
    assert node.process is not None
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(PATIENCE_S) == 0
    domain = node.domain(orders)
    assert domain is not None
    assert (domain["power"], domain["boots"]) == ("running", 1)
    node.start()
    assert node.do(orders.halt()).power is PowerState.SHUTDOWN


def test_a_second_agent_on_the_same_state_is_refused(node: Node, orders: Orders) -> None:
    node.do(orders.create())
    words = [sys.executable, "-m", "compute_agent.main", "--config", str(node.folder / "cumulet.conf")]
    second = subprocess.run(words, capture_output=True, timeout=PATIENCE_S, check=False)
    assert second.returncode == 1
    assert b"another agent" in second.stderr


def test_health(node: Node, orders: Orders) -> None:
    node.do(orders.create())
    node.wait_for(lambda message: isinstance(message, Heartbeat), since=len(node.heard))
    until = CLOCK.monotonic() + PATIENCE_S
    while (status := _get(node, "/healthz")[0]) != 200:
        assert CLOCK.monotonic() < until, status
        CLOCK.sleep(0.05)
    assert b"cumulet_agent_commands_total" in _get(node, "/metrics")[1]
    assert _get(node, "/else")[0] == 404


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("verb", ["ensure_running", "state", "ensure_absent", "request_shutdown", "ensure_stopped"])
def test_kill_inside_a_verb(node: Node, orders: Orders, verb: str, when: str) -> None:
    """SIGKILL from within the driver, once, wherever the verb comes up in a guest's life."""
    node.fault(**{verb: {"kill": when, "fail_times": 1}})
    boots = 0
    for command, power, more in (
        (orders.create(1, 1), "running", 1),
        (orders.halt(1, 2), "shutdown", 0),
        (orders.start(1, 3), "running", 1),
        (orders.reboot(1, 4, RebootMode.HARD), "running", 1),
    ):
        report = node.do(command)
        assert report.kind is ReportKind.DONE, report
        boots += more
        domain = node.domain(orders)
        assert domain is not None
        assert (domain["power"], domain["boots"]) == (power, boots), command
    assert node.do(orders.remove(1, 5)).absent
    assert node.domain(orders) is None


def test_kill_at_random_times(node: Node) -> None:
    """kill -9, again and again, a moment after the agent has come to life, while guests go through all verbs."""
    chance = random.Random(20260101)
    ended = threading.Event()
    killed: list[int] = []

    def executioner() -> None:
        while not ended.is_set():
            process, since = node.process, len(node.heard)
            if process is None or process.pid in killed:
                ended.wait(0.02)
                continue
            if node.hears_more(since) and not ended.wait(chance.uniform(0.0, 0.4)) and process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)

    node.fault(ensure_running={"delay_ms": 30}, ensure_stopped={"delay_ms": 30}, ensure_absent={"delay_ms": 30})
    killer = threading.Thread(target=executioner)
    killer.start()
    try:
        for _ in range(2):
            orders = Orders(CLOCK)
            for command, power, boots in (
                (orders.create(1, 1), "running", 1),
                (orders.reboot(1, 2), "running", 2),
                (orders.halt(1, 3), "shutdown", 2),
                (orders.reboot(1, 4, RebootMode.HARD), "running", 3),
            ):
                report = node.do(command)
                domain = node.domain(orders)
                assert report.kind is ReportKind.DONE, report
                assert domain is not None
                assert (domain["power"], domain["boots"]) == (power, boots), command
            assert node.do(orders.remove(1, 5)).absent
            assert node.domain(orders) is None
    finally:
        ended.set()
        killer.join(PATIENCE_S)
    assert killed


def _get(node: Node, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{node.health_port}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as err:
        return err.code, b""
    except urllib.error.URLError:
        return 0, b""
