"""benchmarks/run gives every figure that it promises, so that nobody finds it broken when figures are needed.

With a few rows and servers: what the figures say is for docs/performance.md, on a quiet machine, and nothing is asserted of it.
"""

from __future__ import annotations

import pytest

from benchmarks import actions, boots, footprint, images, main, network_ports, real_disks, scale, served_volume
from benchmarks.cloud import running

pytestmark = [pytest.mark.full, pytest.mark.postgresql, pytest.mark.rabbitmq]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in (
        (scale, "SERVERS", 1200),
        (scale, "NODES", 50),
        (scale, "LISTS", 2),
        (scale, "CLAIMS", 3),
        (boots, "WARM_UP", 2),
        (actions, "ROUNDS", 1),
        (actions, "QEMU_ROUNDS", 1),
        (footprint, "BOOTS", 4),
        (footprint, "STARTS", 1),
        (main, "ONE_AT_A_TIME", 4),
        (main, "MANY", 8),
        (images, "SIZE_MIB", 4),
        (network_ports, "AT_ONCE", 6),
        (network_ports, "ONE_BY_ONE", 2),
        (images, "ROUNDS", 1),
        (real_disks, "SERVERS", 1),
        (real_disks, "VOLUMES", 1),
        (real_disks, "SIZE_MIB", 4),
        (served_volume, "SIZE_MIB", 4),
        (served_volume, "ROUNDS", 1),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("measure", main.MEASURES, ids=lambda measure: "-".join(measure.keys))
def test_every_measure_gives_its_figures(measure: main.Measure) -> None:
    with running() as cloud:
        figures = measure.take(cloud)
    assert tuple(figure.key for figure in figures) == measure.keys
    assert all(figure.value > 0 for figure in figures)
