"""Results by commit, outside the repository: one line of JSON per test, the newest line wins.

A run that is stopped loses nothing, and the next one goes on where it was. The commit `abc…-dirty` is one whose tree has
been changed since.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

TOP = Path(__file__).parents[2]
_GIT_S = 30.0


@dataclass(frozen=True)
class Result:
    """result: passed, failed or skipped; why: the last line of the failure, or the reason. at: when, UTC.

    guests: whether the tests logged in to servers.
    """

    test: str
    result: str
    why: str = ""
    seconds: float = 0.0
    at: str = ""
    guests: bool = True


def home() -> Path:
    """Where results are kept, unless CUMULET_CONFORMANCE_DIR says so."""
    moved = os.environ.get("CUMULET_CONFORMANCE_DIR")
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    return Path(moved) if moved else state / "cumulet/conformance"


def commit() -> str:
    """The commit that is being measured."""
    head = _git("rev-parse", "HEAD").strip()
    changed = _git("status", "--porcelain", "--untracked-files=no").strip()
    return f"{head[:12]}-dirty" if changed else head[:12]


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=TOP, capture_output=True, text=True, check=True, timeout=_GIT_S)
    return done.stdout


class Kept:
    """The results of one commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "results.jsonl"

    def read(self) -> dict[str, Result]:
        """By test. A last line that was cut off by a crash is no result."""
        if not self._file.exists():
            return {}
        found: dict[str, Result] = {}
        for line in self._file.read_text().splitlines():
            try:
                result = Result(**json.loads(line))
            except (ValueError, TypeError):
                continue
            found[result.test] = result
        return found

    def add(self, result: Result) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        stamped = Result(**{**asdict(result), "at": datetime.now(UTC).isoformat(timespec="seconds")})
        with self._file.open("a") as file:
            file.write(json.dumps(asdict(stamped)) + "\n")

    def forget(self, tests: set[str]) -> None:
        """These are to be run again."""
        rest = [result for name, result in self.read().items() if name not in tests]
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        fresh.write_text("".join(json.dumps(asdict(result)) + "\n" for result in rest))
        fresh.replace(self._file)


def of_commit(name: str) -> Kept:
    return Kept(home() / name)


def all_kept() -> list[Kept]:
    """Of every commit, the one that was measured last at the end."""
    files = sorted(home().glob("*/results.jsonl"), key=lambda path: path.stat().st_mtime)
    return [Kept(path.parent) for path in files]
