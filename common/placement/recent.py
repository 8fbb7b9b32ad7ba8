"""What this process chose moments ago and its view of the nodes may not show yet.

Workers that place servers at the same time read the same view, and would all take the node that is best in it: of six
servers created at once on three equal nodes, four could land on one. Only the order changes: whether a server fits is
the claim's to say.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta

from common.placement.request import PlacementRequest
from common.placement.select import KEPT_SCORES, Decision, score
from common.placement.view import NodeView

REMEMBERED = timedelta(seconds=1)  # longer than a claim takes to be committed and read
MOST = 256  # choices remembered


class RecentChoices:
    """One per scheduler process, shared by its workers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chosen: deque[tuple[datetime, str, PlacementRequest]] = deque(maxlen=MOST)

    def spread(self, decision: Decision, request: PlacementRequest, now: datetime) -> None:
        """Put the candidate first that is best once recent choices are taken off, and remember it as chosen."""
        with self._lock:
            while self._chosen and not timedelta() <= now - self._chosen[0][0] <= REMEMBERED:
                self._chosen.popleft()
            taken = self._taken()
            # At most so many nodes get worse, so that the best one is among the first of these and one more.
            top = decision.candidates[: len(taken) + 1]
            policy = decision.policy
            scored = [(score(request, _without(node, taken.get(node.id)), policy), node) for node in top]
            scored.sort(key=lambda each: -each[0])
            decision.candidates[: len(top)] = [node for _, node in scored]
            shown = min(len(top), KEPT_SCORES)
            decision.scores[:shown] = [(node.name, value) for value, node in scored[:shown]]
            if decision.candidates:
                self._chosen.append((now, decision.candidates[0].id, request))

    def _taken(self) -> dict[str, tuple[int, int]]:
        """vCPUs and MiB of memory by node."""
        taken: dict[str, tuple[int, int]] = {}
        for _, node_id, request in self._chosen:
            vcpus, memory_mib = taken.get(node_id, (0, 0))
            taken[node_id] = vcpus + request.amounts.vcpus, memory_mib + request.amounts.memory_mib
        return taken


def _without(node: NodeView, taken: tuple[int, int] | None) -> NodeView:
    if taken is None:
        return node
    vcpus, memory_mib = taken
    return replace(node, free_vcpus=node.free_vcpus - vcpus, free_memory_mib=node.free_memory_mib - memory_mib)
