"""Runs tests in tempest's own virtual environment; one line of JSON per test, as soon as it is known.

    TEMPEST_CONFIG_DIR=… python worker.py <names >results

It knows nothing of this project and imports nothing but what is there; runner.py starts it. The classes' own trouble
(`setUpClass` that fails or skips) counts for each of their tests that was asked for.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
import unittest
from typing import Any

_CLASS = re.compile(r"^(?:setUpClass|setUpModule|tearDownClass|tearDownModule) \((.+)\)$")


class Reporter(unittest.TestResult):
    """Tells each result on `out`. `names`: the tests of one class."""

    def __init__(self, out: Any, names: list[str]) -> None:
        super().__init__()
        self._out = out
        self._left = dict.fromkeys(names)
        self._begun = time.monotonic()

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().startTest(test)
        self._begun = time.monotonic()

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        self._tell(test, "passed", "")

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        self._tell(test, "passed", "")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        self._tell(test, "failed", "it was expected to fail")

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        self._tell(test, "failed", _why(err))

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        self._tell(test, "failed", _why(err))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        self._tell(test, "skipped", reason)

    def rest(self, why: str) -> None:
        """What never came to a result has failed."""
        for name in list(self._left):
            self._write(name, "failed", why)

    def _tell(self, test: unittest.TestCase, result: str, why: str) -> None:
        whole = str(test.id()) if hasattr(test, "id") else str(test)
        if whole.startswith("tearDown"):
            return  # what is left behind fails no test; tempest's log has it
        if _CLASS.match(whole):
            for name in list(self._left):
                self._write(name, result, why)
            return
        self._write(whole.split("[")[0], result, why)

    def _write(self, name: str, result: str, why: str) -> None:
        if name not in self._left:
            return
        del self._left[name]
        took_s = round(time.monotonic() - self._begun, 2)
        line = {"test": name, "result": result, "why": why.strip()[:600], "seconds": took_s}
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


def _why(err: Any) -> str:
    """The exception's first lines, which name it, and its last, which often has the server's answer."""
    text = "".join(traceback.format_exception_only(err[0], err[1])) if isinstance(err, tuple) else str(err)
    _before, marked, rest = text.rpartition("Traceback (most recent call last):\n")
    lines = [line for line in (rest if marked else text).splitlines() if line.strip().strip("{}")]
    if marked:  # testtools puts the log before it; the frames are indented
        at = next((number for number, line in enumerate(lines) if not line.startswith(" ")), 0)
        lines = lines[at:]
    lines = [line.strip() for line in lines]
    chosen = lines[:3] + [line for line in lines[3:] if "Failed validating" in line][:1] + lines[3:][-1:]
    return " | ".join(line[:200] for line in chosen)


def run(names: list[str], out: Any) -> None:
    """One class after the other."""
    classes: dict[str, list[str]] = {}
    for name in names:
        classes.setdefault(name.rsplit(".", 1)[0], []).append(name)
    for of_class in classes.values():
        reporter = Reporter(out, of_class)
        suite = unittest.defaultTestLoader.loadTestsFromNames(of_class)
        try:
            suite.run(reporter)
        except Exception as err:  # noqa: BLE001 - whatever a test does, the others' results are wanted
            reporter.rest(f"{type(err).__name__}: {err}")
        reporter.rest("it never reported")


if __name__ == "__main__":
    os.environ.setdefault("OS_TEST_TIMEOUT", "1200")
    # A stray print of a test must not end up between the results.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    run([line.strip() for line in sys.stdin if line.strip()], results)
