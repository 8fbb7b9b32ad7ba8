"""Reports on their way to the control plane.

Final reports are on the disk before they are sent, and are sent again with growing pauses until the control plane says
that it has committed them; so they survive a restart of the agent, the broker and the control plane. Acknowledged ones
are kept aside until their command has expired, so that a late copy of it is answered instead of obeyed again.

    outbox/<command id>.json     not acknowledged yet
    settled/<command id>.json    acknowledged
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from common import log
from common.clock import Clock
from common.deadlines import ACCEPTED_HELD_BACK_S, REPORT_REPEAT_FIRST_S, REPORT_REPEAT_MAX_S
from common.errors import BusUnavailable
from common.killpoints import reach
from common.rpc.compute_v1 import FromAgent, PowerEvent, Report
from compute_agent import durable

logger = logging.getLogger(__name__)
_PASSING_KEPT = 1000
_BROKER_PAUSE_S = 1.0


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """keep_until: when no copy of the command can be obeyed any more."""

    report: Report
    keep_until: datetime


@dataclass
class _Sending:
    report: Report
    due: float
    pause_s: float = REPORT_REPEAT_FIRST_S


class Outbox:
    """`send` raises BusUnavailable. Every method but `send_due` and `run` only takes note and returns at once."""

    def __init__(self, state_dir: Path, send: Callable[[FromAgent], None], clock: Clock) -> None:
        self._folder = durable.make_folder(state_dir / "outbox")
        self._settled_folder = durable.make_folder(state_dir / "settled")
        self._send = send
        self._clock = clock
        self._changed = threading.Condition()
        self._one_sender = threading.Lock()
        self._passing: deque[Report | PowerEvent] = deque(maxlen=_PASSING_KEPT)
        self._held: dict[str, _Sending] = {}
        self._not_before = 0.0  # while the broker does not answer
        now = clock.monotonic()
        kept = list(durable.read_all(self._folder, Kept))
        self._open = {each.report.command_id: _Sending(each.report, now) for each in kept}
        settled = durable.read_all(self._settled_folder, Kept)
        self._settled = {each.report.command_id: each.keep_until for each in settled}

    def post(self, message: Report | PowerEvent) -> None:
        """Send something that may be lost: an acceptance, progress, an event."""
        with self._changed:
            self._passing.append(message)
            self._changed.notify_all()

    def hold(self, report: Report) -> None:
        """Send an acceptance in ACCEPTED_HELD_BACK_S, unless the command's final report comes first: most are that quick."""
        with self._changed:
            self._held[report.command_id] = _Sending(report, self._clock.monotonic() + ACCEPTED_HELD_BACK_S)
            self._changed.notify_all()

    def keep(self, report: Report, keep_until: datetime) -> None:
        """Send a final report until it is acknowledged. Returns when it is on the disk; raises OSError."""
        data = msgspec.json.encode(Kept(report=report, keep_until=keep_until))
        durable.write(self._path(report.command_id), data)
        with self._changed:
            self._held.pop(report.command_id, None)
            self._open[report.command_id] = _Sending(report, self._clock.monotonic())
            self._changed.notify_all()

    def repeat(self, command_id: str) -> bool:
        """Send the final report of a command once more; False when there is none (yet)."""
        with self._changed:
            sending = self._open.get(command_id)
            if sending is not None:
                sending.due = self._clock.monotonic()
                self._changed.notify_all()
                return True
            if command_id not in self._settled:
                return False
        data = self._settled_path(command_id).read_bytes()
        self.post(msgspec.json.decode(data, type=Kept).report)
        return True

    def acknowledge(self, report_ids: list[str]) -> None:
        """The control plane has committed these; ids of others are no news."""
        named = set(report_ids)
        with self._changed:
            for command_id in [key for key, sending in self._open.items() if sending.report.id in named]:
                kept = msgspec.json.decode(self._path(command_id).read_bytes(), type=Kept)
                # Not synced: if a power cut undoes the rename, the report is sent and acknowledged once more.
                self._path(command_id).rename(self._settled_path(command_id))
                self._settled[command_id] = kept.keep_until
                del self._open[command_id]

    def purge(self) -> int:
        """Forget acknowledged reports whose command has expired; how many."""
        now = self._clock.now()
        with self._changed:
            old = [command_id for command_id, keep_until in self._settled.items() if keep_until < now]
            for command_id in old:
                self._settled_path(command_id).unlink(missing_ok=True)
                del self._settled[command_id]
        return len(old)

    def unacknowledged(self) -> int:
        with self._changed:
            return len(self._open)

    def send_due(self) -> float:
        """Send what is due; returns in how many seconds something will be."""
        with self._one_sender:
            if self._clock.monotonic() >= self._not_before:
                try:
                    self._send_passing()
                    self._send_final()
                except BusUnavailable as err:
                    self._not_before = self._clock.monotonic() + _BROKER_PAUSE_S
                    log.event(logger, "outbox.broker_unavailable", logging.WARNING, reason=err.detail[:300])
        return self._until_next()

    def run(self, stop: threading.Event) -> None:
        """The sender's life: until `stop` is set."""
        while not stop.is_set():
            pause_s = self.send_due()
            with self._changed:
                if not stop.is_set() and self._nothing_due():
                    self._changed.wait(min(pause_s, REPORT_REPEAT_FIRST_S))

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _send_passing(self) -> None:
        with self._changed:
            now = self._clock.monotonic()
            for command_id in [key for key, held in self._held.items() if held.due <= now]:
                self._passing.append(self._held.pop(command_id).report)
        while True:
            with self._changed:
                if not self._passing:
                    return
                message = self._passing[0]
            self._send(message)
            with self._changed:
                if self._passing and self._passing[0] is message:
                    self._passing.popleft()

    def _send_final(self) -> None:
        now = self._clock.monotonic()
        with self._changed:
            due = [sending for sending in self._open.values() if sending.due <= now]
        for sending in due:
            reach("agent", sending.report.step, "publishing")
            self._send(sending.report)
            reach("agent", sending.report.step, "published")
            sending.due = now + sending.pause_s
            sending.pause_s = min(sending.pause_s * 2, REPORT_REPEAT_MAX_S)

    def _until_next(self) -> float:
        with self._changed:
            now = self._clock.monotonic()
            times = [sending.due for sending in (*self._open.values(), *self._held.values())]
            if self._passing:
                times.append(now)
            first = min(times, default=now + REPORT_REPEAT_MAX_S)
            return max(0.0, max(first, self._not_before) - now)

    def _nothing_due(self) -> bool:
        """The caller holds the lock."""
        now = self._clock.monotonic()
        if now < self._not_before:
            return True
        return not self._passing and all(sending.due > now for sending in (*self._open.values(), *self._held.values()))

    def _path(self, command_id: str) -> Path:
        return self._folder / f"{command_id}{durable.SUFFIX}"

    def _settled_path(self, command_id: str) -> Path:
        return self._settled_folder / f"{command_id}{durable.SUFFIX}"
