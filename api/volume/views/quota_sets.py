"""Quota sets, quota classes and limits as Cinder shows them."""

from __future__ import annotations

from typing import Any

from api.volume.operations.quota_sets import Quota

_ABSOLUTE = (
    ("maxTotalVolumes", "volumes"),
    ("maxTotalSnapshots", "snapshots"),
    ("maxTotalVolumeGigabytes", "gigabytes"),
    ("maxTotalBackups", "backups"),
    ("maxTotalBackupGigabytes", "backup_gigabytes"),
)
_USED = (
    ("totalVolumesUsed", "volumes"),
    ("totalSnapshotsUsed", "snapshots"),
    ("totalGigabytesUsed", "gigabytes"),
    ("totalBackupsUsed", "backups"),
    ("totalBackupGigabytesUsed", "backup_gigabytes"),
)


def plain(quota: Quota, *, with_id: bool = True) -> dict[str, Any]:
    return {**quota.limits, **({"id": quota.project_id} if with_id else {})}


def with_usage(quota: Quota) -> dict[str, Any]:
    """reserved is always 0: what is asked for is counted as used in the same transaction."""
    shown: dict[str, Any] = {
        name: {"limit": limit, "in_use": quota.in_use.get(name, 0), "reserved": 0}
        for name, limit in quota.limits.items()
    }
    return {**shown, "id": quota.project_id}


def absolute(quota: Quota) -> dict[str, Any]:
    shown = {name: quota.limits[resource] for name, resource in _ABSOLUTE}
    shown |= {name: quota.in_use.get(resource, 0) for name, resource in _USED}
    return {"limits": {"rate": [], "absolute": shown}}
