"""Runs one operation's saga: forward, waiting for agents, unwinding, resuming after any worker died.

Each turn is one database transaction fenced by the operation's lease, so a step's effect and the record of it are one.
Commands are sent after the commit that says they are out; a lost one is sent again when run_at comes, with the same id.
A time-out is not a failure of the node's work: what was sent is undone by `ensure_absent`, and undo waits for its report.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from common import log
from common.clock import Clock
from common.config import Config
from common.db import operations
from common.db.models import Operation
from common.db.session import Database
from common.errors import BusUnavailable, CloudError, DatabaseUnavailable, LeaseLost
from common.killpoints import armed, reach
from common.rpc.bus import Bus
from common.rpc.compute_v1 import Report
from common.saga.model import FOLLOWED_BY, Saga
from common.saga.turns import Turn, Turns
from common.states import OperationState

logger = logging.getLogger(__name__)
MAX_BUG_ATTEMPTS = 5  # an exception that is no CloudError is our bug: tried again so often, then unwound
MAX_TURNS = 50


class InternalError(CloudError):
    code = "internal_error"


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
        self._db, self._bus, self._clock, self._owner = db, bus, clock, owner
        self._turns = Turns(clock=clock, config=config, sagas=sagas, placement=placement)
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
        self._follow(operation)
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
                turn, fresh = self._db.run(lambda s: self._turns.again_later(s, operation, reason))
                operations.adopt(operation, fresh)
                return turn
            error = InternalError("An internal error stopped the operation.", detail=reason)
        turn, fresh = self._db.run(lambda s: self._turns.fail(s, operation, error, None))
        operations.adopt(operation, fresh)
        return turn

    def _committed(self, operation: Operation, fresh: dict[str, Any]) -> None:
        _reach(operation, fresh, "after_commit")
        operations.adopt(operation, fresh)

    def _follow(self, operation: Operation) -> None:
        """What a step has begun, and told as FOLLOWED_BY in its result, is worked on by the same worker, at once.

        A hint would go by the broker; should this worker die here, the sweep finds the row.
        """
        if operation.state != OperationState.DONE:
            return
        for result in operation.results.values():  # steps keep marks there, too, which are no dictionaries
            if isinstance(result, dict) and FOLLOWED_BY in result:
                self.work(result[FOLLOWED_BY])

    def _turn_to_commit(
        self, session: Session, held: Operation, *, just_read: bool = False
    ) -> tuple[Turn, dict[str, Any]]:
        with session.no_autoflush:  # events are written together, at the commit
            turn, fresh = self._turns.take(session, held if just_read else self._read_again(session, held))
        _reach(held, fresh, "before_commit")
        return turn, fresh

    def _read_again(self, session: Session, held: Operation) -> Operation:
        operation = session.get(Operation, held.id, populate_existing=True)
        if operation is None or operation.lease_count != held.lease_count:
            raise LeaseLost(f"operation {held.id} is held by another worker")
        session.expunge(operation)  # only operations.save, which checks the fence, writes the row
        return operation


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


@contextmanager
def _bound(operation: Operation) -> Iterator[None]:
    """Every line that is logged inside says what it is about."""
    instance_id = operation.params.get("instance_id", operation.resource_id)
    with log.bind(operation_id=operation.id, request_id=operation.request_id, instance_id=instance_id):
        yield
