"""The message bus as an operator wants to see it: queues, consumers, and what could not be delivered."""

from __future__ import annotations

from dataclasses import dataclass

from api.request import Services
from common.errors import Conflict
from common.rpc.dead_letters import DeadLetter, read
from common.rpc.management import Management, QueueInfo
from common.rpc.topology import DEAD


@dataclass(frozen=True)
class BusState:
    """dead_letters: None where the transport has none."""

    transport: str
    queues: list[QueueInfo]
    dead_letters: int | None


def state(services: Services) -> BusState:
    """Raises Conflict for a broker that is not managed, BusUnavailable."""
    config = services.config.bus
    transport = config.url.reveal().partition(":")[0]
    if not services.bus.transport.is_rabbitmq:
        waiting = services.bus.transport.waiting()
        return BusState(transport, [QueueInfo(name, "", count, 0, None, "") for name, count in waiting.items()], None)
    queues = _management(services).queues()
    return BusState(transport, queues, sum(info.messages for info in queues if info.name == DEAD))


def dead_letters(services: Services, limit: int) -> list[DeadLetter]:
    """The oldest that are kept; none is removed. Raises Conflict, BusUnavailable."""
    if not services.bus.transport.is_rabbitmq:
        return []
    return [read(message) for message in _management(services).peek(DEAD, limit)]


def _management(services: Services) -> Management:
    if not services.config.bus.management_url:
        raise Conflict("[bus] management_url is not set: use `rabbitmqctl list_queues` where the broker runs.")
    return Management(services.config.bus)
