"""What volumes, snapshots and backups count for in a project's quota: altogether, and by volume type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: what is counted for each volume type, too
PER_TYPE = ("volumes", "snapshots", "gigabytes")
WITHOUT_LIMIT = -1


def of_type(resource: str, type_id: str) -> str:
    """The name under which a type's resource is counted; types are renamed, their ids stay."""
    return f"{resource}_{type_id}"


def with_type(amounts: Mapping[str, int], type_id: str | None) -> dict[str, int]:
    """The amounts, and those of the type."""
    if type_id is None:
        return dict(amounts)
    return {**amounts, **{of_type(name, type_id): amount for name, amount in amounts.items() if name in PER_TYPE}}


def only_of_type(amounts: Mapping[str, int], type_id: str) -> dict[str, int]:
    """What the amounts count for among those of the type."""
    return {of_type(name, type_id): amount for name, amount in amounts.items() if name in PER_TYPE}


def of_volume(size_gib: int, snapshots_gib: Sequence[int]) -> dict[str, int]:
    """What a volume and its snapshots count for."""
    amounts = {"volumes": 1, "gigabytes": size_gib + sum(snapshots_gib)}
    return amounts | ({"snapshots": len(snapshots_gib)} if snapshots_gib else {})


def with_default_limits(amounts: Mapping[str, int], limits: Mapping[str, int]) -> dict[str, int]:
    """Limits for all of `amounts`: a type's resources have none unless they are set."""
    return {**dict.fromkeys(amounts, WITHOUT_LIMIT), **limits}
