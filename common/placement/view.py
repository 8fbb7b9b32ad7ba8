"""The nodes as placement sees them: in memory, refreshed by change sequence. The claim in the database decides.

A stale view costs a second try, never an overcommit. Readers overlap by OVERLAP, because two writers at once may have
taken the same sequence number and the later commit would be missed.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.db import nodes
from common.db.models import Node, Service
from common.db.session import Database

OVERLAP = 64


@dataclass(frozen=True, slots=True)
class NodeView:
    """free_* is what may still be claimed, ratios and reserve taken into account; may be negative after a change of them."""

    id: str
    name: str
    seq: int
    enabled: bool
    disabled_reason: str
    forced_down: bool
    last_heartbeat_at: datetime | None
    availability_zone: str
    arch: str
    total_vcpus: float
    total_memory_mib: float
    total_disk_gib: float
    free_vcpus: float
    free_memory_mib: float
    free_disk_gib: float


def from_row(node: Node, service: Service) -> NodeView:
    total_vcpus = node.vcpus * node.cpu_ratio
    total_memory_mib = max(node.memory_mib - node.reserved_memory_mib, 0) * node.memory_ratio
    total_disk_gib = max(node.disk_gib - node.reserved_disk_gib, 0) * node.disk_ratio
    return NodeView(
        id=node.id,
        name=node.name,
        seq=node.change_seq,
        enabled=not service.disabled,
        disabled_reason=service.disabled_reason or "",
        forced_down=service.forced_down,
        last_heartbeat_at=service.last_seen_at,
        availability_zone=service.availability_zone,
        arch=str(node.inventory.get("cpu_arch", "")),
        total_vcpus=total_vcpus,
        total_memory_mib=total_memory_mib,
        total_disk_gib=total_disk_gib,
        free_vcpus=total_vcpus - node.used_vcpus,
        free_memory_mib=total_memory_mib - node.used_memory_mib,
        free_disk_gib=total_disk_gib - node.used_disk_gib,
    )


class NodeViews:
    """One per scheduler process, shared by its workers. Everything is read again every `full_refresh_s`.

    The full read brings deleted nodes and heartbeat times up to date; in between only changed rows are fetched.
    """

    def __init__(self, db: Database, full_refresh_s: float = 5.0) -> None:
        self._db = db
        self._full_refresh_s = full_refresh_s
        self._lock = threading.Lock()
        self._views: dict[str, NodeView] = {}
        self._seq = 0
        self._full_at: datetime | None = None

    def current(self, now: datetime) -> list[NodeView]:
        """All nodes, as fresh as one query makes them."""
        with self._lock:
            full = self._full_at is None or now - self._full_at >= timedelta(seconds=self._full_refresh_s)
            with self._db.read() as session:
                rows = nodes.with_services(session) if full else nodes.changed_since(session, self._seq - OVERLAP)
            fresh = {node.id: from_row(node, service) for node, service in rows}
            if full:
                self._views, self._full_at = fresh, now
            else:
                self._views = {**self._views, **fresh} if fresh else self._views
            self._seq = max((view.seq for view in fresh.values()), default=self._seq)
            return list(self._views.values())
