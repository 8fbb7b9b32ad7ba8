"""An agent with driver `none`: it applies networks and reports, and takes no instance."""

from __future__ import annotations

from pathlib import Path

from common.rpc.compute_v1 import Heartbeat, ReportKind
from tests.unit.agent.box import Box, Orders


def test_it_applies_networks_and_sends_heartbeats_that_offer_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path, driver="none", vcpus=8)
    orders = Orders(box.clock)
    assert box.do(orders.network(7)).kind is ReportKind.DONE
    assert box.agent.beat()
    (beat,) = [each for each in box.sent() if isinstance(each, Heartbeat)]
    assert (beat.network_version, beat.complete, beat.domains) == (7, True, [])
    assert (beat.inventory.vcpus, beat.inventory.memory_mib, beat.inventory.disk_gib) == (0, 0, 0)
    box.agent.stop()


def test_it_refuses_instances_and_has_nothing_of_them(tmp_path: Path) -> None:
    box = Box(tmp_path, driver="none")
    orders = Orders(box.clock)
    report = box.do(orders.create())
    assert (report.kind, report.retry_elsewhere, report.absent) == (ReportKind.FAILED, True, True)
    assert box.do(orders.remove()).kind is ReportKind.DONE
    box.agent.stop()
