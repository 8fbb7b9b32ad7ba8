"""The nodes as placement sees them: in memory, refreshed by change sequence. The claim in the database decides.

A stale view costs a second try, never an overcommit. Readers overlap by OVERLAP, because two writers at once may have
taken the same sequence number and the later commit would be missed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from common.db import nodes
from common.volume_capabilities import FILES, backends_of

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
    hypervisor_type: str = ""
    failed_builds: int = 0  # in a row
    aggregate_properties: Mapping[str, Sequence[str]] | None = None  # of all its aggregates
    volume_backends: tuple[str, ...] = (FILES,)  # best first


def from_row(row: Any) -> NodeView:
    """A row of common.db.nodes.for_placement."""
    total_vcpus = row.vcpus * row.cpu_ratio
    total_memory_mib = max(row.memory_mib - row.reserved_memory_mib, 0) * row.memory_ratio
    total_disk_gib = max(row.disk_gib - row.reserved_disk_gib, 0) * row.disk_ratio
    return NodeView(
        id=row.id,
        name=row.name,
        seq=row.change_seq,
        enabled=not row.disabled,
        disabled_reason=row.disabled_reason or "",
        forced_down=row.forced_down,
        last_heartbeat_at=row.last_seen_at,
        availability_zone=row.availability_zone,
        arch=row.arch or "",
        total_vcpus=total_vcpus,
        total_memory_mib=total_memory_mib,
        total_disk_gib=total_disk_gib,
        free_vcpus=total_vcpus - row.used_vcpus,
        free_memory_mib=total_memory_mib - row.used_memory_mib,
        free_disk_gib=total_disk_gib - row.used_disk_gib,
        hypervisor_type=row.hypervisor_type or "",
        aggregate_properties=row.aggregate_properties,
        failed_builds=row.failed_builds,
        volume_backends=backends_of({"volume_backends": row.volume_backends}),
    )


class NodeViews:
    """One per scheduler process, shared by its workers. Everything is read again every `full_refresh_s`.

    Nodes that are not for instances (a gateway's) are no candidates at all.

    The full read brings deleted nodes and heartbeat times up to date; in between only changed rows are fetched.
    """

    def __init__(self, full_refresh_s: float = 5.0) -> None:
        self._full_refresh_s = full_refresh_s
        self._lock = threading.Lock()
        self._views: dict[str, NodeView] = {}
        self._seq = 0
        self._full_at: datetime | None = None

    def has_failed(self, node_id: str) -> bool:
        """True when builds failed on the node lately, as far as is known here."""
        with self._lock:
            view = self._views.get(node_id)
        return view is not None and view.failed_builds > 0

    def current(self, session: Session, now: datetime) -> list[NodeView]:
        """All compute nodes, as fresh as one query makes them, in the transaction that is to claim on one."""
        with self._lock:
            full = self._full_at is None or now - self._full_at >= timedelta(seconds=self._full_refresh_s)
            rows = nodes.for_placement(session, None if full else self._seq - OVERLAP)
            fresh = {row.id: from_row(row) for row in rows if row.is_compute}
            if full:
                self._views, self._full_at = fresh, now
            elif rows:
                self._views.update(fresh)  # callers get lists of their own
                for row in rows:
                    if not row.is_compute:
                        self._views.pop(row.id, None)
            self._seq = max((row.change_seq for row in rows), default=self._seq)
            return list(self._views.values())
