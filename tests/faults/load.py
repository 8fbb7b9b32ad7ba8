"""Clients that go on creating and deleting servers whatever happens, and remember what they were told."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import requests

from tests.faults.cloud import FaultCloud, Refused
from tests.fixtures.survived import survived

CLIENTS = 2
PAUSE_S = 0.2
JOIN_S = 60.0
RECOVER_S = 120.0


class Load:
    """Runs while the block does; `check` then holds the cloud to what it said.

    made: ids by name of servers that were accepted. gone: ids whose deletion was accepted. unanswered: names of servers
    that were asked for without an answer. refusals: answers that were errors.
    """

    def __init__(self, cloud: FaultCloud) -> None:
        self._cloud = cloud
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(CLIENTS)]
        self.made: dict[str, str] = {}
        self.gone: set[str] = set()
        self.unanswered: list[str] = []
        self.refusals: list[Refused] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_S)

    def wait_for_more(self, count: int = 4) -> None:
        """Until so many more servers have been accepted."""
        enough = len(self.made) + count
        self._cloud.wait(f"{enough} servers accepted", lambda: len(self.made) >= enough, JOIN_S)

    def check(self, what: str) -> None:
        """Everything accepted is done, nothing else is there, and the audit finds no difference."""
        cloud = self._cloud
        assert not any(thread.is_alive() for thread in self._threads), "a client hangs"
        for refusal in self.refusals:
            assert (refusal.status, "Retry-After" in refusal.headers) == (503, True), str(refusal)
            assert "Traceback" not in refusal.text
        survived("requests answered 503 during outages", len(self.refusals))
        survived("requests accepted during and around outages", len(self.made))
        cloud.wait_rest([*self.made.values()], RECOVER_S)
        states = {server_id: cloud.row(server_id).vm_state for server_id in self.made.values()}
        wrong = {
            one: (state, cloud.row(one).fault, cloud.operations(one)) for one, state in states.items()
            if state != ("deleted" if one in self.gone else "active")
        }  # fmt: skip
        assert wrong == {}, wrong
        for name, server_id in self.made.items():
            assert cloud.named(name) == ([] if server_id in self.gone else [server_id])
        for name in self.unanswered:
            found = cloud.named(name)
            assert len(found) <= 1, "made twice"
            cloud.wait_rest(found, RECOVER_S)
        cloud.wait_sound(what, RECOVER_S)
        self._clean_up()

    def _clean_up(self) -> None:
        cloud = self._cloud
        left = [server_id for name in (*self.made, *self.unanswered) for server_id in cloud.named(name)]
        for server_id in left:
            cloud.delete(server_id)
        cloud.wait_rest(left, RECOVER_S)

    def _client(self, number: int) -> None:
        mine: list[str] = []
        while not self._stop.is_set():
            name = f"load-{number}-{time.monotonic_ns()}"
            try:
                self.made[name] = self._cloud.create(name)
                mine.append(self.made[name])
                if len(mine) % 3 == 0:
                    self._delete(mine.pop(0))
            except requests.RequestException:
                self.unanswered.append(name)
            except Refused as err:
                self.refusals.append(err)
            self._stop.wait(PAUSE_S)

    def _delete(self, server_id: str) -> None:
        """A deletion without an answer is asked for again at once: deleting twice is harmless."""
        while True:
            try:
                self._cloud.delete(server_id)
            except requests.RequestException:
                pass
            except Refused as err:
                if err.status == 404:
                    break
                self.refusals.append(err)
            else:
                break
            if self._stop.wait(PAUSE_S):
                return
        self.gone.add(server_id)
