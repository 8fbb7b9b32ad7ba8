"""What the agent counts, for /metrics."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

import prometheus_client as prometheus

from common.rpc.compute_v1 import DomainDigest, PowerState, Report
from compute_agent.task import Task

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


class Metrics:
    """A registry of its own, so that several agents fit in one process."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        self._commands = prometheus.Counter(
            "cumulet_agent_commands", "Commands ended", ("kind", "result", "code"), registry=self.registry
        )
        self._phases = prometheus.Histogram(
            "cumulet_agent_phase_seconds", "Time inside outside tools, by step", ("phase",), buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._guests = prometheus.Gauge(
            "cumulet_agent_guests", "Domains of this cloud by power state", ("power",), registry=self.registry
        )
        self._unacknowledged = prometheus.Gauge(
            "cumulet_agent_reports_unacknowledged", "Final reports not acknowledged yet", registry=self.registry
        )
        self._heartbeats = prometheus.Counter(
            "cumulet_agent_heartbeats", "Heartbeats by result", ("result",), registry=self.registry
        )
        self._healed = prometheus.Counter(
            "cumulet_agent_networking_healed", "Missing network parts that were put back", registry=self.registry
        )

    def command_ended(self, task: Task, report: Report) -> None:
        kind = str(task.command.__struct_config__.tag)
        self._commands.labels(kind=kind, result=report.kind.value, code=report.code).inc()
        for phase, took_ms in task.timings_ms.items():
            self._phases.labels(phase=phase).observe(took_ms / 1000)

    def beaten(self, domains: Iterable[DomainDigest], unacknowledged: int, *, sent: bool) -> None:
        tally = Tally(domain.power for domain in domains)
        for power in PowerState:
            self._guests.labels(power=power.value).set(tally[power])
        self._unacknowledged.set(unacknowledged)
        self._heartbeats.labels(result="sent" if sent else "lost").inc()

    def healed(self, count: int) -> None:
        self._healed.inc(count)

    def render(self) -> bytes:
        return prometheus.generate_latest(self.registry)
