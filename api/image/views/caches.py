"""The nodes' image caches, in the words of Glance's cache API: times are seconds since 1970."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from api.image.operations.node_caches import Caches


def caches_body(caches: Caches) -> dict[str, Any]:
    """`nodes` is ours: where the image is."""
    cached = [
        {
            "image_id": shown.image_id,
            "hits": shown.hits,
            "last_accessed": _seconds(shown.used_at),
            "last_modified": _seconds(shown.fetched_at),
            "size": shown.size_bytes,
            "nodes": shown.nodes,
        }
        for shown in caches.cached
    ]
    return {"cached_images": cached, "queued_images": caches.queued}


def _seconds(time: datetime | None) -> float:
    return 0.0 if time is None else time.timestamp()
