"""Images of servers that boot from volumes: they have no bytes, and say of which snapshots such a server is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def boot_snapshot(properties: Mapping[str, Any]) -> str | None:
    """The id of the snapshot that such a server boots from; None where the image does not say, or nobody can read it.

    The property is text that any user may write. Source: Cinder's microversion 3.46; Nova's block_device_mapping_v2.
    """
    text = properties.get("block_device_mapping")
    if not isinstance(text, str):
        return None
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("source_type") == "snapshot" and str(entry.get("boot_index")) == "0":
            return str(entry["snapshot_id"])[:64] if entry.get("snapshot_id") else None
    return None
