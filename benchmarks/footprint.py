"""start_s and idle_pss_mib: how long a service takes to begin, and what the idle control plane holds."""

from __future__ import annotations

import time

from benchmarks.boots import many_at_once
from benchmarks.cloud import BenchCloud, wait_for
from benchmarks.figures import Figure, p
from benchmarks.processes import Meter, pss_mib

STARTS, BOOTS = 5, 100
PARTS = ("api", "schedulers", "agents")


def start(cloud: BenchCloud) -> Figure:
    """From the start of cumulet-api to its first answered request; the median of some, after one that warms the disk."""
    times, meters = [], []
    for _ in range(STARTS + 1):
        began = time.perf_counter()
        process = cloud.start("api", "cumulet-api", cloud.config, "api")
        wait_for("the API to answer", cloud.answers, pause_s=0.01)
        times.append(time.perf_counter() - began)
        meters.append(Meter({"api": [process.pid]}).total_ms("api"))
        cloud.stop()
    return Figure("start_s", p(50, times[1:]), 2, more={"cpu_ms": p(50, meters[1:])})


def idle_pss(cloud: BenchCloud) -> Figure:
    """After BOOTS servers were made and everything has come to rest."""
    many_at_once(cloud, BOOTS)
    wait_for("the last operations", lambda: not cloud.scalar("SELECT count(*) FROM operations WHERE state = 'running'"))
    by_part = {part: round(pss_mib(cloud.groups[part]), 1) for part in PARTS}
    return Figure("idle_pss_mib", sum(by_part.values()), 200, more=by_part)
