"""The bus in Cumulet's own words: commands to a node, hints to the schedulers, reports back, questions to an agent,
events to anyone."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

from common import log
from common.clock import Clock
from common.deadlines import QUERY_S
from common.errors import BusUnavailable, NodeUnreachable
from common.ids import new_id
from common.rpc import compute_v1, events_v1, queries_v1
from common.rpc.topology import REPORTS, SCHEDULERS, node_queue, node_user, query_queue, reply_queue
from common.rpc.transport import Callback, Incoming, Transport

__all__ = ["REPORTS", "SCHEDULERS", "Bus", "node_queue", "query_queue"]
logger = logging.getLogger(__name__)


@dataclass
class _Question:
    """One that waits for its answer."""

    node: str
    arrived: threading.Event = field(default_factory=threading.Event)
    body: bytes = b""


class Bus:
    """One per process; every method may be called by any thread."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self.transport = transport
        self._clock = clock
        self._waiting: dict[str, _Question] = {}
        self._reply_queue = reply_queue(new_id())
        self._reply_thread: threading.Thread | None = None
        self._reply_lock = threading.Lock()
        self._stop = threading.Event()

    def send_command(self, node: str, command: compute_v1.Command) -> None:
        """Raises BusUnavailable; the operation's row stays due and is sent again."""
        self.transport.publish(node_queue(node), compute_v1.encode(command))

    def send_report(self, message: compute_v1.FromAgent) -> None:
        """Raises BusUnavailable; the agent repeats what was not acknowledged."""
        self.transport.publish(REPORTS, compute_v1.encode(message))

    def hint(self, operation_id: str) -> None:
        """Tell a scheduler that work is due. Never raises, never waits long: the sweep finds the row of a lost hint."""
        try:
            self.transport.hint(SCHEDULERS, b'{"operation_id":"%s"}' % operation_id.encode())
        except BusUnavailable as err:
            log.event(logger, "bus.hint_lost", logging.WARNING, operation_id=operation_id, reason=err.detail)

    def tell(self, event: events_v1.Event) -> None:
        """Publish what has been committed. Never raises, never waits long: the row is the truth, this may be lost."""
        try:
            self.transport.announce(events_v1.routing_key(event), events_v1.encode(event))
        except BusUnavailable as err:
            log.event(logger, "bus.event_lost", logging.DEBUG, key=events_v1.routing_key(event), reason=err.detail)

    def consume(self, queue: str, callback: Callback, stop: threading.Event, prefetch: int = 32) -> None:
        self.transport.consume([queue], callback, stop, prefetch)

    def ask(self, node: str, query: queries_v1.Query, timeout_s: float = QUERY_S) -> queries_v1.Answer:
        """Ask a node's agent and wait. Raises NodeUnreachable, naming the node, when no answer comes in time."""
        correlation_id = new_id()
        question = self._waiting[correlation_id] = _Question(node)
        try:
            self._start_replies()
            self.transport.publish(
                query_queue(node),
                queries_v1.encode(query),
                durable=False,
                reply_to=self._reply_queue,
                correlation_id=correlation_id,
                expires_s=timeout_s,
            )
            if not question.arrived.wait(timeout_s):
                raise NodeUnreachable(f"Node {node} did not answer within {timeout_s:g} s; try again later.", node=node)
            return queries_v1.decode_answer(question.body)
        except BusUnavailable as err:
            raise NodeUnreachable(
                f"Node {node} can't be asked: the message broker does not answer.", node=node
            ) from err
        finally:
            self._waiting.pop(correlation_id, None)

    def answer(self, incoming: Incoming, answer: queries_v1.Answer) -> None:
        """Send an agent's answer to whoever asked. Raises BusUnavailable."""
        self.transport.publish(
            incoming.reply_to,
            queries_v1.encode(answer),
            durable=False,
            correlation_id=incoming.correlation_id,
            expires_s=QUERY_S,
        )

    def close(self) -> None:
        self._stop.set()
        self.transport.close()

    def _start_replies(self) -> None:
        """The queue is made before the question goes out: the answer may be quicker than the consumer."""
        self.transport.declare([self._reply_queue])
        with self._reply_lock:
            if self._reply_thread is None:
                self._reply_thread = threading.Thread(
                    target=self.transport.consume,
                    args=([self._reply_queue], self._on_reply, self._stop),
                    name="bus-replies",
                    daemon=True,
                )
                self._reply_thread.start()

    def _on_reply(self, incoming: Incoming) -> None:
        question = self._waiting.get(incoming.correlation_id)
        if question is None:
            return
        if self.transport.is_rabbitmq and incoming.user_id != node_user(question.node):
            log.event(logger, "answer.forged", logging.ERROR, asked_node=question.node, user=incoming.user_id)
            return
        question.body = incoming.body
        question.arrived.set()
