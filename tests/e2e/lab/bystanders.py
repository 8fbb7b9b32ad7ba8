"""Guests that are not hit: what shows that they never noticed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.fixtures.e2e_guest import Guest

GAP_S = 20.0  # between two counts a second apart: emulated guests beside ten others that boot on two cores


@contextmanager
def unharmed(guests: Sequence[Guest]) -> Iterator[None]:
    """Each has the same boot and the same QEMU afterwards, and its counter has no gap."""
    boots = [guest.boot_id() for guest in guests]
    pids = [guest.cloud.qemu_pid(guest.id) for guest in guests]
    for guest in guests:
        guest.start_counting()
    yield
    assert [guest.boot_id() for guest in guests] == boots
    assert [guest.cloud.qemu_pid(guest.id) for guest in guests] == pids
    for guest in guests:
        gap_s = guest.longest_gap_s()
        assert gap_s < GAP_S, f"{guest.name} stood still for {gap_s:.0f} s"
