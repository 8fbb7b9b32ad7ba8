"""One turn of a saga: what one transaction does to an operation, forward or back.

Every branch ends in operations.save, which raises LeaseLost when the fence has moved; nothing here commits, sends or
catches: that is the engine's.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from common import log, vault
from common.clock import Clock
from common.config import Config
from common.db import operations
from common.db.models import Operation
from common.deadlines import DEVICE_POLL_S, RESEND_FIRST_S, RESEND_MAX_S, UNDO_DEADLINE_S
from common.errors import CloudError
from common.ids import new_id
from common.rpc.compute_v1 import Report, ReportKind
from common.saga.model import Local, Remote, RetryFrom, Saga, Send, Step, StepContext, Wait
from common.states import OperationClass, OperationState

logger = logging.getLogger(__name__)


class StepTimeout(CloudError):
    code = "step_timeout"


class Cancelled(CloudError):
    code = "cancelled"


@dataclass(frozen=True)
class Turn:
    """What one transaction left to do: a command to send, and whether the worker should go on at once.

    saved: of an operation's first turn, what was written, for the copy that the worker holds.
    """

    send: Send | None = None
    go_on: bool = False
    saved: dict[str, Any] = field(default_factory=dict)


class Turns:
    """The rules by which operations move; holds nothing of any of them."""

    def __init__(self, *, clock: Clock, config: Config, sagas: dict[str, Saga], placement: Any) -> None:
        self._clock, self._config, self._sagas, self._placement = clock, config, sagas, placement

    def take(self, session: Session, operation: Operation) -> tuple[Turn, dict[str, Any]]:
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
            return self.fail(session, operation, Cancelled("The operation was cancelled by a later request."), None)
        if self._waits_for_devices(session, operation):
            again = context.now + timedelta(seconds=DEVICE_POLL_S)
            return self._save(session, operation, context, Turn(), state=OperationState.PENDING, run_at=again)
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
                "objects": report.objects,
                **({"times": context.results.get(step.name, {}).get("times", 0) + 1} if step.repeats else {}),
            }
            self._event(session, operation, step.name, "Success", report.node)
            position += 0 if step.repeats else 1
            operation.sent, operation.report = None, None
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
            elif ended := self._do_local(session, step, operation, context, first=not did_local):
                return ended
            else:
                did_local = did_local or _is_needed(step, context)
            position += 1
        log.event(logger, "operation.done", kind=operation.kind)
        return self._finish(session, operation, context, OperationState.DONE)

    def _do_local(
        self, session: Session, step: Local, operation: Operation, context: StepContext, *, first: bool
    ) -> tuple[Turn, dict[str, Any]] | None:
        """None: done, in this transaction, which has no other one in it; or passed by."""
        if not _is_needed(step, context):
            context.results.setdefault(step.name, {})
            return None
        if not first:
            return self._save(session, operation, context, Turn(go_on=True), step=step.name, sent=None, report=None)
        outcome = step.do(session, context)
        if isinstance(outcome, Wait):
            return self._wait(session, operation, step, context, outcome)
        context.results[step.name] = outcome
        self._event(session, operation, step.name, "Success", None)
        return None

    def _waits_for_devices(self, session: Session, operation: Operation) -> bool:
        """See common/db/device_operations.py: those that were there before end first, by their own deadlines."""
        unbegun = operation.state == OperationState.PENDING and operation.params.get(operations.AFTER_DEVICES)
        return bool(unbegun) and operations.device_open(session, operation.resource_id)

    def _send_first(
        self, session: Session, step: Remote, operation: Operation, context: StepContext, build: Any, deadline_s: float
    ) -> tuple[Turn, dict[str, Any]] | None:
        """Write down that a command is out, and send it after the commit. None: the step has nothing to ask."""
        context.command_id = new_id()
        context.command_deadline = context.now + timedelta(seconds=deadline_s)
        send: Send | RetryFrom | None = build(session, context)
        if isinstance(send, RetryFrom):
            return self.fail(session, operation, send.error, send.step)
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
            return self.fail(session, operation, send.error, send.step)
        if operation.step_deadline is not None and context.now >= operation.step_deadline:
            node = operation.sent["node"]
            return self.fail(
                session, operation, StepTimeout(f"Node {node} did not finish {step.name} in time.", node=node), None
            )
        return self._save(session, operation, context, Turn(send=send), **_later(operation, context))

    def _remote_failed(
        self, session: Session, operation: Operation, step: Remote, report: Report, context: StepContext
    ) -> tuple[Turn, dict[str, Any]]:
        if report.absent:
            context.results["absent"] = [*context.absent_epochs(), report.epoch]
        operation.results = context.results
        self._event(session, operation, step.name, "Error", report.node, report.message, report.detail)
        verdict = step.failed(context, report)
        if isinstance(verdict, RetryFrom):
            return self.fail(session, operation, verdict.error, verdict.step)
        return self.fail(session, operation, verdict, None)

    def fail(
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
                if step.repeats:
                    return self._undo_next(session, operation, step, context)
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
                session,
                operation,
                context,
                Turn(go_on=True),
                state=OperationState.RUNNING,
                step=step.name,
                unwind_to=None,
                sent=None,
                report=None,
                attempt=0,
                step_deadline=None,
            )
        if position == 0:
            error = operation.error or {}
            cancelled = error.get("code") == Cancelled.code
            saga.unwound(session, context, error, cancelled)
            log.event(logger, "operation.unwound", kind=operation.kind, code=error.get("code", ""))
            return self._finish(
                session, operation, context, OperationState.CANCELLED if cancelled else OperationState.FAILED
            )
        return self._save(
            session,
            operation,
            context,
            Turn(go_on=True),
            step=saga.steps[position - 1].name,
            sent=None,
            report=None,
            attempt=0,
        )

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
        return self._save(session, operation, context, Turn(send=send), **_later(operation, context))

    def _undo_again(
        self, session: Session, operation: Operation, step: Remote, context: StepContext, report: Report
    ) -> tuple[Turn, dict[str, Any]]:
        """The node answered that it could not undo: ask anew, with a new command, after a pause."""
        self._event(session, operation, f"{step.name}.undo", "Error", report.node, report.message, report.detail)
        return self._save(session, operation, context, Turn(), sent=None, report=None, **_later(operation, context))

    def _undo_next(
        self, session: Session, operation: Operation, step: Remote, context: StepContext
    ) -> tuple[Turn, dict[str, Any]]:
        """One command was obeyed; there may be more."""
        known = context.results.get(step.name, {})
        context.results[step.name] = {**known, "undone": known.get("undone", 0) + 1}
        return self._save(session, operation, context, Turn(go_on=True), sent=None, report=None, attempt=0)

    def _wait(
        self, session: Session, operation: Operation, step: Local, context: StepContext, wait: Wait
    ) -> tuple[Turn, dict[str, Any]]:
        deadline = operation.step_deadline if operation.step == step.name and operation.step_deadline else None
        deadline = deadline or context.now + timedelta(seconds=step.deadline_s)
        if context.now >= deadline:
            return self.fail(session, operation, StepTimeout(f"{step.name} did not come to an end in time."), None)
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

    def again_later(self, session: Session, operation: Operation, reason: str) -> tuple[Turn, dict[str, Any]]:
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
        if vault.is_any_sealed(operation.params):  # nobody needs it any more
            changes["params"] = vault.without_sealed(operation.params)
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


def _is_needed(step: Local, context: StepContext) -> bool:
    return step.needed is None or step.needed(context)


def _out(context: StepContext, send: Send) -> dict[str, Any]:
    """What the row says of a command that is out."""
    command = send.command
    return {"id": context.command_id, "node": send.node, "epoch": command.epoch, "generation": command.generation}


def _later(operation: Operation, context: StepContext) -> dict[str, Any]:
    """One attempt more, after a pause that doubles up to a bound."""
    pause_s = min(RESEND_FIRST_S * 2 ** min(operation.attempt, 10), RESEND_MAX_S)
    return {"attempt": operation.attempt + 1, "run_at": context.now + timedelta(seconds=pause_s)}
