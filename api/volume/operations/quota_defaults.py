"""Limits of the resources that the block storage service counts, for projects that have none of their own."""

from __future__ import annotations

from common.config import QuotaConfig


def defaults(config: QuotaConfig) -> dict[str, int]:
    """By the names of Cinder's API; gigabytes in GiB; -1 means without limit."""
    return {
        "volumes": config.volumes,
        "snapshots": config.snapshots,
        "gigabytes": config.gigabytes,
        "per_volume_gigabytes": config.volume_gigabytes,
        "groups": config.volume_groups,
        "backups": config.backups,
        "backup_gigabytes": config.backup_gigabytes,
    }
