"""The bus in Cumulet's own words: commands to a node, hints to the schedulers, reports back, questions to an agent."""

from __future__ import annotations

import logging
import threading

from common import log
from common.clock import Clock
from common.deadlines import QUERY_S
from common.errors import BusUnavailable, NodeUnreachable
from common.ids import new_id
from common.rpc import compute_v1, queries_v1
from common.rpc.transport import Callback, Incoming, Transport

logger = logging.getLogger(__name__)
SCHEDULERS = "cumulet.schedulers"
REPORTS = "cumulet.reports"


def node_queue(node: str) -> str:
    return f"cumulet.node.{node}"


def query_queue(node: str) -> str:
    return f"cumulet.query.{node}"


class Bus:
    """One per process; every method may be called by any thread."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self.transport = transport
        self._clock = clock
        self._waiting: dict[str, tuple[threading.Event, list[bytes]]] = {}
        self._reply_queue = f"cumulet.reply.{new_id()}"
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
        """Tell a scheduler that work is due. Never raises: the sweep finds the row if the hint is lost."""
        try:
            self.transport.publish(SCHEDULERS, b'{"operation_id":"%s"}' % operation_id.encode())
        except BusUnavailable as err:
            log.event(logger, "bus.hint_lost", logging.WARNING, operation_id=operation_id, reason=err.detail)

    def consume(self, queue: str, callback: Callback, stop: threading.Event, prefetch: int = 32) -> None:
        self.transport.consume([self.transport.queue(queue)], callback, stop, prefetch)

    def ask(self, node: str, query: queries_v1.Query, timeout_s: float = QUERY_S) -> queries_v1.Answer:
        """Ask a node's agent and wait. Raises NodeUnreachable, naming the node, when no answer comes in time."""
        self._start_replies()
        correlation_id = new_id()
        arrived, bodies = threading.Event(), list[bytes]()
        self._waiting[correlation_id] = (arrived, bodies)
        try:
            self.transport.publish(
                query_queue(node),
                queries_v1.encode(query),
                reply_to=self._reply_queue,
                correlation_id=correlation_id,
                expires_s=timeout_s,
            )
            if not arrived.wait(timeout_s):
                raise NodeUnreachable(f"Node {node} did not answer within {timeout_s:g} s; try again later.", node=node)
            return queries_v1.decode_answer(bodies[0])
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
        with self._reply_lock:
            if self._reply_thread is None:
                queue = self.transport.queue(self._reply_queue, durable=False)
                self._reply_thread = threading.Thread(
                    target=self.transport.consume,
                    args=([queue], self._on_reply, self._stop),
                    name="bus-replies",
                    daemon=True,
                )
                self._reply_thread.start()

    def _on_reply(self, incoming: Incoming) -> None:
        waiting = self._waiting.get(incoming.correlation_id)
        if waiting:
            waiting[1].append(incoming.body)
            waiting[0].set()
