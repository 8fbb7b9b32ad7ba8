"""Resizes and migrations as the API lists them: one row each, from what was asked for to how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from common.db import paging
from common.db.models import Instance, Operation, ServerMigration
from common.db.paging import Page


class MigrationType(StrEnum):
    RESIZE = "resize"
    MIGRATION = "migration"


class MigrationStatus(StrEnum):
    """Nova's words."""

    PRE_MIGRATING = "pre-migrating"
    MIGRATING = "migrating"
    POST_MIGRATING = "post-migrating"
    FINISHED = "finished"  # waits to be confirmed
    CONFIRMED = "confirmed"
    REVERTED = "reverted"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class MigrationFilter:
    """None: not asked for. host: of either side."""

    instance_id: str | None = None
    status: str | None = None
    type: str | None = None
    host: str | None = None
    source_node: str | None = None
    user_id: str | None = None
    project_id: str | None = None
    changes_since: datetime | None = None
    changes_before: datetime | None = None


def begin(
    session: Session, instance: Instance, operation: Operation, kind: MigrationType, flavor: dict[str, Any],
    now: datetime,
) -> None:  # fmt: skip
    session.add(
        ServerMigration(
            id=operation.id, instance_id=instance.id, project_id=instance.project_id, user_id=operation.user_id,
            type=kind, status=MigrationStatus.PRE_MIGRATING, source_node=instance.node_name, target_node=None,
            old_flavor_id=instance.flavor_id, new_flavor_id=flavor["id"], created_at=now, updated_at=now,
        )
    )  # fmt: skip
    session.flush()


def set_status(
    session: Session, operation_id: str, status: MigrationStatus, now: datetime, *, target_node: str | None = None
) -> None:
    values: dict[str, Any] = {"status": status, "updated_at": now}
    if target_node is not None:
        values["target_node"] = target_node
    session.execute(
        sa.update(ServerMigration)
        .where(ServerMigration.id == operation_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def end(session: Session, instance_id: str, status: MigrationStatus, now: datetime) -> None:
    """Close what waits to be confirmed."""
    session.execute(
        sa.update(ServerMigration)
        .where(ServerMigration.instance_id == instance_id, ServerMigration.status == MigrationStatus.FINISHED)
        .values(status=status, updated_at=now)
        .execution_options(synchronize_session=False)
    )


def list_page(session: Session, wanted: MigrationFilter, page: Page) -> Sequence[ServerMigration]:
    """Newest first. Raises InvalidRequest for an unknown marker."""
    query = sa.select(ServerMigration)
    equal = (
        (ServerMigration.instance_id, wanted.instance_id), (ServerMigration.status, wanted.status),
        (ServerMigration.type, wanted.type), (ServerMigration.source_node, wanted.source_node),
        (ServerMigration.user_id, wanted.user_id), (ServerMigration.project_id, wanted.project_id),
    )  # fmt: skip
    query = query.where(*(column == value for column, value in equal if value is not None))
    if wanted.host is not None:
        query = query.where(
            sa.or_(ServerMigration.source_node == wanted.host, ServerMigration.target_node == wanted.host)
        )
    if wanted.changes_since is not None:
        query = query.where(ServerMigration.updated_at >= wanted.changes_since)
    if wanted.changes_before is not None:
        query = query.where(ServerMigration.updated_at <= wanted.changes_before)
    columns = {"created_at": ServerMigration.created_at}
    return paging.fetch(session, query, page, columns=columns, default=[("created_at", True)], key=ServerMigration.id)
