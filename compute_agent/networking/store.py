"""What the agent remembers of the node's networking: the desired state last taken on and the numbers given to it.

Written before the work starts, so that a restarted agent finds the devices it has to finish or remove; mode 0600,
replaced by one rename.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from common.errors import NetworkingError
from common.rpc.compute_v1 import NetworkState


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """`floor`: the highest version any port was plugged in at; states below it are outdated.

    `indices` and `zones` number ports and networks in packet marks and conntrack; stable while they exist."""

    state: NetworkState = NetworkState(version=0)
    indices: dict[str, int] = {}
    zones: dict[str, int] = {}
    floor: int = 0


def load(path: Path) -> Stored:
    """What was stored, or the empty state. Raises NetworkingError for a file that can't be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Stored)
    except FileNotFoundError:
        return Stored()
    except (OSError, msgspec.DecodeError) as err:
        raise NetworkingError(f"{path} can't be read; move it away to begin anew", detail=str(err)) from err


def save(path: Path, stored: Stored) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(stored))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def number(known: Mapping[str, int], identities: Iterable[str], highest: int) -> dict[str, int]:
    """Numbers from 1 for these ids: those that have one keep it, new ones get the next after the highest in use.

    A number freed a moment ago is thus not given out again at once. Raises NetworkingError when none is left.
    """
    wanted = list(dict.fromkeys(identities))
    given = {identity: known[identity] for identity in wanted if identity in known}
    used = set(given.values())
    following = max(known.values(), default=0) + 1
    for identity in wanted:
        if identity in given:
            continue
        if len(used) >= highest:
            raise NetworkingError(f"this node has no number left for {identity}: all {highest} are in use")
        while following in used or following > highest:
            following = 1 if following >= highest else following + 1
        given[identity] = following
        used.add(following)
        following += 1
    return given
