"""Files that survive a crash: whole or not there, on the disk before the caller goes on, readable by root only.

Everything the agent must not forget (commands, reports, last obeyed specs) is written through here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from common import log

logger = logging.getLogger(__name__)
SUFFIX = ".json"
_PASSING = ".new"
_DAMAGED = ".damaged"
_T = TypeVar("_T")


def make_folder(folder: Path) -> Path:
    """Make a private folder and remove what a killed writer left half written in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.glob(f"*{_PASSING}"):
        left.unlink(missing_ok=True)
    return folder


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path` by one rename; returns when file and name are on the disk. Raises OSError."""
    passing = path.with_name(path.name + _PASSING)
    descriptor = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    passing.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_all(folder: Path, kind: type[_T]) -> Iterator[_T]:
    """Every value kept in a folder. A file that is none (a broken disk) is set aside, logged, and left out."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            yield msgspec.json.decode(path.read_bytes(), type=kind)
        except msgspec.DecodeError as err:
            path.rename(path.with_name(path.name + _DAMAGED))
            log.event(logger, "agent.file_damaged", logging.ERROR, file=str(path), reason=str(err)[:500])


def read_word(path: Path) -> str:
    """The text of a one-word file, "" when there is none."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
