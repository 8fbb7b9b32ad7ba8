"""Images of servers that boot from volumes: they have no bytes, and say of which snapshots such a server is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.compute.operations.server_disks import entries_of
from common.errors import InvalidRequest


def boot_snapshot(properties: Mapping[str, Any]) -> str | None:
    """The id of the snapshot that such a server boots from; None where the image does not say, or nobody can read it.

    Source: Cinder's microversion 3.46; Nova's block_device_mapping_v2.
    """
    try:
        entries = entries_of(properties)
    except InvalidRequest:
        return None
    for entry in entries:
        if entry.get("source_type") == "snapshot" and str(entry.get("boot_index")) == "0":
            return str(entry["snapshot_id"])[:64] if entry.get("snapshot_id") else None
    return None
