"""`lab down` leaves nothing but files; the next `lab up` brings the servers back; `--purge` takes the files, too."""

from __future__ import annotations

import pytest

from tests.fixtures.e2e_guest import Guest
from tests.fixtures.e2e_wait import until
from tests.fixtures.lab import Lab, remains

pytestmark = [pytest.mark.qemu, pytest.mark.root]

GONE_S = 20.0  # the kernel takes network namespaces apart after their last process has ended


@pytest.mark.full
def test_the_next_up_brings_the_servers_back(lab: Lab, six: list[Guest]) -> None:
    guest = six[0]
    guest.ssh("echo kept >/root/file; sync")
    before = guest.boot_id()
    lab.lab("down")
    until(lambda: not remains(), "the end of all that runs", deadline_s=GONE_S)
    lab.lab("up", "--nodes", "3")
    guest.wait_for_other_boot(before)
    assert guest.ssh("cat /root/file") == "kept"
    assert guest.status() == "ACTIVE"


def test_purge_leaves_nothing_at_all(lab: Lab) -> None:
    lab.lab("down", "--purge")
    until(lambda: not remains(), "the end of all that runs", deadline_s=GONE_S)
    assert {path.name for path in lab.state.iterdir()} <= {"client", "guest", "debs", "novnc", "kills"}
    assert [path.name for path in lab.client.iterdir()] == []
    lab.lab("down")  # a second time is no error
