"""The end of a guest's serial log, made safe to show.

virtlogd keeps the log bounded and rotates it: NAME is the newest part, NAME.0 the one before, and so on. What a guest
prints may be anything, so control sequences and characters that only mislead a terminal or a reader are dropped here.
"""

from __future__ import annotations

import re
from pathlib import Path

_MAX_BACKUPS = 10
# Operating system commands, device control strings and the like up to their end; then control sequences; then the rest.
_ESCAPES = re.compile(
    r"\x1b[\]PX^_][^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,16}[@-~]?"
    r"|\x1b[ -/]{0,4}[0-~]?"
)
# C0 and C1 controls but tab and newline, deletion, what turns the direction of text, and half characters.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def tail(path: Path, lines: int | None, *, max_kib: int) -> str:
    """The last `lines` lines of the log (None: all that is kept), from at most its last max_kib KiB.

    A guest that has printed nothing, or has no log yet, gives "". Raises OSError when the log can't be read.
    """
    if lines is not None and lines <= 0:
        return ""
    kept = clean(_last_bytes(path, max_kib * 1024)).splitlines(keepends=True)
    return "".join(kept if lines is None else kept[-lines:])


def clean(data: bytes) -> str:
    """Text of printable characters, tabs and newlines; bytes that are no text become U+FFFD."""
    text = data.decode("utf-8", errors="replace").replace("\r\n", "\n")
    return _UNSAFE.sub("", _ESCAPES.sub("", text)).replace("\u2028", "\n").replace("\u2029", "\n")


def _last_bytes(path: Path, limit: int) -> bytes:
    """The newest bytes of the log and its rotated parts, oldest first. A rotation meanwhile at worst repeats a part."""
    parts: list[bytes] = []
    left = limit
    for part in (path, *(path.with_name(f"{path.name}.{number}") for number in range(_MAX_BACKUPS))):
        try:
            with part.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - left))
                data = file.read(left)
        except FileNotFoundError:
            if part != path:
                break
            continue
        parts.append(data)
        left -= len(data)
        if left <= 0:
            break
    return b"".join(reversed(parts))
