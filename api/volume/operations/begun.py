"""How a request about volumes begins its operation: one transaction, then a hint to the schedulers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from api.request import Services
from common.killpoints import reach

T = TypeVar("T")


def begun(services: Services, kind: str, work: Callable[[Session], tuple[str | None, T]]) -> T:
    """Run `work`, which gives the id of the operation that it began (None: there was nothing left to do) and the answer.

    kind: the saga's. If the hint is lost, the schedulers' sweep finds the operation.
    """

    def whole(session: Session) -> tuple[str | None, T]:
        result = work(session)
        reach("api", kind, "before_commit")
        return result

    operation_id, answer = services.db.run(whole)
    reach("api", kind, "after_commit")
    if operation_id is not None:
        services.bus.hint(operation_id)
    return answer
