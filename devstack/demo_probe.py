"""Asking, from each server and from here, who answers at each address of the demo."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from demo_build import Made
from demo_topology import NOBODY, OUTSIDE, PING_OK, Target, expected
from progress import wait_for

BOOT_S, ANSWER_S, TRIES = 300.0, 4, 4


class Prober:
    """A server without a floating address is reached through the one of its tenant that has one, which may enter it."""

    def __init__(self, key: Path, made: Sequence[Made], columns: Sequence[Target]) -> None:
        self._key, self._made, self._columns = key, made, columns
        self._doors = {each.server.tenant: each.floating for each in made if each.floating}

    def wait(self) -> str:
        """Until every server lets us in and says its name to itself."""
        for each in self._made:
            wait_for(
                lambda each=each: (
                    self._run(each, f"timeout {ANSWER_S} wget -q -O - http://127.0.0.1/name")  # type: ignore[misc]
                    == each.server.name
                ),
                deadline_s=BOOT_S,
                failed=lambda each=each: f"{each.server.name} does not answer SSH, or not with its name",  # type: ignore[misc]
            )
        return f"{len(self._made)} servers answer SSH"

    def matrix(self) -> dict[tuple[str, str], str]:
        """Who answered, by source and title of the target. What should answer and does not is asked again."""
        with ThreadPoolExecutor(max_workers=2) as pool:
            rows = list(pool.map(self._row, self._made))
        found = {(source, title): seen for source, row in rows for title, seen in row.items()}
        for target in self._columns:
            if expected(OUTSIDE, target) is not None:
                found[(OUTSIDE, target.title)] = self._from_here(target)
        return found

    def _row(self, each: Made) -> tuple[str, dict[str, str]]:
        seen: dict[str, str] = {}
        for _ in range(TRIES):
            waiting = [target for target in self._columns if self._is_open(each, target, seen.get(target.title))]
            if not waiting:
                break
            seen |= self._ask(each, waiting)
        return each.server.name, seen

    @staticmethod
    def _is_open(each: Made, target: Target, seen: str | None) -> bool:
        wanted = expected(each.server.name, target)
        return seen is None or (seen == NOBODY and wanted not in (None, NOBODY))

    def _ask(self, each: Made, targets: Sequence[Target]) -> dict[str, str]:
        """All at once, since what is stopped is stopped by silence."""
        script = "".join(f"({_question(target)}; echo '{number}' $said) & " for number, target in enumerate(targets))
        lines = [line.split() for line in self._run(each, f"{script} wait").splitlines()]
        answers = {int(words[0]): words[1] for words in lines if len(words) == 2 and words[0].isdigit()}
        return {target.title: answers.get(number, NOBODY) for number, target in enumerate(targets)}

    def _run(self, each: Made, command: str) -> str:
        """What a command prints on a server; "" when there is no way in."""
        options = [
            "-i", str(self._key), "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10",
        ]  # fmt: skip
        door = self._doors[each.server.tenant]
        if not each.floating:
            inwards = f"nc {each.server.place.address} 22"
            options += ["-o", "ProxyCommand=" + " ".join(["ssh", *options, f"root@{door}", inwards])]
        command_line = ["ssh", *options, f"root@{each.floating or each.server.place.address}", command]
        try:
            done = subprocess.run(
                command_line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
            )
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout.strip()

    def _from_here(self, target: Target) -> str:
        if target.kind == "ping":
            asked = subprocess.run(
                ["ping", "-c", "1", "-W", str(ANSWER_S), target.address], capture_output=True, timeout=20, check=False
            )
            return PING_OK if asked.returncode == 0 else NOBODY
        try:
            with urllib.request.urlopen(f"http://{target.address}:{target.port}/name", timeout=ANSWER_S) as answer:
                said = answer.read(100).decode(errors="replace").strip()
        except (urllib.error.URLError, OSError):
            return NOBODY
        names = {each.server.name for each in self._made}
        return said if said in names else NOBODY  # somebody else's machine with that address is none of ours


def _question(target: Target) -> str:
    """Shell words that put who answered into `said`."""
    if target.kind == "ping":
        return f"said={NOBODY}; ping -c 1 -W {ANSWER_S} {target.address} >/dev/null 2>&1 && said={PING_OK}"
    if target.kind == "host":
        return f"said={NOBODY}; timeout {ANSWER_S} nc {target.address} {target.port} </dev/null >/dev/null 2>&1 && said={PING_OK}"
    asked = f"timeout {ANSWER_S} wget -q -O - http://{target.address}/name 2>/dev/null"
    return f"said=$({asked}) || said={NOBODY}"
