"""The only file that imports kombu: queues, publishing with confirms, consuming with late acknowledgement.

Bodies are bytes of JSON made by common/rpc/*_v1.py; nothing else is ever accepted from the wire (no pickle).
On RabbitMQ work queues are quorum queues with a dead-letter queue behind them; on filesystem:// and memory:// they are
plain. Losing every message loses no state: rows re-issue the work.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import kombu
from amqp.exceptions import MessageNacked
from kombu.exceptions import OperationalError
from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

from common import log
from common.config import BusConfig
from common.errors import BusUnavailable

logger = logging.getLogger(__name__)
_NACKED = (MessageNacked,)  # the broker could not keep a confirmed message; a plain Exception to amqp
MAX_BODY_BYTES = 8 * 1024 * 1024
DEAD_LETTERS = "cumulet.dead"
DELIVERY_LIMIT = 5
PUBLISH_TRIES = 4
PUBLISH_PAUSE_S = 0.1  # before the first repetition; 0.2 and 0.3 before the next ones


@dataclass(frozen=True)
class Incoming:
    """One message as a consumer sees it. user_id is what RabbitMQ validated, "" on other transports."""

    body: bytes
    user_id: str
    reply_to: str
    correlation_id: str


Callback = Callable[[Incoming], None]


class FolderChannel(filesystem.Channel):  # type: ignore[misc]
    """kombu's file transport, with messages that appear and are taken by a rename.

    kombu's own writes in place, so that a reader may see half a message, and moves what it takes to the machine's
    temporary folder, where a message of another user can't be removed.
    """

    def _put(self, queue: str, payload: dict[str, Any], **_: Any) -> None:
        name = f"{time.monotonic_ns():020d}_{uuid.uuid4()}.{queue}.msg"
        hidden = os.path.join(self.data_folder_out, f"new-{name}")
        with open(hidden, "wb") as file:
            file.write(dumps(payload).encode())
        os.rename(hidden, os.path.join(self.data_folder_out, name))

    def _get(self, queue: str) -> Any:
        for name in sorted(os.listdir(self.data_folder_in)):
            if name.startswith("new-") or name.partition(".")[2] != f"{queue}.msg":
                continue
            taken = os.path.join(self.processed_folder, name)
            try:
                os.rename(os.path.join(self.data_folder_in, name), taken)
            except FileNotFoundError:  # another consumer was quicker
                continue
            with open(taken, "rb") as file:
                payload = file.read()
            os.remove(taken)
            return loads(payload.decode())
        raise Empty


class FolderTransport(filesystem.Transport):  # type: ignore[misc]
    Channel = FolderChannel


class Transport:
    """One per process. `publish` may be called by any thread; every `consume` runs in the thread that called it."""

    def __init__(self, config: BusConfig) -> None:
        self._url = config.url.reveal()
        self.is_rabbitmq = self._url.startswith("amqp")
        self._options = _options(config, self._url)
        self._kind = {"transport": FolderTransport} if self._url.startswith("filesystem") else {}
        self._lock = threading.Lock()
        self._connection: kombu.Connection | None = None
        self._producer: kombu.Producer | None = None
        self._declared: set[str] = set()
        self._closed = threading.Event()

    def publish(
        self,
        queue: str,
        body: bytes,
        *,
        durable: bool = True,
        reply_to: str = "",
        correlation_id: str = "",
        expires_s: float | None = None,
    ) -> None:
        """Put a message on a queue by name; on RabbitMQ, return once the broker has confirmed it.

        A refused confirm (a quorum queue that is choosing its leader) and a connection found broken are tried again,
        PUBLISH_TRIES times in all: every receiver takes the same message twice without harm.
        Raises BusUnavailable when the broker can't be reached; the caller's row will be swept.
        """
        properties = {
            "delivery_mode": 2 if durable else 1,
            "reply_to": reply_to or None,
            "correlation_id": correlation_id or None,
            "expiration": expires_s,
        }
        with self._lock:
            for tries_left in reversed(range(PUBLISH_TRIES)):
                was_connected = self._producer is not None
                try:
                    self._publish_once(queue, body, durable, properties)
                    return
                except (OperationalError, OSError, *self._errors()) as err:
                    nacked = isinstance(err, MessageNacked)
                    self._drop()
                    if not tries_left or not (nacked or was_connected):
                        raise BusUnavailable(
                            f"can't publish to {queue}: the message broker "
                            + ("refuses to keep the message" if nacked else "does not answer"),
                            detail=str(err) or type(err).__name__,
                        ) from err
                self._closed.wait(PUBLISH_PAUSE_S * (PUBLISH_TRIES - tries_left))

    def _publish_once(self, queue: str, body: bytes, durable: bool, properties: dict[str, Any]) -> None:
        producer = self._ready_producer()
        if queue not in self._declared and durable:
            self.queue(queue)(producer.channel).declare()
            self._declared.add(queue)
        producer.publish(
            body,
            routing_key=queue,
            exchange="",
            content_type="application/json",
            content_encoding="utf-8",
            retry=False,
            timeout=10,
            **properties,
        )

    def consume(self, queues: list[kombu.Queue], callback: Callback, stop: threading.Event, prefetch: int = 32) -> None:
        """Deliver messages to `callback` until `stop` is set; reconnects for ever, with backoff.

        A message is acknowledged after `callback` returned. When it raises, the message is rejected: RabbitMQ
        delivers it again and dead-letters it after DELIVERY_LIMIT tries, other transports drop it.
        """
        pause_s = 0.1
        while not stop.is_set():
            try:
                with kombu.Connection(
                    self._url, transport_options=self._options, heartbeat=10, **self._kind
                ) as connection:
                    self._drain(connection, queues, callback, stop, prefetch)
                    pause_s = 0.1
            except (OperationalError, OSError, *self._errors()) as err:
                log.event(logger, "bus.connection_lost", logging.WARNING, reason=str(err)[:200], again_in_s=pause_s)
                stop.wait(pause_s)
                pause_s = min(pause_s * 2, 5.0)

    def _drain(
        self,
        connection: kombu.Connection,
        queues: list[kombu.Queue],
        callback: Callback,
        stop: threading.Event,
        prefetch: int,
    ) -> None:
        def on_message(message: kombu.Message) -> None:  # undecoded: the typed decoder of rpc/*_v1.py reads the bytes
            self._deliver(message, callback)

        with connection.Consumer(queues, on_message=on_message, prefetch_count=prefetch):
            while not stop.is_set():
                try:
                    connection.drain_events(timeout=0.5)
                except TimeoutError:
                    if self.is_rabbitmq:
                        connection.heartbeat_check()
                except ValueError as err:
                    # filesystem://: the file of a writer that was killed midway, or is not done yet; a resend follows
                    log.event(logger, "bus.message_unreadable", logging.WARNING, reason=str(err)[:200])

    def _deliver(self, message: kombu.Message, callback: Callback) -> None:
        raw = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        if len(raw) > MAX_BODY_BYTES or message.content_type != "application/json":
            # pickle, yaml and giants: never decoded, dead-lettered where there is such a queue
            log.event(
                logger,
                "bus.message_refused",
                logging.ERROR,
                size_bytes=len(raw),
                content_type=str(message.content_type)[:80],
            )
            message.reject()
            return
        properties = message.properties
        incoming = Incoming(
            body=raw,
            user_id=str(properties.get("user_id") or ""),
            reply_to=str(properties.get("reply_to") or ""),
            correlation_id=str(properties.get("correlation_id") or ""),
        )
        try:
            callback(incoming)
        except Exception:
            logger.exception("bus.message_failed")
            message.reject(requeue=self.is_rabbitmq)
            return
        message.ack()

    def queue(self, name: str, *, durable: bool = True) -> kombu.Queue:
        """A work queue (durable) or a reply queue of one process."""
        if not durable:
            return kombu.Queue(name, exchange="", routing_key=name, durable=False, auto_delete=True, expires=60)
        arguments = None
        if self.is_rabbitmq and name != DEAD_LETTERS:
            arguments = {
                "x-queue-type": "quorum",
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": DEAD_LETTERS,
            }
        return kombu.Queue(name, exchange="", routing_key=name, durable=True, queue_arguments=arguments)

    def ping(self) -> None:
        """Raises BusUnavailable unless the broker answers; for health checks."""
        with self._lock:
            try:
                self._ready_producer()
            except (OperationalError, OSError, *self._errors()) as err:
                self._drop()
                raise BusUnavailable("the message broker does not answer", detail=str(err)) from err

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._drop()

    def _ready_producer(self) -> kombu.Producer:
        if self._producer is None:
            connection = kombu.Connection(
                self._url, transport_options={**self._options, "confirm_publish": True}, connect_timeout=5, **self._kind
            )
            connection.ensure_connection(max_retries=1, timeout=5)
            self._connection = connection
            self._producer = kombu.Producer(connection.channel())
        return self._producer

    def _drop(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        self._declared.clear()
        if connection is not None:
            try:
                connection.release()
            except OSError as err:
                log.event(logger, "bus.close_failed", logging.DEBUG, reason=str(err))

    def _errors(self) -> tuple[type[BaseException], ...]:
        probe = kombu.Connection(self._url)
        return (*probe.connection_errors, *probe.channel_errors, *_NACKED)


def _options(config: BusConfig, url: str) -> dict[str, Any]:
    if not url.startswith("filesystem"):
        return {"polling_interval": config.polling_interval_ms / 1000} if url.startswith("memory") else {}
    folder = Path(config.folder)
    for name in ("queue", "control", "taken"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {
        "data_folder_in": str(folder / "queue"),
        "data_folder_out": str(folder / "queue"),
        "control_folder": str(folder / "control"),
        "store_processed": False,
        "processed_folder": str(
            folder / "taken"
        ),  # beside the queue: a rename, and in a folder that we may remove from
        "polling_interval": config.polling_interval_ms / 1000,
    }
