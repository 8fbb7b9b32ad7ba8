"""What a check answers: how it stands, what was found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    OK = "ok"
    WARN = "warn"  # works, but slower or less safely than it could
    FAIL = "fail"  # something will not work


@dataclass(frozen=True)
class Result:
    """One line of `cumulet check`; remedy is empty when nothing needs doing."""

    name: str
    standing: Standing
    finding: str
    remedy: str = ""


def ok(name: str, finding: str) -> Result:
    return Result(name, Standing.OK, finding)


def warn(name: str, finding: str, remedy: str) -> Result:
    return Result(name, Standing.WARN, finding, remedy)


def fail(name: str, finding: str, remedy: str) -> Result:
    return Result(name, Standing.FAIL, finding, remedy)
