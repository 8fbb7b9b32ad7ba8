"""Guests that are not hit: what shows that they never noticed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

from tests.fixtures.e2e_guest import Guest

GAP_S = 20.0  # between two counts a second apart: emulated guests beside ten others that boot on two cores


@contextmanager
def unharmed(guests: Sequence[Guest]) -> Iterator[None]:
    """Each has the same boot and the same QEMU afterwards, its counter has no gap, and its clock went as the host's did.

    The last shows a guest that was paused, since its own clock stands still meanwhile.
    """
    boots = [guest.boot_id() for guest in guests]
    pids = [guest.cloud.qemu_pid(guest.id) for guest in guests]
    assert all(boots)
    assert all(pids)
    for guest in guests:
        guest.start_counting()
    begun = [(guest.beats()[-1].uptime_s, time.monotonic()) for guest in guests]
    yield
    assert [guest.boot_id() for guest in guests] == boots
    assert [guest.cloud.qemu_pid(guest.id) for guest in guests] == pids
    for guest, (uptime_s, at_s) in zip(guests, begun, strict=True):
        beats = guest.beats()
        assert [beat.number for beat in beats] == list(range(1, len(beats) + 1)), f"{guest.name} counted otherwise"
        gap_s = max(later.uptime_s - earlier.uptime_s for earlier, later in pairwise(beats))
        assert gap_s < GAP_S, f"{guest.name} stood still for {gap_s:.0f} s"
        lost_s = time.monotonic() - at_s - (beats[-1].uptime_s - uptime_s)
        assert abs(lost_s) < GAP_S, f"{guest.name} lost {lost_s:.0f} s against the host's clock"
