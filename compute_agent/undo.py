"""Steps taken and how to take them back, in reverse order."""

from __future__ import annotations

import logging
from collections.abc import Callable

from common import log
from common.errors import CloudError

logger = logging.getLogger(__name__)


class Undo:
    """Push a step's reverse before the step: a step that fails may be half done. Reverses must be idempotent.

    A step already pushed keeps its place, so that an earlier run's steps can be pushed beforehand.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], None]]] = []

    def push(self, name: str, reverse: Callable[[], None]) -> None:
        if name not in (known for known, _ in self._steps):
            self._steps.append((name, reverse))

    def run(self) -> list[str]:
        """Take everything back, as far as it goes; the names of the steps that could not be."""
        failed = []
        for name, reverse in reversed(self._steps):
            try:
                reverse()
            except (CloudError, OSError) as err:
                detail = err.detail if isinstance(err, CloudError) else ""
                log.event(logger, "undo.failed", logging.ERROR, step=name, reason=str(err), detail=detail)
                failed.append(name)
        self._steps.clear()
        return failed
