"""What is told to anyone who listens, on the topic exchange cumulet.events: typed, after the commit, best effort.

The rows are the truth. A message may be lost (the broker was away, the process died between commit and publication) and
may come more than once (every scheduler tells of nodes), in any order: whoever needs all of them compares with the API.
Within v1 only optional fields with defaults may be added.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class NodeState(StrEnum):
    UP = "up"
    DOWN = "down"  # silent for deadlines.NODE_DOWN_S, or forced down
    CUT_OFF = "cut_off"  # silent for deadlines.CUT_OFF_S: the cloud goes on without it


class InstanceChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="instance"):
    """An instance's vm_state was written. Routing key: instance.<vm_state>, as `instance.active`.

    node: where it is, None before it was placed. operation_id: the operation that did it, None for what a guest did
    by itself. at: when it was written, UTC.
    """

    instance_id: str
    project_id: str
    vm_state: str
    at: datetime
    reason: str
    node: str | None = None
    operation_id: str | None = None


class NodeChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="node"):
    """A scheduler found a node in another state than before. Routing key: node.<state>, as `node.down`."""

    node_id: str
    node: str
    state: NodeState
    at: datetime


Event = InstanceChanged | NodeChanged
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def routing_key(event: Event) -> str:
    state = event.vm_state if isinstance(event, InstanceChanged) else event.state.value
    return f"{event.__struct_config__.tag}.{state}"


def encode(event: Event) -> bytes:
    return msgspec.json.encode(event)


def decode(body: bytes) -> Event:
    """Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(body)
