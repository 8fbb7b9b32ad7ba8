"""Places at which a fault test kills this process with SIGKILL, once. In production: one comparison and nothing else.

Only a process whose environment names a folder in CUMULET_KILL_FOLDER looks any further. A test arms a point by making
the file of that name in the folder; the first process to reach it renames the file to `<point>.fired` and dies, so that
each armed point kills exactly one process, once, and the test can count the kills that really happened.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "CUMULET_KILL_FOLDER"
FIRED = ".fired"
_folder: str | None = os.environ.get(VARIABLE)


def reach(*words: str) -> None:
    """Die here if a test wants it. The point's name is the words with `:` between them: api:server_create:before_commit."""
    if _folder is not None:
        _die_if_armed(_folder, ":".join(words))


def armed() -> bool:
    """True in a fault test: for callers to whom naming their point is work."""
    return _folder is not None


def _die_if_armed(folder: str, point: str) -> None:
    path = os.path.join(folder, point.replace("/", "_"))
    try:
        os.rename(path, path + FIRED)
    except FileNotFoundError:  # not armed, or another process was quicker
        return
    os.kill(os.getpid(), signal.SIGKILL)
