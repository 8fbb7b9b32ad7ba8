"""Runs one operation's saga: forward, waiting for agents, unwinding, resuming after any worker died.

Each turn is one database transaction fenced by the operation's lease, so a step's effect and the record of it are one.
Commands are sent after the commit that says they are out; a lost one is sent again when run_at comes, with the same id.
A time-out is not a failure of the node's work: what was sent is undone by `ensure_absent`, and undo waits for its report.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from common import log
from common.clock import Clock
from common.config import Config
from common.db import operations
from common.db.models import Operation
from common.db.session import Database
from common.deadlines import RESEND_FIRST_S, RESEND_MAX_S, UNDO_DEADLINE_S
from common.errors import BusUnavailable, CloudError, DatabaseUnavailable, LeaseLost
from common.ids import new_id
from common.killpoints import armed, reach
from common.rpc.bus import Bus
from common.rpc.compute_v1 import Report, ReportKind
from common.saga.model import Local, Remote, RetryFrom, Saga, Send, Step, StepContext, Wait
from common.states import OperationClass, OperationState

logger = logging.getLogger(__name__)
MAX_BUG_ATTEMPTS = 5  # an exception that is no CloudError is our bug: tried again so often, then unwound
MAX_TURNS = 50


class StepTimeout(CloudError):
    code = "step_timeout"


class Cancelled(CloudError):
    code = "cancelled"


class InternalError(CloudError):
    code = "internal_error"


@dataclass(frozen=True)
class Turn:
    """What one transaction left to do: a command to send, and whether the worker should go on at once.

    saved: of an operation's first turn, what was written, for the copy that the worker holds.
    """

    send: Send | None = None
    go_on: bool = False
    saved: dict[str, Any] = field(default_factory=dict)


Taking = Callable[[Session], Operation | None]


class Engine:
    """Any number of these, in any number of processes, may work on the same database."""

    def __init__(
        self,
        *,
        db: Database,
        bus: Bus,
        clock: Clock,
        config: Config,
        sagas: dict[str, Saga],
        placement: Any,
        owner: str,
    ) -> None:
        self._db, self._bus, self._clock, self._config = db, bus, clock, config
        self._sagas, self._placement, self._owner = sagas, placement, owner
        self._lease_s = config.scheduler.lease_s

    def work(self, operation_id: str) -> bool:
        """Take the operation and run it as far as it goes. False: it was not due, or somebody else has it."""
        return self._take_on(
            lambda s: operations.take_due(s, operation_id, self._owner, self._clock.now(), self._lease_s),
            lambda s: operations.lease(s, operation_id, self._owner, self._clock.now(), self._lease_s),
            "leased",
        )

    def deliver(self, report: Report) -> bool:
        """Take a final report to the operation that waits for it and run that on. False: nobody waits for it.

        Raises DatabaseUnavailable when it may not have been written: it must come again.
        """
        return self._take_on(
            lambda s: operations.take_waiting(s, report, self._owner, self._clock.now(), self._lease_s),
            lambda s: operations.deliver(s, report, self._owner, self._clock.now(), self._lease_s),
            "report_delivered",
        )

    def _take_on(self, take: Taking, lease: Taking, point: str) -> bool:
        """The first turn runs in the transaction that takes the operation, so that both cost one commit.

        When that turn fails, its transaction is gone and the operation with it: it is leased, and the failure told.
        """
        failed: Exception | None = None
        first: Turn | None = None
        try:
            operation, first = self._db.run(lambda s: self._first_turn(s, take, point))
        except LeaseLost as err:
            log.event(logger, "operation.not_taken", logging.WARNING, reason=err.message, detail=err.detail)
            return False
        except DatabaseUnavailable:  # nothing is known to be written: a report must not be acknowledged
            raise
        except Exception as err:  # noqa: BLE001 - told by _failure, when the operation is ours
            failed, operation = err, self._db.run(lease)
        if operation is None:
            return False
        self._run(operation, first, failed)
        return True

    def _first_turn(self, session: Session, take: Taking, point: str) -> tuple[Operation | None, Turn | None]:
        operation = take(session)
        if operation is None:
            return None, None
        with _bound(operation):
            reach("scheduler", operation.kind, point)
            turn, fresh = self._turn_to_commit(session, operation, just_read=True)
        return operation, Turn(turn.send, turn.go_on, fresh)

    def _run(self, operation: Operation, turn: Turn | None, failed: Exception | None) -> None:
        with _bound(operation):
            renewed_at = self._clock.monotonic()
            try:
                if turn is not None:
                    self._committed(operation, turn.saved)
                elif failed is not None:
                    turn = self._failure(operation, failed)
                for _ in range(MAX_TURNS):
                    turn = turn or self._turn_or_failure(operation)
                    self._send(turn)
                    if not turn.go_on:
                        return
                    turn = None
                    if self._clock.monotonic() - renewed_at > self._lease_s / 3:
                        self._db.run(lambda s: operations.renew(s, operation, self._clock.now(), self._lease_s))
                        renewed_at = self._clock.monotonic()
            except LeaseLost as err:
                log.event(logger, "operation.lease_lost", reason=err.message)
            except (
                DatabaseUnavailable
            ) as err:  # no failure of the step: when the lease is over, it goes on from the row
                log.event(logger, "operation.database_unavailable", logging.WARNING, detail=err.detail)

    def _send(self, turn: Turn) -> None:
        if turn.send is None:
            return
        try:
            self._bus.send_command(turn.send.node, turn.send.command)
        except BusUnavailable as err:  # the row says it is out; run_at brings it up again
            log.event(logger, "operation.send_failed", logging.WARNING, node=turn.send.node, reason=err.detail)

    def _turn_or_failure(self, operation: Operation) -> Turn:
        """One transaction forward or back."""
        try:
            turn, fresh = self._db.run(lambda s: self._turn_to_commit(s, operation))
        except (LeaseLost, DatabaseUnavailable):
            raise
        except Exception as err:  # noqa: BLE001 - told by _failure
            return self._failure(operation, err)
        self._committed(operation, fresh)
        return turn

    def _failure(self, operation: Operation, err: Exception) -> Turn:
        """A failing step becomes an unwinding operation, in a transaction of its own; our own bug is tried again first."""
        if isinstance(err, CloudError):
            error = err
        else:
            logger.error("operation.step_crashed", exc_info=err)
            reason = f"{type(err).__name__}: {err}"
            if operation.attempt + 1 < MAX_BUG_ATTEMPTS:
                turn, fresh = self._db.run(lambda s: self._again_later(s, operation, reason))
                operations.adopt(operation, fresh)
                return turn
            error = InternalError("An internal error stopped the operation.", detail=reason)
        turn, fresh = self._db.run(lambda s: self._fail(s, operation, error, None))
        operations.adopt(operation, fresh)
        return turn

    def _committed(self, operation: Operation, fresh: dict[str, Any]) -> None:
        _reach(operation, fresh, "after_commit")
        operations.adopt(operation, fresh)

    def _turn_to_commit(
        self, session: Session, held: Operation, *, just_read: bool = False
    ) -> tuple[Turn, dict[str, Any]]:
        with session.no_autoflush:  # events are written together, at the commit
            turn, fresh = self._turn(session, held if just_read else self._read_again(session, held))
        _reach(held, fresh, "before_commit")
        return turn, fresh

    def _read_again(self, session: Session, held: Operation) -> Operation:
        operation = session.get(Operation, held.id, populate_existing=True)
        if operation is None or operation.lease_count != held.lease_count:
            raise LeaseLost(f"operation {held.id} is held by another worker")
        session.expunge(operation)  # only operations.save, which checks the fence, writes the row
        return operation

    # One turn. Every branch ends in operations.save, which raises LeaseLost when the fence has moved.

    def _turn(self, session: Session, operation: Operation) -> tuple[Turn, dict[str, Any]]:
        saga = self._sagas.get(operation.kind)
        step_known = saga is not None and (not operation.step or saga.index(operation.step) >= 0)
        if saga is None or not step_known:
            return self._stuck(
                session,
                None,
                operation,
                {"code": "unknown_step", "message": f"no code for {operation.kind}/{operation.step}"},
            )
        context = self._context(operation)
        if operation.state == OperationState.UNWINDING:
            return self._undo(session, saga, operation, context)
        return self._forward(session, saga, operation, context)

    def _forward(
        self, session: Session, saga: Saga, operation: Operation, context: StepContext
    ) -> tuple[Turn, dict[str, Any]]:
        if operation.cancel_requested and operation.operation_class != OperationClass.PREEMPTING:
            return self._fail(session, operation, Cancelled("The operation was cancelled by a later request."), None)
        position = max(saga.index(operation.step), 0)
        if operation.report is not None:
            step = saga.steps[position]
            assert isinstance(step, Remote)
            report = msgspec.convert(operation.report, Report)
            if report.kind == ReportKind.FAILED:
                return self._remote_failed(session, operation, step, report, context)
            context.results[step.name] = {
                "node": report.node,
                "power": report.power.value,
                "timings_ms": report.timings_ms,
            }
            self._event(session, operation, step.name, "Success", report.node)
            position, operation.sent, operation.report = position + 1, None, None
        elif operation.sent is not None:
            step = saga.steps[position]
            waiting = self._resend(session, step, operation, context, step.do)
            if waiting:
                return waiting
            context.results.setdefault(step.name, {})
            position, operation.sent = position + 1, None
        did_local = False
        while position < len(saga.steps):
            step = saga.steps[position]
            if isinstance(step, Remote):
                sent = self._send_first(session, step, operation, context, step.do, step.deadline_s)
                if sent:
                    return sent
            else:
                if did_local:
                    return self._save(
                        session, operation, context, Turn(go_on=True), step=step.name, sent=None, report=None
                    )
                outcome = step.do(session, context)
                if isinstance(outcome, Wait):
                    return self._wait(session, operation, step, context, outcome)
                context.results[step.name] = outcome
                self._event(session, operation, step.name, "Success", None)
                did_local = True
            position += 1
        log.event(logger, "operation.done", kind=operation.kind)
        return self._finish(session, operation, context, OperationState.DONE)

    def _send_first(
        self, session: Session, step: Remote, operation: Operation, context: StepContext, build: Any, deadline_s: float
    ) -> tuple[Turn, dict[str, Any]] | None:
        """Write down that a command is out, and send it after the commit. None: the step has nothing to ask."""
        context.command_id = new_id()
        context.command_deadline = context.now + timedelta(seconds=deadline_s)
        send: Send | RetryFrom | None = build(session, context)
        if isinstance(send, RetryFrom):
            return self._fail(session, operation, send.error, send.step)
        if send is None:
            context.results.setdefault(step.name, {})
            return None
        sent = {**_out(context, send), "deadline": context.command_deadline.isoformat()}
        return self._save(
            session, operation, context, Turn(send=send), step=step.name, sent=sent, report=None, attempt=1,
            run_at=context.now + timedelta(seconds=RESEND_FIRST_S), step_deadline=context.command_deadline,
        )  # fmt: skip

    def _resend(
        self, session: Session, step: Step, operation: Operation, context: StepContext, build: Any
    ) -> tuple[Turn, dict[str, Any]] | None:
        """The command is out and no report has come: send the same again, or give up at the deadline.

        None: the step says by now that the node need not be asked.
        """
        assert isinstance(step, Remote)
        assert operation.sent is not None
        context.command_id, context.generation = operation.sent["id"], operation.sent["generation"]
        context.command_deadline = operation.step_deadline
        send: Send | RetryFrom | None = build(session, context)
        if send is None:
            return None
        if isinstance(send, RetryFrom):
            return self._fail(session, operation, send.error, send.step)
        if operation.step_deadline is not None and context.now >= operation.step_deadline:
            node = operation.sent["node"]
            return self._fail(
                session, operation, StepTimeout(f"Node {node} did not finish {step.name} in time.", node=node), None
            )
        pause_s = min(RESEND_FIRST_S * 2 ** min(operation.attempt, 10), RESEND_MAX_S)
        return self._save(
            session, operation, context, Turn(send=send), attempt=operation.attempt + 1,
            run_at=context.now + timedelta(seconds=pause_s),
        )  # fmt: skip

    def _remote_failed(
        self, session: Session, operation: Operation, step: Remote, report: Report, context: StepContext
    ) -> tuple[Turn, dict[str, Any]]:
        if report.absent:
            context.results["absent"] = [*context.absent_epochs(), report.epoch]
        operation.results = context.results
        self._event(session, operation, step.name, "Error", report.node, report.message, report.detail)
        verdict = step.failed(context, report)
        if isinstance(verdict, RetryFrom):
            return self._fail(session, operation, verdict.error, verdict.step)
        return self._fail(session, operation, verdict, None)

    def _fail(
        self, session: Session, operation: Operation, error: CloudError, unwind_to: str | None
    ) -> tuple[Turn, dict[str, Any]]:
        """Turn round: the present step is undone first, because it may be half done."""
        now = self._clock.now()
        log.event(
            logger,
            "operation.unwinding",
            logging.WARNING,
            step=operation.step,
            code=error.code,
            reason=error.message,
            detail=error.detail,
            again_from=unwind_to or "",
        )
        known = error.facts.get("reasoning")
        changes: dict[str, Any] = {"reasoning": known} if known else {}
        facts = {key: value for key, value in error.as_dict().items() if key != "reasoning"}
        values = {
            "state": OperationState.UNWINDING,
            "error": facts,
            "unwind_to": unwind_to,
            "sent": None,
            "report": None,
            "attempt": 0,
            "step_deadline": now + timedelta(seconds=UNDO_DEADLINE_S),
            "results": operation.results,
            **changes,
        }
        operations.save(session, operation, now, keep_lease=True, **values)
        return Turn(go_on=True), values

    def _undo(
        self, session: Session, saga: Saga, operation: Operation, context: StepContext
    ) -> tuple[Turn, dict[str, Any]]:
        """Undo the present step, then step down; at the bottom go forward again, or end."""
        position = max(saga.index(operation.step), 0)
        step = saga.steps[position]
        if operation.step_deadline is not None and context.now >= operation.step_deadline:
            return self._stuck(
                session,
                saga,
                operation,
                {"code": "undo_timeout", "message": f"{step.name} could not be undone in time"},
            )
        if isinstance(step, Remote) and step.undo is not None:
            if operation.report is not None:
                report = msgspec.convert(operation.report, Report)
                if report.kind == ReportKind.FAILED and not report.absent:
                    return self._undo_again(session, operation, step, context, report)
            else:
                ask = self._send_undo if operation.sent is None else self._resend_undo
                if sent := ask(session, step, operation, context):
                    return sent
        elif isinstance(step, Local) and step.undo is not None:
            step.undo(session, context)
        self._event(session, operation, f"{step.name}.undo", "Success", None)
        context.results.pop(step.name, None)
        if operation.unwind_to == step.name:
            return self._save(
                session, operation, context, Turn(go_on=True), state=OperationState.RUNNING, step=step.name,
                unwind_to=None, sent=None, report=None, attempt=0, step_deadline=None,
            )  # fmt: skip
        if position == 0:
            error = operation.error or {}
            cancelled = error.get("code") == Cancelled.code
            saga.unwound(session, context, error, cancelled)
            log.event(logger, "operation.unwound", kind=operation.kind, code=error.get("code", ""))
            return self._finish(
                session, operation, context, OperationState.CANCELLED if cancelled else OperationState.FAILED
            )
        return self._save(
            session, operation, context, Turn(go_on=True), step=saga.steps[position - 1].name, sent=None, report=None,
            attempt=0,
        )  # fmt: skip

    def _send_undo(
        self, session: Session, step: Remote, operation: Operation, context: StepContext
    ) -> tuple[Turn, dict[str, Any]] | None:
        context.command_id, context.command_deadline = new_id(), operation.step_deadline
        assert step.undo is not None
        send = step.undo(session, context)
        if send is None:
            return None
        return self._save(
            session, operation, context, Turn(send=send), sent=_out(context, send), report=None, attempt=1,
            run_at=context.now + timedelta(seconds=RESEND_FIRST_S),
        )  # fmt: skip

    def _resend_undo(
        self, session: Session, step: Remote, operation: Operation, context: StepContext
    ) -> tuple[Turn, dict[str, Any]] | None:
        """None: the step says by now that the node need not be asked."""
        assert step.undo is not None
        assert operation.sent is not None
        context.command_id, context.generation = operation.sent["id"], operation.sent["generation"]
        context.command_deadline = operation.step_deadline
        send = step.undo(session, context)
        if send is None:
            return None
        pause_s = min(RESEND_FIRST_S * 2 ** min(operation.attempt, 10), RESEND_MAX_S)
        return self._save(
            session,
            operation,
            context,
            Turn(send=send),
            attempt=operation.attempt + 1,
            run_at=context.now + timedelta(seconds=pause_s),
        )

    def _undo_again(
        self, session: Session, operation: Operation, step: Remote, context: StepContext, report: Report
    ) -> tuple[Turn, dict[str, Any]]:
        """The node answered that it could not undo: ask anew, with a new command, after a pause."""
        self._event(session, operation, f"{step.name}.undo", "Error", report.node, report.message, report.detail)
        pause_s = min(RESEND_FIRST_S * 2 ** min(operation.attempt, 10), RESEND_MAX_S)
        return self._save(
            session,
            operation,
            context,
            Turn(),
            sent=None,
            report=None,
            attempt=operation.attempt + 1,
            run_at=context.now + timedelta(seconds=pause_s),
        )

    def _wait(
        self, session: Session, operation: Operation, step: Local, context: StepContext, wait: Wait
    ) -> tuple[Turn, dict[str, Any]]:
        deadline = operation.step_deadline if operation.step == step.name and operation.step_deadline else None
        deadline = deadline or context.now + timedelta(seconds=step.deadline_s)
        if context.now >= deadline:
            return self._fail(session, operation, StepTimeout(f"{step.name} did not come to an end in time."), None)
        return self._save(
            session,
            operation,
            context,
            Turn(),
            step=step.name,
            step_deadline=deadline,
            sent=None,
            report=None,
            run_at=context.now + timedelta(seconds=wait.seconds),
        )

    def _again_later(self, session: Session, operation: Operation, reason: str) -> tuple[Turn, dict[str, Any]]:
        now = self._clock.now()
        values = {"attempt": operation.attempt + 1, "run_at": now + timedelta(seconds=2**operation.attempt)}
        operations.save(session, operation, now, keep_lease=False, **values)
        operations.add_event(
            session,
            operation_id=operation.id,
            resource_id=operation.resource_id,
            name=operation.step or "start",
            now=now,
            result="Error",
            detail=reason[:2000],
        )
        return Turn(), values

    def _stuck(
        self, session: Session, saga: Saga | None, operation: Operation, error: dict[str, Any]
    ) -> tuple[Turn, dict[str, Any]]:
        """Undo gave up: a person must look. Listed by `cumulet operation list --stuck` and counted in metrics."""
        log.event(
            logger, "operation.stuck", logging.ERROR, step=operation.step, **{k: str(v) for k, v in error.items()}
        )
        context = self._context(operation)
        original = operation.error or error
        if saga is not None:
            saga.stuck(session, context, {**original, "stuck": error})
        self._event(session, operation, operation.step or "start", "Error", None, error["message"])
        return self._finish(session, operation, context, OperationState.STUCK, error={**original, "stuck": error})

    def _finish(
        self, session: Session, operation: Operation, context: StepContext, state: OperationState, **changes: Any
    ) -> tuple[Turn, dict[str, Any]]:
        return self._save(
            session,
            operation,
            context,
            Turn(),
            state=state,
            finished_at=context.now,
            sent=None,
            report=None,
            step_deadline=None,
            **changes,
        )

    def _save(
        self, session: Session, operation: Operation, context: StepContext, turn: Turn, **changes: Any
    ) -> tuple[Turn, dict[str, Any]]:
        values: dict[str, Any] = {"results": context.results, "reasoning": context.reasoning, **changes}
        if "state" not in values and operation.state == OperationState.PENDING:
            values["state"] = OperationState.RUNNING
        if turn.go_on:
            values["run_at"] = context.now
        operations.save(session, operation, context.now, keep_lease=turn.go_on, **values)
        return turn, values

    def _context(self, operation: Operation) -> StepContext:
        return StepContext(
            operation=operation,
            config=self._config,
            now=self._clock.now(),
            placement=self._placement,
            results=dict(operation.results),
            reasoning=dict(operation.reasoning),
        )

    def _event(
        self,
        session: Session,
        operation: Operation,
        name: str,
        result: str,
        node: str | None,
        message: str = "",
        detail: str = "",
    ) -> None:
        operations.add_event(
            session,
            operation_id=operation.id,
            resource_id=operation.resource_id,
            name=name,
            now=self._clock.now(),
            result=result,
            node_name=node,
            message=message,
            detail=detail,
            started_at=operation.updated_at,
        )


def _reach(operation: Operation, values: dict[str, Any], when: str) -> None:
    """For fault tests, one point for each step that the turn did, undid or sent: scheduler:<kind>.<step>:<what>:<when>."""
    if not armed():
        return
    before, after = set(operation.results), set(values.get("results", operation.results))
    backward = operation.state == OperationState.UNWINDING
    reached = [(name, "done") for name in after - before]
    if values.get("sent"):
        reached.append((values.get("step", operation.step), "undo_sent" if backward else "sent"))
    elif backward and {"step", "state"} & set(values):
        reached.append((operation.step, "undone"))
    if values.get("state") == OperationState.UNWINDING:
        reached.append((operation.step, "failed"))
    for step, what in sorted(reached):
        reach("scheduler", f"{operation.kind}.{step}", what, when)


def _out(context: StepContext, send: Send) -> dict[str, Any]:
    """What the row says of a command that is out."""
    command = send.command
    return {"id": context.command_id, "node": send.node, "epoch": command.epoch, "generation": command.generation}


@contextmanager
def _bound(operation: Operation) -> Iterator[None]:
    """Every line that is logged inside says what it is about."""
    instance_id = operation.params.get("instance_id", operation.resource_id)
    with log.bind(operation_id=operation.id, request_id=operation.request_id, instance_id=instance_id):
        yield
