"""Operations: outbox, saga progress, os-instance-actions and audit trail in one table, their events below them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Id, Name

#: device operations that have not ended: one at most for each device of a resource
_OPEN_DEVICE = "device_id IS NOT NULL AND state IN ('pending', 'running', 'unwinding')"


class Operation(Base):
    """One piece of work on one resource.

    due when state is open, run_at has come and nobody holds a lease. `step` is the step being done or undone,
    `results` what finished steps returned, by step name; `sent` the command that is out: {"id", "node", "epoch", …};
    `report` the agent's answer to it.
    """

    __tablename__ = "operations"
    __table_args__ = (
        sa.Index("ix_operations_due", "state", "run_at"),
        sa.Index("ix_operations_resource", "resource_id", "created_at"),
        sa.Index(
            "uq_operations_open_device",
            "resource_id",
            "device_id",
            unique=True,
            sqlite_where=sa.text(_OPEN_DEVICE),
            postgresql_where=sa.text(_OPEN_DEVICE),
        ),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    request_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    global_request_id: Mapped[str | None] = mapped_column(sa.String(64))
    kind: Mapped[str] = mapped_column(sa.String(64))  # the saga: scheduler/sagas/<kind>.py
    action: Mapped[str] = mapped_column(sa.String(64))  # as os-instance-actions shows it
    operation_class: Mapped[str] = mapped_column(sa.String(16))
    resource_type: Mapped[str] = mapped_column(sa.String(32))
    resource_id: Mapped[str] = mapped_column(Id)
    device_id: Mapped[str | None] = mapped_column(Id)  # of the device class: which port, volume, …
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    user_id: Mapped[str] = mapped_column(sa.String(64))
    state: Mapped[str] = mapped_column(sa.String(16))
    step: Mapped[str] = mapped_column(sa.String(64), default="")
    attempt: Mapped[int] = mapped_column(default=0)  # tries of the present step
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    results: Mapped[dict[str, Any]] = mapped_column(default=dict)
    sent: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    report: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    unwind_to: Mapped[str | None] = mapped_column(sa.String(64))  # the step to start again at; None: unwind all
    reasoning: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    lease_owner: Mapped[str | None] = mapped_column(Name)
    lease_until: Mapped[datetime | None]
    lease_count: Mapped[int] = mapped_column(default=0)  # rises with every lease: the fence of a slow worker
    run_at: Mapped[datetime]
    step_deadline: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class OperationEvent(Base):
    """What happened: a step begun and ended, a report, a state moved. Shown as os-instance-actions events."""

    __tablename__ = "operation_events"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    operation_id: Mapped[str | None] = mapped_column(sa.ForeignKey("operations.id"), index=True)
    resource_id: Mapped[str] = mapped_column(Id, index=True)
    name: Mapped[str] = mapped_column(sa.String(64))
    result: Mapped[str] = mapped_column(sa.String(16), default="")  # Success, Error, or "" while it goes on
    node_name: Mapped[str | None] = mapped_column(Name)
    message: Mapped[str] = mapped_column(sa.Text, default="")
    detail: Mapped[str] = mapped_column(sa.Text, default="")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
