"""The only file that imports kombu: queues, publishing with confirms, consuming with late acknowledgement.

Bodies are bytes of JSON made by common/rpc/*_v1.py; nothing else is ever accepted from the wire (no pickle).
On RabbitMQ exchanges and queues are those of common/rpc/topology.py; on filesystem:// and memory:// there are only plain
queues. Losing every message loses no state: rows re-issue the work.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any
from urllib.parse import unquote, urlsplit

import kombu
from amqp.exceptions import MessageNacked
from kombu.exceptions import OperationalError
from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

from common import log
from common.config import BusConfig
from common.deadlines import (
    BUS_AGAIN_FIRST_S,
    BUS_AGAIN_MAX_S,
    BUS_ANSWER_S,
    BUS_CONNECT_S,
    HINT_CONNECT_S,
    HINT_PAUSE_S,
)
from common.errors import BusUnavailable, ConfigError
from common.rpc import topology

logger = logging.getLogger(__name__)
_NACKED = (MessageNacked,)  # the broker could not keep a confirmed message; a plain Exception to amqp
MAX_BODY_BYTES = 8 * 1024 * 1024
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


class _Wire:
    """How connections to this broker are made, and what may go wrong with one."""

    def __init__(self, config: BusConfig) -> None:
        self._url = config.url.reveal()
        self.is_rabbitmq = self._url.startswith("amqp")
        self.user = unquote(urlsplit(self._url).username or "guest") if self.is_rabbitmq else ""
        self._options = _options(config, self._url)
        self.folder = Path(config.folder) / "queue" if self._url.startswith("filesystem") else None
        self._more: dict[str, Any] = {"transport": FolderTransport} if self._url.startswith("filesystem") else {}
        if self._url.startswith("amqps"):
            self._more["ssl"] = _tls(config, self._url)
        probe = kombu.Connection(self._url)
        self.errors = (OperationalError, OSError, *probe.connection_errors, *probe.channel_errors, *_NACKED)

    def connection(self, *, connect_s: float = BUS_CONNECT_S, confirm: bool = False, heartbeat: int = 0) -> Any:
        """Not connected yet. Every wait for the broker's answer ends after BUS_ANSWER_S."""
        options = dict(self._options)
        if self.is_rabbitmq:
            waits = min(connect_s * 2, BUS_ANSWER_S)
            options |= {"confirm_publish": confirm, "read_timeout": waits, "write_timeout": waits}
        return kombu.Connection(
            self._url, transport_options=options, connect_timeout=connect_s, heartbeat=heartbeat, **self._more
        )

    def queue(self, name: str) -> kombu.Queue:
        spec = topology.spec(name)
        if not self.is_rabbitmq:
            return kombu.Queue(name, exchange="", routing_key=name, durable=True)
        return kombu.Queue(
            name,
            exchange=self.exchange(spec.exchange),
            routing_key=name,
            durable=True,
            queue_arguments=spec.arguments(),
        )

    def exchange(self, name: str) -> kombu.Exchange:
        return kombu.Exchange(name, type=topology.EXCHANGES[name], durable=True)


class _Publisher:
    """One connection to publish on. Callers hold `lock`, and call `drop` after any of the wire's errors."""

    def __init__(self, wire: _Wire, *, confirm: bool, connect_s: float, declares: bool) -> None:
        self.lock = threading.Lock()
        self._wire, self._confirm, self._connect_s, self._declares = wire, confirm, connect_s, declares
        self._connection: kombu.Connection | None = None
        self._producer: kombu.Producer | None = None
        self._declared: set[str] = set()

    @property
    def connected(self) -> bool:
        return self._producer is not None

    def ready(self) -> kombu.Producer:
        if self._producer is None:
            connection = self._wire.connection(connect_s=self._connect_s, confirm=self._confirm)
            self._connection = connection
            connection.ensure_connection(max_retries=0, timeout=self._connect_s)
            self._producer = kombu.Producer(connection.channel(), auto_declare=False)
        return self._producer

    def send(self, queue: str, body: bytes, properties: dict[str, Any]) -> None:
        self.ready()
        if self._declares:
            self.declare([queue])
        self._publish(topology.spec(queue).exchange if self._wire.is_rabbitmq else "", queue, body, properties)

    def announce(self, key: str, body: bytes) -> None:
        """On RabbitMQ only: to whoever has bound a queue to topology.EVENTS."""
        channel = self.ready().channel
        if self._declares and topology.EVENTS not in self._declared:
            self._wire.exchange(topology.EVENTS)(channel).declare()
            self._declared.add(topology.EVENTS)
        self._publish(topology.EVENTS, key, body, {"delivery_mode": 2})

    def _publish(self, exchange: str, key: str, body: bytes, properties: dict[str, Any]) -> None:
        self.ready().publish(
            body,
            routing_key=key,
            exchange=exchange,
            content_type="application/json",
            content_encoding="utf-8",
            retry=False,
            timeout=BUS_ANSWER_S,
            user_id=self._wire.user or None,  # RabbitMQ closes the channel of whoever writes another's name here
            **properties,
        )

    def declare(self, queues: Sequence[str]) -> None:
        """Exchanges, queues and bindings, once per connection: a broker that was wiped has dropped it."""
        channel = self.ready().channel
        for name in queues:
            if name not in self._declared:
                self._wire.queue(name)(channel).declare()
                self._declared.add(name)

    def declare_exchanges(self) -> None:
        if self._wire.is_rabbitmq:
            channel = self.ready().channel
            for name in topology.EXCHANGES:
                self._wire.exchange(name)(channel).declare()

    def forget(self, queues: Sequence[str]) -> None:
        self._declared -= set(queues)

    def look(self) -> None:
        """Notice a connection that the broker has closed meanwhile, by reading what it sent. Raises OSError."""
        if self._wire.is_rabbitmq and self._connection is not None:
            try:
                self._connection.drain_events(timeout=0)
            except TimeoutError:
                return

    def drop(self, *, politely: bool = False) -> None:
        """Without the farewells, which a dead broker would not answer, unless asked to be polite."""
        connection, self._connection, self._producer = self._connection, None, None
        self._declared.clear()
        if connection is None:
            return
        try:
            if politely:
                connection.release()
            else:
                connection.collect(socket_timeout=0.1)
        except self._wire.errors as err:
            log.event(logger, "bus.close_failed", logging.DEBUG, reason=str(err))


class Transport:
    """One per process. `publish` may be called by any thread; every `consume` runs in the thread that called it.

    declares: make what is not there; an agent may not (its RabbitMQ user has no right to), it waits for the schedulers.
    """

    def __init__(self, config: BusConfig, *, declares: bool = True) -> None:
        self._wire = _Wire(config)
        self.is_rabbitmq = self._wire.is_rabbitmq
        self._declares = declares or not self.is_rabbitmq
        self._publisher = _Publisher(self._wire, confirm=True, connect_s=BUS_CONNECT_S, declares=self._declares)
        self._hints = _Publisher(self._wire, confirm=False, connect_s=HINT_CONNECT_S, declares=self._declares)
        self._no_hint_before = 0.0
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
        self._insist(f"can't publish to {queue}", lambda: self._publisher.send(queue, body, properties))

    def hint(self, queue: str, body: bytes) -> None:
        """Put a message on a queue without waiting for anything: it may get lost.

        Raises BusUnavailable when it is known to be: at once for HINT_PAUSE_S after a failure, since a client waits.
        """
        self._try(f"can't publish to {queue}", lambda: self._hints.send(queue, body, {"delivery_mode": 1}))

    def announce(self, key: str, body: bytes) -> None:
        """Publish on topology.EVENTS by routing key, as `hint` does: it may get lost. Nothing without RabbitMQ, since
        only there anyone can listen. Raises BusUnavailable as `hint` does."""
        if self.is_rabbitmq:
            self._try(f"can't tell of {key}", lambda: self._hints.announce(key, body))

    def _try(self, failure: str, send: Callable[[], None]) -> None:
        self._refuse_while_paused(failure)
        if not self._hints.lock.acquire(timeout=HINT_CONNECT_S):
            raise BusUnavailable(f"{failure}: the connection is busy")
        try:
            self._refuse_while_paused(failure)  # another may have failed while this one waited
            was_connected = self._hints.connected
            try:
                self._hints.look()
                send()
            except self._wire.errors:
                self._hints.drop()
                if not was_connected:
                    raise
                send()
        except self._wire.errors as err:
            self._hints.drop()
            self._no_hint_before = time.monotonic() + HINT_PAUSE_S
            raise BusUnavailable(
                f"{failure}: the message broker does not answer", detail=str(err) or type(err).__name__
            ) from err
        finally:
            self._hints.lock.release()

    def _refuse_while_paused(self, failure: str) -> None:
        if time.monotonic() < self._no_hint_before:
            raise BusUnavailable(f"{failure}: the message broker does not answer", detail="it did not a moment ago")

    def declare(self, queues: Sequence[str]) -> None:
        """Make queues with their exchanges and bindings, where that has not been done on this connection.

        Raises BusUnavailable.
        """
        if self.is_rabbitmq:
            self._insist("can't declare queues", lambda: self._publisher.declare(queues))

    def declare_again(self, queues: Sequence[str]) -> None:
        """Make all exchanges and these queues, whatever has been done before. Raises BusUnavailable."""

        def all_of_it() -> None:
            self._publisher.forget(queues)
            self._publisher.declare_exchanges()
            self._publisher.declare(queues)

        if self.is_rabbitmq:
            self._insist("can't declare exchanges and queues", all_of_it)

    def _insist(self, failure: str, work: Callable[[], None]) -> None:
        publisher = self._publisher
        with publisher.lock:
            for tries_left in reversed(range(PUBLISH_TRIES)):
                was_connected = publisher.connected
                try:
                    work()
                    return
                except self._wire.errors as err:
                    nacked = isinstance(err, MessageNacked)
                    publisher.drop()
                    if not tries_left or not (nacked or was_connected):
                        reason = "refuses to keep the message" if nacked else "does not answer"
                        raise BusUnavailable(
                            f"{failure}: the message broker {reason}", detail=str(err) or type(err).__name__
                        ) from err
                self._closed.wait(PUBLISH_PAUSE_S * (PUBLISH_TRIES - tries_left))

    def consume(self, queues: Sequence[str], callback: Callback, stop: threading.Event, prefetch: int = 32) -> None:
        """Deliver messages to `callback` until `stop` is set or this is closed; reconnects for ever, with backoff.

        A message is acknowledged after `callback` returned. When it raises, the message is rejected: RabbitMQ
        delivers it again and dead-letters it after topology.DELIVERY_LIMIT tries, other transports drop it.
        """
        pause_s = BUS_AGAIN_FIRST_S
        while not self._over(stop):
            connection = self._wire.connection(heartbeat=10)
            try:
                connection.ensure_connection(max_retries=0, timeout=BUS_CONNECT_S)
                found = [self._wire.queue(name) for name in queues]
                with connection.Consumer(
                    found, on_message=self._on_message(callback), prefetch_count=prefetch, auto_declare=self._declares
                ):
                    pause_s = BUS_AGAIN_FIRST_S
                    self._drain(connection, stop)
            except self._wire.errors as err:
                log.event(logger, "bus.connection_lost", logging.WARNING, reason=str(err)[:200], again_in_s=pause_s)
                stop.wait(pause_s)
                pause_s = min(pause_s * 2, BUS_AGAIN_MAX_S)
            finally:
                self._release(connection)

    def _over(self, stop: threading.Event) -> bool:
        return stop.is_set() or self._closed.is_set()

    def _drain(self, connection: kombu.Connection, stop: threading.Event) -> None:
        while not self._over(stop):
            try:
                connection.drain_events(timeout=0.5)
            except TimeoutError:
                if self.is_rabbitmq:
                    connection.heartbeat_check()
            except ValueError as err:
                # filesystem://: the file of a writer that was killed midway, or is not done yet; a resend follows
                log.event(logger, "bus.message_unreadable", logging.WARNING, reason=str(err)[:200])

    def _release(self, connection: kombu.Connection) -> None:
        try:
            connection.release()
        except self._wire.errors as err:
            log.event(logger, "bus.close_failed", logging.DEBUG, reason=str(err)[:200])

    def _on_message(self, callback: Callback) -> Callable[[kombu.Message], None]:
        """Undecoded: the typed decoder of rpc/*_v1.py reads the bytes."""
        return lambda message: self._deliver(message, callback)

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

    def waiting(self) -> dict[str, int]:
        """How many messages lie in each queue, on filesystem:// only; RabbitMQ says more (common/rpc/management.py)."""
        folder = self._wire.folder
        names = (
            (path.name.partition(".")[2].removesuffix(".msg") for path in folder.glob("[0-9]*.msg")) if folder else ()
        )
        return dict(sorted(Counter(names).items()))

    def ping(self) -> None:
        """Raises BusUnavailable unless the broker answers; for health checks."""
        with self._publisher.lock:
            try:
                self._publisher.look()
                self._publisher.ready()
            except self._wire.errors as err:
                self._publisher.drop()
                raise BusUnavailable("the message broker does not answer", detail=str(err)) from err

    def close(self) -> None:
        self._closed.set()
        for publisher in (self._publisher, self._hints):
            with publisher.lock:
                publisher.drop(politely=True)


def _tls(config: BusConfig, url: str) -> dict[str, Any]:
    """The broker's certificate and host name are verified, always (BUS-05). Raises ConfigError."""
    parts = urlsplit(url)
    if parts.query:
        raise ConfigError("[bus] url may have no parameters after '?'; certificates are named by ca_file and cert_file")
    for path in (config.ca_file, config.cert_file, config.key_file):
        if path and not os.access(path, os.R_OK):
            raise ConfigError(f"[bus] can't read {path}, which ca_file, cert_file or key_file names")
    return {
        "server_hostname": parts.hostname,
        "cert_reqs": ssl.CERT_REQUIRED,
        "ca_certs": config.ca_file or None,
        "certfile": config.cert_file or None,
        "keyfile": config.key_file or None,
    }


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
