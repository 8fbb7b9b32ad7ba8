"""Servers asked for by many clients at once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.http import Client


def ask_for_all(clients: Sequence[Client], bodies: Iterable[dict[str, Any]]) -> None:
    """Each client asks for the next server as soon as it has its answer. Raises RuntimeError when one is refused."""
    left = iter(bodies)
    lock = threading.Lock()
    failures: list[Exception] = []

    def work(client: Client) -> None:
        while True:
            with lock:
                body = next(left, None)
            if body is None:
                return
            try:
                client.request("POST", "/compute/v2.1/servers", body)
            except Exception as err:  # noqa: BLE001 - told below, by the thread that measures
                failures.append(err)
                return

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"a server was refused: {failures[0]}")
