"""What a saga is made of: a table of steps, each with do and undo side by side, both idempotent.

Two kinds of step. A `Local` step works in one database transaction, together with the record that it was done. A
`Remote` step is one command to a node's agent: the engine writes down that it is out, sends it, and holds nothing while
it waits for the report. Sagas are linear lists; ids are made when the operation is created, never in a step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy.orm import Session

from common.config import Config
from common.db.models import Operation
from common.errors import CloudError
from common.rpc.compute_v1 import Command, Report

FOLLOWED_BY = "followed_by"  # in a step's result: the id of an operation that it has begun


@dataclass(frozen=True)
class Wait:
    """Come back later; the lease is given up meanwhile."""

    seconds: float


@dataclass(frozen=True)
class Send:
    """A command for a node. Its id is `StepContext.command_id`."""

    node: str
    command: Command


@dataclass(frozen=True)
class RetryFrom:
    """Undo down to and including `step`, then go forward from it again."""

    step: str
    error: CloudError


@dataclass
class StepContext:
    """What a step may use, and nothing else. `results` is by step name; `reasoning` is kept with the operation."""

    operation: Operation
    config: Config
    now: datetime
    placement: Any  # common.placement.view.NodeViews
    results: dict[str, Any]
    reasoning: dict[str, Any]
    command_id: str = ""
    command_deadline: datetime | None = None
    generation: int = 0  # of the command that is out; 0: none yet

    @property
    def instance_id(self) -> str:
        return self.operation.resource_id

    @property
    def params(self) -> dict[str, Any]:
        return self.operation.params

    def absent_epochs(self) -> list[int]:
        """Epochs that an agent has already reported as gone, so that undo need not ask again."""
        return list(self.results.get("absent", []))


Outcome: TypeAlias = dict[str, Any] | Wait


@dataclass(frozen=True)
class Local:
    """do: returns the step's result, or Wait; raises CloudError to unwind. undo: makes it as if never done.

    needed: False passes the step by, and costs no transaction; it must say the same each time. Undo is called all the same.
    """

    name: str
    do: Callable[[Session, StepContext], Outcome]
    undo: Callable[[Session, StepContext], None] | None = None
    deadline_s: float = 60.0
    needed: Callable[[StepContext], bool] | None = None


@dataclass(frozen=True)
class Remote:
    """do / undo: the command to send, or None when there is nothing to ask of a node.

    Both are called anew for every repetition, and may then find that the node need not be asked any more (None), or, do
    only, that it has to be done otherwise (RetryFrom).

    failed: what a failure means, RetryFrom or an error to unwind with. repeats: after a success do is called again, for
    the next command, until it says None; the step's result counts the commands that were obeyed as `times`. So is undo,
    counted as `undone`.
    """

    name: str
    do: Callable[[Session, StepContext], Send | RetryFrom | None]
    deadline_s: float
    failed: Callable[[StepContext, Report], RetryFrom | CloudError]
    undo: Callable[[Session, StepContext], Send | None] | None = None
    repeats: bool = False


Step: TypeAlias = Local | Remote


@dataclass(frozen=True)
class Saga:
    """steps: the table. unwound: after everything is undone; (session, context, error, cancelled). stuck: undo gave up."""

    kind: str
    steps: tuple[Step, ...]
    unwound: Callable[[Session, StepContext, dict[str, Any], bool], None]
    stuck: Callable[[Session, StepContext, dict[str, Any]], None]

    def index(self, name: str) -> int:
        """Position of a step; -1 for a name this code doesn't know (the operation is then stuck, not guessed at)."""
        for position, step in enumerate(self.steps):
            if step.name == name:
                return position
        return -1
