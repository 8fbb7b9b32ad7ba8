"""Queues and dead letters."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from api.cumulet.operations.bus import BusState
from common.rpc.dead_letters import DeadLetter


def bus_body(state: BusState) -> dict[str, Any]:
    return {
        "transport": state.transport,
        "queues": [asdict(queue) for queue in state.queues],
        "dead_letters": state.dead_letters,
    }


def dead_letter_body(letter: DeadLetter) -> dict[str, Any]:
    return {**asdict(letter), "at": letter.at.isoformat(timespec="seconds") if letter.at else None}
