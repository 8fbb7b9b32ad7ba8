"""What is on the broker, as data: exchanges, queues, and what a node's own user may do there.

    cumulet.commands  direct  commands and questions to nodes (a queue each), hints to the schedulers
    cumulet.reports   direct  what agents say
    cumulet.replies   direct  answers to questions, to the process that asked
    cumulet.events    topic   notifications that anyone may subscribe to
    cumulet.dead      fanout  what failed repeatedly; evidence only, the rows re-issue the work

`python -m common.rpc.topology` prints etc/rabbitmq/definitions.json; a test compares them. On filesystem:// and
memory:// only the queues' names count.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from common.deadlines import QUERY_S
from common.errors import ConfigError

COMMANDS: Final = "cumulet.commands"
REPORTS: Final = "cumulet.reports"  # exchange and queue
REPLIES: Final = "cumulet.replies"
EVENTS: Final = "cumulet.events"
DEAD: Final = "cumulet.dead"  # exchange and queue
SCHEDULERS: Final = "cumulet.schedulers"
EXCHANGES: Final = {COMMANDS: "direct", REPORTS: "direct", REPLIES: "direct", EVENTS: "topic", DEAD: "fanout"}

_NODE, _QUERY, _REPLY = "cumulet.node.", "cumulet.query.", "cumulet.reply."
NODE_USER_PREFIX: Final = "cumulet-node-"
NODE_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"

DELIVERY_LIMIT: Final = 5
MAX_QUEUE_BYTES: Final = 1024**3  # then publishers are refused (and try again), before the broker's disk is full
MAX_HINTS: Final = 10_000
HINT_LIFE_MS: Final = 60_000  # the sweep has found the row long since
MAX_DEAD: Final = 10_000
REPLY_QUEUE_LIFE_MS: Final = 60_000  # after its process has gone


class Kind(StrEnum):
    WORK = "work"  # nothing may be lost: quorum queue
    HINTS = "hints"  # may be lost
    QUERIES = "queries"  # worthless after QUERY_S
    REPLIES = "replies"
    DEAD = "dead"


@dataclass(frozen=True)
class QueueSpec:
    """A queue, bound to its exchange by its own name."""

    name: str
    exchange: str
    kind: Kind

    def arguments(self) -> dict[str, Any]:
        """As RabbitMQ takes them; a queue that exists with others can't be declared."""
        match self.kind:
            case Kind.WORK:
                return {
                    "x-queue-type": "quorum",
                    "x-delivery-limit": DELIVERY_LIMIT,
                    "x-dead-letter-exchange": DEAD,
                    "x-max-length-bytes": MAX_QUEUE_BYTES,
                    "x-overflow": "reject-publish",
                }
            case Kind.HINTS:
                return {"x-max-length": MAX_HINTS, "x-message-ttl": HINT_LIFE_MS}
            case Kind.QUERIES:
                return {"x-message-ttl": int(2 * QUERY_S * 1000)}
            case Kind.REPLIES:
                return {"x-expires": REPLY_QUEUE_LIFE_MS}
            case Kind.DEAD:
                return {"x-max-length": MAX_DEAD}


def node_queue(node: str) -> str:
    return f"{_NODE}{node}"


def query_queue(node: str) -> str:
    return f"{_QUERY}{node}"


def reply_queue(process_id: str) -> str:
    return f"{_REPLY}{process_id}"


def node_queues(node: str) -> tuple[str, str]:
    """All that a node's agent reads."""
    return node_queue(node), query_queue(node)


CONTROL_QUEUES: Final = (SCHEDULERS, REPORTS, DEAD)


def spec(name: str) -> QueueSpec:
    """What kind of queue has this name. Raises ConfigError for a name that is none of ours."""
    if name.startswith(_NODE):
        return QueueSpec(name, COMMANDS, Kind.WORK)
    if name.startswith(_QUERY):
        return QueueSpec(name, COMMANDS, Kind.QUERIES)
    if name.startswith(_REPLY):
        return QueueSpec(name, REPLIES, Kind.REPLIES)
    known = {
        SCHEDULERS: QueueSpec(SCHEDULERS, COMMANDS, Kind.HINTS),
        REPORTS: QueueSpec(REPORTS, REPORTS, Kind.WORK),
        DEAD: QueueSpec(DEAD, DEAD, Kind.DEAD),
    }
    if name not in known:
        raise ConfigError(f"there is no queue named {name[:80]!r} on the bus")
    return known[name]


def node_user(node: str) -> str:
    """The RabbitMQ user of a node's agent."""
    return f"{NODE_USER_PREFIX}{node}"


def is_node_name(text: str) -> bool:
    """Names that can be part of a queue's, a user's and a file's name."""
    return re.fullmatch(NODE_NAME, text) is not None


def node_permissions(node: str) -> dict[str, str]:
    """Regular expressions of RabbitMQ: nothing can be declared, two exchanges written, its own two queues read."""
    return {
        "configure": "^$",
        "write": r"^cumulet\.(reports|replies)$",
        "read": rf"^cumulet\.(node|query)\.{re.escape(node)}$",
    }


def definitions(password_hash: str = "") -> dict[str, Any]:
    """For RabbitMQ's `load_definitions`: the control plane's virtual host, user, exchanges and queues.

    password_hash in RabbitMQ's form; without one nobody can log in as that user. RabbitMQ reads the file at every start
    and then sets the user's password to what it says.
    """
    vhost = "cumulet"
    queues = [spec(name) for name in CONTROL_QUEUES]
    return {
        "vhosts": [{"name": vhost}],
        "users": [
            {
                "name": "cumulet",
                "password_hash": password_hash,
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ["administrator"],
            }
        ],
        "permissions": [
            {"user": "cumulet", "vhost": vhost, **dict.fromkeys(("configure", "write", "read"), r"^cumulet\.")}
        ],
        "exchanges": [
            {"name": name, "vhost": vhost, "type": kind, "durable": True, "auto_delete": False, "internal": False,
             "arguments": {}}
            for name, kind in EXCHANGES.items()
        ],
        "queues": [
            {"name": each.name, "vhost": vhost, "durable": True, "auto_delete": False, "arguments": each.arguments()}
            for each in queues
        ],
        "bindings": [
            {"source": each.exchange, "vhost": vhost, "destination": each.name, "destination_type": "queue",
             "routing_key": each.name, "arguments": {}}
            for each in queues
        ],
    }  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(definitions(), indent=2) + "\n")
