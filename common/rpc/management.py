"""RabbitMQ's management HTTP API: users and their rights, queues and their contents. Nothing here moves a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from common.config import BusConfig
from common.deadlines import BROKER_API_S
from common.errors import BusUnavailable, ConfigError
from common.rpc.credentials import HASHING_ALGORITHM
from common.secret import Secret

_PEEK_BYTES = 4096


@dataclass(frozen=True)
class UserInfo:
    password_hash: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class QueueInfo:
    """messages: all, unacknowledged ones included. Counts lag by up to 5 s. consumers None: nobody knows."""

    name: str
    kind: str
    messages: int
    unacknowledged: int
    consumers: int | None
    state: str


@dataclass(frozen=True)
class Permission:
    user: str
    vhost: str
    configure: str
    write: str
    read: str


class Management:
    """Safe for any thread; every request is a connection of its own. All methods raise BusUnavailable."""

    def __init__(self, config: BusConfig) -> None:
        """Raises ConfigError when [bus] management_url is missing or none."""
        parts = urlsplit(config.management_url.reveal())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("[bus] management_url must be http(s)://user:password@host:port of RabbitMQ's management")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._base = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
        self._user = unquote(parts.username or "")
        self._password = Secret(unquote(parts.password or ""))
        self._verify: bool | str = config.ca_file or True
        self.vhost = vhost_of(config.url.reveal())

    def users(self) -> dict[str, UserInfo]:
        return {
            each["name"]: UserInfo(each.get("password_hash", ""), tuple(_tags(each.get("tags", ""))))
            for each in self._get("users")
        }

    def put_user(self, name: str, password_hash: str) -> None:
        """A user without tags: it can neither manage nor speak in another's name."""
        body = {"password_hash": password_hash, "hashing_algorithm": HASHING_ALGORITHM, "tags": ""}
        self._request("PUT", f"users/{_q(name)}", body)

    def delete_user(self, name: str) -> None:
        """Its connections end too."""
        self._request("DELETE", f"users/{_q(name)}", missing_ok=True)

    def permissions(self) -> list[Permission]:
        """Of all users in all virtual hosts."""
        return [
            Permission(each["user"], each["vhost"], each["configure"], each["write"], each["read"])
            for each in self._get("permissions")
        ]

    def put_permissions(self, user: str, rights: dict[str, str]) -> None:
        self._request("PUT", f"permissions/{_q(self.vhost)}/{_q(user)}", rights)

    def queues(self) -> list[QueueInfo]:
        columns = "name,type,messages,messages_unacknowledged,consumers,state"
        found = [
            QueueInfo(
                name=each["name"],
                kind=str(each.get("type", "")),
                messages=int(each.get("messages", 0)),
                unacknowledged=int(each.get("messages_unacknowledged", 0)),
                consumers=int(each.get("consumers", 0)),
                state=str(each.get("state", "")),
            )
            for each in self._get(f"queues/{_q(self.vhost)}?columns={columns}")
        ]
        return sorted(found, key=lambda info: info.name)

    def peek(self, queue: str, limit: int) -> list[dict[str, Any]]:
        """The first messages of a queue, put back unharmed: {"payload" (cut), "properties", …} as RabbitMQ gives them."""
        body = {"count": limit, "ackmode": "ack_requeue_true", "encoding": "auto", "truncate": _PEEK_BYTES}
        found = self._request("POST", f"queues/{_q(self.vhost)}/{_q(queue)}/get", body, missing_ok=True)
        return list(found or [])

    def _get(self, path: str) -> list[dict[str, Any]]:
        return list(self._request("GET", path) or [])

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None, *, missing_ok: bool = False) -> Any:
        import requests  # here: services that seldom or never come here start quicker and smaller without it

        with requests.Session() as session:
            session.trust_env = False  # no proxy between us and the broker
            try:
                reply = session.request(
                    method,
                    f"{self._base}/api/{path}",
                    json=body,
                    auth=(self._user, self._password.reveal()),
                    timeout=BROKER_API_S,
                    verify=self._verify,
                    allow_redirects=False,
                )
                if reply.status_code == 404 and missing_ok:
                    return None
                if reply.status_code >= 300:
                    raise BusUnavailable(
                        f"RabbitMQ's management at {self._base} refuses {method} {path.partition('?')[0]}",
                        detail=f"HTTP {reply.status_code}: {reply.text[:300]}",
                    )
                return reply.json() if reply.content else None
            except (requests.RequestException, ValueError) as err:
                raise BusUnavailable(
                    f"RabbitMQ's management at {self._base} does not answer", detail=str(err)[:300]
                ) from err


def vhost_of(url: str) -> str:
    """The virtual host of an amqp URL, as kombu understands it: "/" for none."""
    return unquote(urlsplit(url).path.removeprefix("/")) or "/"


def _q(name: str) -> str:
    return quote(name, safe="")


def _tags(tags: str | list[str]) -> list[str]:
    """A list since 3.9, a text before."""
    return tags if isinstance(tags, list) else [tag for tag in tags.split(",") if tag]
