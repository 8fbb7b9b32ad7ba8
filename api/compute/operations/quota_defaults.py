"""Limits of the resources that the compute service counts, for projects that have none of their own."""

from __future__ import annotations

from common.config import QuotaConfig


def defaults(config: QuotaConfig) -> dict[str, int]:
    """By the names of Nova's API; ram in MiB; -1 means without limit."""
    return {
        "instances": config.instances,
        "cores": config.cores,
        "ram": config.ram_mib,
        "metadata_items": config.metadata_items,
        "key_pairs": config.key_pairs,
        "server_groups": config.server_groups,
        "server_group_members": config.server_group_members,
    }
