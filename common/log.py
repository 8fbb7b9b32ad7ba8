"""Logs: one JSON object per line and event, with request and instance ids bound to the work at hand.

`bind` puts ids into a context variable, so that every line written below it carries them. No caller ever logs a
secret: common.secret.Secret prints as ***.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from common.config import CloudConfig

_bound: ContextVar[Mapping[str, str]] = ContextVar("cumulet_log_fields", default=MappingProxyType({}))
MAX_VALUE_CHARS = 4096


@contextmanager
def bind(**fields: str) -> Iterator[None]:
    """Add fields (request_id, instance_id, operation_id, node) to every line logged inside the block."""
    token = _bound.set({**_bound.get(), **{key: value for key, value in fields.items() if value}})
    try:
        yield
    finally:
        _bound.reset(token)


def bound() -> dict[str, str]:
    return dict(_bound.get())


def event(logger: logging.Logger, name: str, /, level: int = logging.INFO, **fields: Any) -> None:
    """Log one event: `name` is a stable dotted name, fields are its facts."""
    logger.log(level, name, extra={"facts": fields})


class JsonFormatter(logging.Formatter):
    """One record, one line: names with newlines or escapes can't forge a second one."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self.process,
            "logger": record.name,
            "event": record.getMessage(),
            **_bound.get(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps({key: _cut(value) for key, value in line.items()}, default=str)


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_VALUE_CHARS:
        return value[:MAX_VALUE_CHARS] + f"… ({len(value)} characters)"
    return value


def setup(config: CloudConfig, process: str) -> None:
    """Send this process's log to log_dir/<process>.log, or to standard error when log_dir is empty.

    WatchedFileHandler, so that logrotate may move the file away.
    """
    handler: logging.Handler
    if config.log_dir:
        handler = logging.handlers.WatchedFileHandler(Path(config.log_dir) / f"{process}.log", delay=True)
    else:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.log_level)
    for noisy in ("kombu", "amqp", "urllib3", "pyroute2", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
